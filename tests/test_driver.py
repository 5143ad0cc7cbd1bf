"""The driver: any stage, encoded and decoded by the real range coder."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numba.core.errors import TypingError

from pixcodec.coding import driver
from pixcodec.coding.rangecoder import Decoder, Encoder
from pixcodec.coding.threads import Crew
from pixcodec.errors import CorruptFileError
from pixcodec.network import kernels, native
from pixcodec.network.kernels import implements

OUTCOMES = 3
SIZES = {
    "one symbol": [1],
    "steps of one": [1] * 9,
    "growing": list(range(1, 30)),
    "empty ones between": [0, 0, 4, 0, 1, 0, 0, 7, 2, 0],
    "a large one": [2, 500, 3],
    "nothing": [],
    "only empty ones": [0, 0],
}


class Toy(NamedTuple):
    """Symbols of three outcomes, in steps; how often each was seen makes their frequencies."""

    symbols: Any  # all of them
    sizes: Any  # of each step
    at: Any  # the step, and where its symbols begin
    seen: Any  # 3
    progress: Any


class Nothing(NamedTuple):
    """No stage: it implements no operation."""

    progress: Any


@implements(driver.prepare, Toy)
def _prepare(stage):
    at = stage.at
    while at[0] < len(stage.sizes) and stage.sizes[at[0]] == 0:
        at[0] += 1
    if at[0] == len(stage.sizes):
        return 0
    stage.progress[0].pixels += stage.sizes[at[0]]
    return stage.sizes[at[0]]


@implements(driver.predict, Toy)
def _predict(stage, buffer, start):
    seen, spread = stage.seen, 2**24 - OUTCOMES
    for i in range(stage.progress[0].lanes):
        left = spread
        for k in range(1, OUTCOMES):
            share = spread * seen[k] // (seen[0] + seen[1] + seen[2])
            buffer[start + i, k] = share
            left -= share
        buffer[start + i, 0] = left


@implements(driver.recall, Toy)
def _recall(stage, buffer, start):
    for i in range(stage.progress[0].lanes):
        buffer[start + i] = stage.symbols[stage.at[1] + i]


@implements(driver.learn, Toy)
def _learn(stage, buffer, start):
    for i in range(stage.progress[0].lanes):
        symbol = buffer[start + i]
        stage.symbols[stage.at[1] + i] = symbol
        stage.seen[symbol] += 1
    stage.at[1] += stage.progress[0].lanes
    stage.at[0] += 1


@pytest.fixture(autouse=True, scope="module")
def compiled_for_these_tests():
    """Compile the driver without numba's cache on the disk, which is no place for the stages of tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels.EntryPoint, "options", {})
        driver.driver_of.cache_clear()
        yield
    driver.driver_of.cache_clear()


def toy(sizes, symbols=None, most=None):
    count = sum(sizes)
    return Toy(
        np.full(count, -1, np.int32) if symbols is None else symbols.copy(),
        np.array(sizes, np.int64),
        np.zeros(2, np.int64),
        np.ones(OUTCOMES, np.int64),
        driver.new_progress(max(sizes, default=0) if most is None else most, OUTCOMES),
    )


def symbols_of(sizes):
    return np.random.default_rng(len(sizes)).choice(OUTCOMES, sum(sizes), p=(0.1, 0.2, 0.7)).astype(np.int32)


class Recorder:
    """Passes symbols on to a coder, and keeps them with their rows."""

    def __init__(self, coder):
        self.coder, self.batches = coder, []

    def code(self, symbols, rows):
        coded = self.coder.code(symbols, rows)
        self.batches.append((coded.copy(), rows.copy()))
        return coded

    @property
    def sizes(self):
        return [len(rows) for _, rows in self.batches]

    def joined(self):
        nothing = np.zeros(0, np.int32), np.zeros((0, OUTCOMES))
        return [np.concatenate(part) for part in zip(nothing, *self.batches, strict=True)]


def encode(sizes):
    """Return a recorder of all symbols of an encoder, its bitstream and its ticks."""
    recorder, ticks = Recorder(Encoder()), []
    driver.run(toy(sizes, symbols_of(sizes)), recorder, decoding=False, crew=Crew(1, ticks.append))
    return recorder, recorder.coder.finish(), ticks


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_symbols_come_back_by_the_same_rows(name):
    sizes = SIZES[name]
    recorder, bitstream, ticks = encode(sizes)
    symbols, rows = recorder.joined()
    assert symbols.tolist() == symbols_of(sizes).tolist()
    assert (rows >= 0).all()
    assert (rows.sum(1) == 2**24 - OUTCOMES).all()
    cost = -np.log2((rows[np.arange(len(rows)), symbols] + 1) / 2**24).sum()
    assert abs(8 * len(bitstream) - cost) <= 64
    stage, again, decoder_ticks = toy(sizes), Recorder(Decoder(bitstream)), []
    driver.run(stage, again, decoding=True, crew=Crew(1, decoder_ticks.append))
    again.coder.finish()
    assert stage.symbols.tolist() == symbols.tolist()
    np.testing.assert_array_equal(again.joined()[1], rows)
    # A decoder takes a step at a time, and says so.
    steps = [size for size in sizes if size]
    assert again.sizes == decoder_ticks == steps
    assert sum(ticks) == sum(steps)


def test_it_does_without_a_tick():
    stage = toy([3, 4], symbols_of([3, 4]))
    driver.run(stage, Recorder(Encoder()), decoding=False)
    assert stage.progress["pixels"] == 7


@pytest.mark.parametrize("room", [1, 5, 7, 29, 30, 10_000])
@pytest.mark.parametrize("name", ["growing", "empty ones between", "a large one"])
def test_buffers_that_fill_up_change_nothing(name, room, monkeypatch):
    sizes = SIZES[name]
    recorder, bitstream, _ = encode(sizes)
    assert len(recorder.batches) == 1
    monkeypatch.setattr(driver, "ROOM_SIZE_BYTES", 8 * OUTCOMES * room)
    other, other_bitstream, ticks = encode(sizes)
    assert other_bitstream == bitstream
    for ours, theirs in zip(other.joined(), recorder.joined(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    # Whole steps, as many as there is room for; one at least.
    expected, filled = [], 0
    for size in (size for size in sizes if size):
        if filled and filled + size > max(room, *sizes):
            expected.append(filled)
            filled = 0
        filled += size
    assert other.sizes == [*expected, filled]
    assert sum(ticks) == sum(sizes)


@pytest.mark.parametrize("decoding", [False, True])
def test_a_step_that_is_larger_than_was_said_is_noticed(decoding, monkeypatch):
    sizes = [2, 3, 9]
    coder = Decoder(encode(sizes)[1]) if decoding else Encoder()
    monkeypatch.setattr(driver, "ROOM_SIZE_BYTES", 0)  # the encoder, too, has room for one step only
    with pytest.raises(AssertionError, match="more lanes"):
        driver.run(toy(sizes, symbols_of(sizes), most=4), coder, decoding=decoding)


class Damaged:
    """Refuses the third batch."""

    def __init__(self):
        self.left = 2

    def code(self, symbols, rows):
        if not self.left:
            raise CorruptFileError("damaged")
        self.left -= 1
        return np.zeros(len(rows), np.int32)


def test_errors_of_the_decoder_end_it():
    stage, ticks = toy([4, 5, 6, 7]), []
    with pytest.raises(CorruptFileError, match="damaged"):
        driver.run(stage, Damaged(), decoding=True, crew=Crew(1, ticks.append))
    assert ticks == [4, 5]
    assert stage.symbols.tolist() == [0] * 9 + [-1] * 13


def test_a_stage_that_implements_nothing_is_no_stage():
    with pytest.raises(TypingError, match="No implementation"):
        driver.run(Nothing(driver.new_progress(1, 2)), Encoder(), decoding=True)


# What numba's cache knows of other files


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """Return a folder with the sources of the package, and have native.py believe that it is there."""
    package = Path(native.__file__).parent.parent
    copy = tmp_path / "pixcodec"
    shutil.copytree(
        package, copy, ignore=shutil.ignore_patterns("*.nb[ci]", "*.pyc", "*.so", "*.safetensors")
    )
    monkeypatch.setattr(native, "__file__", str(copy / "network" / "native.py"))
    return copy


def digest():
    return native.sources_digest.__wrapped__()


def test_the_digest_is_that_of_the_sources(copied):
    assert digest() == native.sources_digest()
    assert 0 < digest() < 2**60


@pytest.mark.parametrize("room", native.ROOMS)
def test_a_change_of_any_kernel_changes_the_digest(copied, room):
    seen = {digest()}
    for path in sorted((copied / room).glob("*.py")):
        path.write_bytes(path.read_bytes() + b"\n")
        seen.add(digest())
    (copied / room / "new.py").write_text("# a new file\n")
    seen.add(digest())
    assert len(seen) == len(list((copied / room).glob("*.py"))) + 1


def test_other_files_do_not_change_the_digest(copied):
    before = digest()
    for path in (copied / "codec.py", copied / "cli" / "encode.py", copied / "network" / "notes.txt"):
        path.write_text("changed")
    assert digest() == before


def test_all_kernels_are_in_the_rooms_of_the_digest():
    package = Path(native.__file__).parent.parent
    compiles = re.compile(r"^(from|import) (numba|pixcodec\.network\.kernels)", re.MULTILINE)
    knows = [path for path in package.rglob("*.py") if compiles.search(path.read_text("utf-8"))]
    assert {path.parent.relative_to(package).as_posix() for path in knows} == set(native.ROOMS)


MODULE = """
import sys
import other
from pixcodec.network import kernels, native

native.sources_digest = lambda: int(sys.argv[1])

@kernels.entry_point
def answer(value):
    return other.answer(value)

print(answer.bind()(1), "again" if answer._dispatcher.stats.cache_hits else "anew")
"""
OTHER = """
from pixcodec.network.kernels import kernel

@kernel
def answer(value):
    return value + {added}
"""


@pytest.mark.slow
def test_an_entry_point_is_compiled_anew_for_another_digest(tmp_path):
    """So that numba notices changes of the files that an entry point does not lie in."""
    (tmp_path / "entry.py").write_text(MODULE)

    def run(added, number):
        (tmp_path / "other.py").write_text(OTHER.format(added=added))
        command = [sys.executable, "-B", tmp_path / "entry.py", str(number)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
        return done.stdout.split()

    assert run(1, 5) == ["2", "anew"]
    assert run(2, 5) == ["2", "again"]  # the cache looks at the file of the entry point alone
    assert run(2, 6) == ["3", "anew"]


def test_one_process_compiles_at_a_time(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(kernels, "gettempdir", lambda: str(tmp_path))
    with kernels.one_at_a_time():
        (file,) = tmp_path.iterdir()
        with file.open() as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with file.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with kernels.one_at_a_time():
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "another"))
        with kernels.one_at_a_time():  # another cache: nobody waits
            assert len(list(tmp_path.iterdir())) == 2


def test_where_no_lock_can_be_nobody_waits(tmp_path, monkeypatch):
    monkeypatch.setattr(kernels, "gettempdir", lambda: str(tmp_path / "missing"))
    with kernels.one_at_a_time():
        pass
    (tmp_path / "missing").mkdir()
    with pytest.raises(ZeroDivisionError), kernels.one_at_a_time():
        raise ZeroDivisionError
    with kernels.one_at_a_time():
        pass
