import ast
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

from benchmarks import public_sets, readme, report, run, speed, tile_sizes
from pixcodec.bench import record

ROOT = Path(__file__).resolve().parent.parent

FAKES = """
from pixcodec.bench.peers import Png

class Lossy(Png):
    name = "lossy"
    def encode(self, image):
        return super().encode(image & 0xFE)

class Sleepy(Png):
    name = "sleepy"
    label = "sleepy PNG"
    threaded = True
"""


def make_image(shape, kind):
    rng = np.random.default_rng(sum(shape))
    if kind == "noise":
        return rng.integers(0, 256, shape, dtype=np.uint8)
    if kind == "flat":
        return np.full(shape, 77, dtype=np.uint8)
    rows, columns = np.indices(shape[:2])
    smooth = (3 * rows + 2 * columns) % 256
    return (smooth if len(shape) == 2 else smooth[..., None] + [0, 5, 250]).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Give a folder of three tiny images, one of them grey, beside the module of fake codecs."""
    images = tmp_path / "tiny"
    images.mkdir()
    Image.fromarray(make_image((3, 5, 3), "noise")).save(images / "a.png")
    Image.fromarray(make_image((17, 9, 3), "smooth")).save(images / "b.png")
    Image.fromarray(make_image((8, 6), "smooth")).save(images / "c.png")
    (tmp_path / "fake_codecs.py").write_text(FAKES)
    return images


@pytest.fixture
def fakes(folder, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(folder.parent))
    monkeypatch.syspath_prepend(folder.parent)
    monkeypatch.delitem(sys.modules, "fake_codecs", raising=False)
    return folder


def run_and_load(folder, out, *options):
    assert run.main([str(folder), "--out", str(out), "--repeat", "1", "--threads", "1", *options]) == 0
    return json.loads(out.read_text())


def test_run_records_sizes_times_memory_and_the_machine(folder, tmp_path):
    results = run_and_load(folder, tmp_path / "r.json", "--codecs", "png")
    row = results["codecs"]["png"]
    subpixels = [3 * 5 * 3, 17 * 9 * 3, 8 * 6]
    sizes = [image["size_bytes"] for image in row["images"]]
    assert [image["name"] for image in results["images"]] == ["a.png", "b.png", "c.png"]
    assert [image["channels"] for image in results["images"]] == [3, 3, 1]
    assert row["images"][0]["bpsp_file"] == pytest.approx(8 * sizes[0] / subpixels[0], abs=1e-6)
    assert row["totals"]["bpsp_file"] == pytest.approx(8 * sum(sizes) / sum(subpixels), abs=1e-6)
    assert row["totals"]["encode_process_peak_bytes"] > row["totals"]["encode_peak_bytes"] >= 0
    assert row["totals"]["decode_seconds"] > 0
    assert row["totals"]["ratio_to_jxl9"] is None
    assert results["runs"][0]["machine"].keys() == {"cpu", "cores", "system"}
    assert str(folder.parent) not in (tmp_path / "r.json").read_text()


def test_run_fails_on_a_lossy_codec(fakes, tmp_path, capfd):
    out = tmp_path / "r.json"
    status = run.main([str(fakes), "--codecs", "fake_codecs:Lossy", "--repeat", "1", "--out", str(out)])
    assert status == 1
    assert "lossy does not round-trip a.png" in capfd.readouterr().err
    assert not out.exists()


@pytest.mark.slow
def test_run_as_a_script_fails_on_a_lossy_codec(fakes, tmp_path):
    script = Path(run.__file__)
    command = [sys.executable, script, fakes, "--codecs", "fake_codecs:Lossy", "--out", tmp_path / "r.json"]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ), check=False)
    assert done.returncode == 1
    assert "does not round-trip" in done.stderr


@pytest.mark.slow
def test_merge_keeps_the_other_rows_and_their_run(fakes, tmp_path):
    out = tmp_path / "r.json"
    first = run_and_load(fakes, out, "--codecs", "png", "--note", "earlier")
    both = run_and_load(fakes, out, "--codecs", "fake_codecs:Sleepy", "--merge", str(out))
    assert both["codecs"]["png"] == first["codecs"]["png"]
    assert both["codecs"]["sleepy"]["run"] == 2
    assert [entry["note"] for entry in both["runs"]] == ["earlier", ""]
    again = run_and_load(fakes, out, "--codecs", "png", "--merge", str(out))
    assert [entry["id"] for entry in again["runs"]] == [2, 3]
    assert again["codecs"]["png"]["run"] == 3
    same = run_and_load(fakes, out, "--codecs", "png", "--merge", str(out), "--only-missing")
    assert same["codecs"] == again["codecs"]


def test_merge_refuses_other_pixels(folder, tmp_path, capfd):
    out = tmp_path / "r.json"
    run_and_load(folder, out, "--codecs", "png")
    before = out.read_text()
    Image.fromarray(make_image((3, 5, 3), "flat")).save(folder / "a.png")
    assert run.main([str(folder), "--codecs", "png", "--merge", str(out)]) == 1
    assert "not the same" in capfd.readouterr().err
    assert out.read_text() == before


def test_check_compares_sizes_whatever_the_files_are_called(folder, tmp_path, capfd):
    out = tmp_path / "r.json"
    results = run_and_load(folder, out, "--codecs", "png")
    (folder / "b.png").rename(folder / "0.png")
    assert run.main([str(folder), "--check", str(out), "--threads", "1"]) == 0
    assert "all sizes are those of r.json" in capfd.readouterr().out
    results["codecs"]["png"]["images"][1]["size_bytes"] += 1
    out.write_text(json.dumps(results))
    assert run.main([str(folder), "--check", str(out)]) == 1
    assert "png of 0.png: " in capfd.readouterr().err
    Image.fromarray(make_image((3, 5, 3), "flat")).save(folder / "a.png")
    assert run.main([str(folder), "--check", str(out)]) == 1
    assert "a.png is none of the images of set 'tiny'" in capfd.readouterr().err


def test_run_does_not_overwrite_results(folder, tmp_path, capfd):
    out = tmp_path / "r.json"
    out.write_text("{}")
    assert run.main([str(folder), "--codecs", "png", "--out", str(out)]) == 1
    assert "give --merge" in capfd.readouterr().err
    assert out.read_text() == "{}"


def test_results_of_another_schema_are_refused(tmp_path):
    path = tmp_path / "r.json"
    path.write_text('{"schema": 99}')
    with pytest.raises(record.MergeError, match="expected schema 1, found 99"):
        record.load(path)


def test_choosing_pixcodec_efforts_leaves_the_other_codecs():
    assert run.choose("png,pixcodec-fast,pixcodec-max", "max") == ["png", "pixcodec-max"]
    with pytest.raises(KeyError, match="found 'slow'"):
        run.choose(None, "slow")


def scaled(row, label, factor):
    images = [{**image, "size_bytes": factor * image["size_bytes"]} for image in row["images"]]
    total = sum(image["size_bytes"] for image in images)
    return {**row, "label": label, "images": images, "totals": {**row["totals"], "size_bytes": total}}


def test_report_sorts_by_size_and_gives_the_ratio(folder, tmp_path, capsys):
    out = tmp_path / "r.json"
    results = run_and_load(folder, out, "--codecs", "png", "--name", "val/tiny")
    row = results["codecs"]["png"]
    record.save(
        {**results, "codecs": {"jxl9": scaled(row, "JPEG XL e9", 2), "half": scaled(row, "half", 1)}}, out
    )
    capsys.readouterr()
    assert report.main([str(out), "--per-image", "--versions"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "## val/tiny (3 images, 0.00 MP)"
    assert lines[2].startswith(
        "| codec | bpsp_file | ratio to JPEG XL e9 | encode MP/s | decode MP/s | peak MB"
    )
    assert lines[4].startswith("| half | ")
    assert "| 0.5000 |" in lines[4]
    assert lines[5].startswith("| JPEG XL e9 | ")
    assert "| 1.0000 |" in lines[5]
    assert any(line.startswith("| b.png | ") for line in lines)
    assert any("optimize=True" in line for line in lines)
    assert lines[-1].startswith("Run 1: ")


def test_report_takes_all_committed_results_and_the_committed_tables_are_theirs(capsys):
    assert report.main([]) == 0
    tables = (report.RESULTS / "tables.md").read_text("utf-8")
    assert capsys.readouterr().out == tables, "run: python benchmarks/readme.py"


def test_the_table_of_the_readme_is_that_of_the_committed_results():
    text = (ROOT / "README.md").read_text("utf-8")
    assert readme.with_table(text) == text, "run: python benchmarks/readme.py"
    least, most = readme.photographs()
    assert f"photographs are {least} to {most} % smaller than JPEG XL's" in " ".join(text.split())
    with pytest.raises(ValueError, match="expected the lines"):
        readme.with_table("no table here")


def test_report_leaves_out_files_of_other_benchmarks():
    assert report.load([report.RESULTS / "modes.json"]) == []


@pytest.mark.parametrize("path", sorted(Path(report.RESULTS).iterdir()), ids=lambda path: path.name)
def test_the_index_names_every_results_file(path):
    assert path.name == "README.md" or f"({path.name})" in (report.RESULTS / "README.md").read_text("utf-8")


@pytest.mark.parametrize("path", sorted(Path(run.__file__).parent.glob("*.py")), ids=lambda path: path.name)
def test_files_and_functions_are_short(path):
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 450
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 60, node.name
            parameters = {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)}
            assert len(parameters - {"self"}) <= 9, node.name


def test_tile_sizes_counts_the_bitstreams_of_pieces():
    image = make_image((8, 12, 3), "noise")
    sizes = [tile_sizes.size_in_pieces(image, columns, 1, "fast") for columns in (1, 3)]
    assert all(size > 0 for size in sizes)


def test_speed_cuts_images_of_every_size_from_a_folder(folder):
    for megapixels in (0.0001, 0.002):
        image = speed.mosaic(folder, megapixels)
        assert image.dtype == np.uint8
        assert image.shape[2] == 3
        assert abs(image.shape[0] * image.shape[1] / 1e6 / megapixels - 1) < 0.1
        assert abs(image.shape[1] / image.shape[0] - 1.5) < 0.15


def test_speed_measures_round_trips_and_leaves_out_what_takes_long(folder, capsys):
    common = ["--codecs", "png,pixcodec-fast", "--threads", "1", "--repeat", "1"]
    out = folder.parent / "speed.json"
    arguments = [sys.executable, str(ROOT / "benchmarks" / "speed.py"), str(folder), *common]
    command = [*arguments, "--megapixels", "0.0005,0.001", "--most-seconds", "1e-9", "--json", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = json.loads(out.read_text())["rows"]
    assert [(row["codec"], "left_out" in row) for row in rows] == [
        *(("png", False), ("pixcodec-fast", False)),
        *(("png", True), ("pixcodec-fast", True)),
    ]
    assert done.stdout.splitlines() == speed.table(rows)


def test_speed_is_told_beside_jpeg_xl():
    row = {"size": "3x2", "threads": 1, "bytes": 9, "peak_bytes": 5 << 20}
    rows = [
        {**row, "codec": "jxl9", "encode": 0.5, "decode": 8.0},
        {**row, "codec": "pixcodec-fast", "encode": 2.0, "decode": 1.0},
        {**row, "codec": "pixcodec-fast", "threads": 2, "encode": 3.0, "decode": 2.0},
    ]
    assert speed.table(rows)[3:] == [
        "| 3x2 | pixcodec-fast | 1 | 2 | 4.00 | 1 | 2.00 | 9 | 5 |",
        "| 3x2 | pixcodec-fast | 2 | 3 |  | 2 |  | 9 | 5 |",
    ]


def test_the_page_of_public_sets_is_written_from_its_results():
    results = json.loads((public_sets.RESULTS / "public-sets.json").read_text("utf-8"))["sets"]
    assert (public_sets.RESULTS / "public-sets.md").read_text("utf-8") == public_sets.text(results)
    for name, found in results.items():
        assert len(found["images"]) == public_sets.SETS[name].images
        for row in found["codecs"].values():
            assert sum(row["sizes"]) == row["size_bytes"]


def test_public_sets_that_are_missing_are_named_and_others_measured(folder, capsys):
    folder.rename(folder.parent / "Set14")
    arguments = [str(folder.parent), "--sets", "Set14,McMaster", "--codecs", "png"]
    assert public_sets.main(arguments) == 0
    told = capsys.readouterr().out
    assert "Set14: 3 of 14 images" in told
    assert "McMaster is not there: put 18 images into" in told
    found = public_sets.short(record.load(folder.parent / "Set14.json"))
    assert len(found["codecs"]["png"]["sizes"]) == 3
    with pytest.raises(SystemExit):
        public_sets.main([str(folder.parent), "--sets", "nothing"])
