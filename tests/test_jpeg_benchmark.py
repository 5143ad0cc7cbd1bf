import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

# benchmarks/ is not installed with the package: it is found from the root alone
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import jpeg_check, jpeg_files, jpeg_table
from benchmarks.jpeg_kinds import kind_of

ROOT = Path(__file__).resolve().parent.parent

FAKES = """
from benchmarks.jpeg_codecs import JpegCodec

class Zlib(JpegCodec):
    name = "zlib"
    label = "zlib"
    settings = ""
    module = package = "zlib"
    def version(self):
        return "1"
    def encode(self, file):
        return self._library.compress(file)
    def decode(self, data):
        return self._library.decompress(data)

class Odd(Zlib):
    name = "odd"
    def encode(self, file):
        if len(file) % 2 == 0:
            raise ValueError("an even size")
        return super().encode(file)
    def decode(self, data):
        return super().decode(data)[:-1]
"""


def jpeg(mode="RGB", **settings):
    image = Image.fromarray(np.arange(32 * 40 * 3, dtype=np.uint8).reshape(32, 40, 3)).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **settings)
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path):
    """Give a folder of an even and an odd JPEG file, beside the module of fake codecs."""
    files = tmp_path / "files"
    (files / "phone").mkdir(parents=True)
    even, odd = jpeg(), jpeg("L")
    (files / "a.jpg").write_bytes(even + bytes(len(even) % 2))
    (files / "phone" / "b.JPG").write_bytes(odd + bytes(1 - len(odd) % 2))
    (files / "c.jpg").write_bytes(b"not JPEG")
    (tmp_path / "fake_jpeg_codecs.py").write_text(FAKES)
    return files


def measured(folder, *arguments):
    """Run the script; return its results."""
    out = folder.parent / "results.json"
    search = os.pathsep.join([str(folder.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, str(ROOT / "benchmarks" / "jpeg_files.py"), str(folder), *arguments]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": search})
    return json.loads(out.read_text())


def test_kinds_are_process_components_and_sampling():
    assert kind_of(jpeg()) == "baseline colour 2x2"
    assert kind_of(jpeg(progressive=True, subsampling="4:4:4")) == "progressive colour 1x1"
    assert kind_of(jpeg(subsampling="4:2:2")) == "baseline colour 2x1"
    assert kind_of(jpeg("L")) == "baseline grey"
    assert kind_of(jpeg("CMYK")) == "baseline four components"
    assert kind_of(b"\xff\xd8\xff\xd9") == "without a frame"


@pytest.mark.slow
def test_files_that_are_refused_or_different_count_with_their_own_size(folder):
    out = str(folder.parent / "results.json")
    results = measured(folder, "--codecs", "fake_jpeg_codecs:Odd", "--out", out)
    assert [file["name"] for file in results["files"]] == ["a.jpg", "phone/b.JPG"]
    found = results["codecs"]["odd"]["files"]
    assert [file["outcome"] for file in found] == ["refused", "different"]
    assert [file["size_bytes"] for file in found] == [file["size_bytes"] for file in results["files"]]
    assert found[0]["reason"] == "ValueError: an even size"
    merged = measured(folder, "--codecs", "fake_jpeg_codecs:Zlib", "--merge", out)
    assert merged["codecs"]["odd"] == results["codecs"]["odd"]
    assert [file["outcome"] for file in merged["codecs"]["zlib"]["files"]] == ["same", "same"]
    assert [run["id"] for run in merged["runs"]] == [1, 2]
    (folder / "a.jpg").write_bytes(jpeg(quality=10))
    with pytest.raises(subprocess.CalledProcessError):
        measured(folder, "--codecs", "fake_jpeg_codecs:Zlib", "--merge", out)


def test_table_compares_with_the_best_other_codec():
    files = [{"size_bytes": 1000, "kind": "baseline grey"}, {"size_bytes": 3000, "kind": "without a frame"}]
    row = {"label": "A", "run": 1}

    def rows(*sizes):
        same = {"outcome": "same", "encode_seconds": 0.001, "decode_seconds": 0.0005}
        return [{**same, "size_bytes": size} for size in sizes]

    codecs = {
        "jxl9": {**row, "files": rows(800, 2400)},
        "lepton": {**row, "label": "B", "files": rows(900, 2700)},
        "pixcodec-max": {**row, "label": "C", "files": rows(700, 2100)},
    }
    runs = [{"id": 1, "date": "2026", "note": ""}]
    lines = jpeg_table.table({"files": files, "runs": runs, "codecs": codecs})
    assert "| A | 3200 | 0.8000 | 0.8889 | 0 | 0 | 2 | 4 | 1 |" in lines
    assert "| B | 3600 | 0.9000 | 1.1250 | 0 | 0 | 2 | 4 | 1 |" in lines
    assert "| C | 2800 | 0.7000 | 0.8750 | 0 | 0 | 2 | 4 | 1 |" in lines
    assert "| baseline grey | 1 | 1000 | 0.8000 | 0.9000 | 0.7000 |" in lines


def test_check_counts_by_kind_and_says_why_files_are_stored(folder):
    (folder / "cut.jpg").write_bytes(jpeg()[:-50])
    files = jpeg_files.jpeg_files([folder])
    found = [jpeg_check.check_file(file, "fast") for file in files]
    assert [each.outcomes[0] for each in found] == ["equal"] * 3
    assert "stored" in found[1].outcomes
    lines = jpeg_check.summary(found)
    assert any(line.startswith("| all | 3 | 3 | 0 | 0 | 0 |") for line in lines)
    assert lines[-1].endswith(" | 1 |")
