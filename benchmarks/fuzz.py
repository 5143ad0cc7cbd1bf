"""Fuzz the decoder, guided by the coverage of its code: pip install -e '.[fuzz]'.

    python benchmarks/fuzz.py parse WORK -max_total_time=1800
    python benchmarks/fuzz.py decode WORK -max_total_time=1800

`parse` reads containers and all that is beside pixels; `decode` decodes them, too. Checksums are repaired
first. WORK gets the corpus, which begins with the files of benchmarks/hostile, and files that fail: what
raises anything but a PixcodecError, or takes longer than five seconds. Further options are libFuzzer's.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

with atheris.instrument_imports(include=["pixcodec"]):
    import pixcodec
    from benchmarks.hostile.seeds import models, seeds
    from benchmarks.hostile.structure import repaired, series_mark
    from pixcodec.codec import header_image
    from pixcodec.container.container import parse
    from pixcodec.container.series import parse_series
    from pixcodec.errors import PixcodecError

MAX_PIXELS = 1024
_MODELS = models()


def fuzz_parse(data: bytes) -> None:
    """Read a file without its pixels."""
    data = repaired(data)
    for read in (parse, parse_series if series_mark(data) else parse, header_image, pixcodec.read_info):
        try:
            read(data)
        except PixcodecError:
            continue


def fuzz_decode(data: bytes) -> None:
    """Decode a file."""
    data = repaired(data)
    model = _MODELS["grey" if data[18:19] in (b"\0", b"\2") else "rgb"]
    with suppress(PixcodecError):
        if series_mark(data):
            list(pixcodec.decode_frames(data, model=model, threads=1, max_pixels=MAX_PIXELS))
        else:
            pixcodec.decode_image(data, model=model, threads=1, max_pixels=MAX_PIXELS)
    with suppress(PixcodecError):
        pixcodec.recover(data, paint=False, model=model, threads=1, max_pixels=MAX_PIXELS)


TARGETS = {"parse": fuzz_parse, "decode": fuzz_decode}


def main() -> None:
    """Run libFuzzer; it ends the process."""
    target, work = TARGETS[sys.argv[1]], Path(sys.argv[2])
    corpus = work / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in seeds():
        (corpus / seed.name).write_bytes(seed.data)
    options = ["-timeout=5", "-max_len=4096", f"-artifact_prefix={work}/", *sys.argv[3:]]
    atheris.Setup([sys.argv[0], *options, str(corpus)], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
