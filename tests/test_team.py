"""Several threads on one tile: the same bytes, whoever does which part, and no thread that waits for ever."""

from __future__ import annotations

import threading
import time
from functools import cache
from typing import Any

import numpy as np
import pytest

import pixcodec
import samples
from pixcodec import codec
from pixcodec.coding import layer
from pixcodec.coding import threads as coding_threads
from pixcodec.coding.driver import run
from pixcodec.coding.layer import Manner
from pixcodec.coding.network_layer import new_network_layer
from pixcodec.coding.nibbles import new_nibbles
from pixcodec.coding.rangecoder import Decoder, Encoder
from pixcodec.coding.run_state import framed
from pixcodec.coding.team import HELPED, HELPERS, LEAST_LANES, STOPPED, TICKET
from pixcodec.coding.threads import Crew, map_tiles
from pixcodec.container.header import Effort
from pixcodec.errors import CorruptFileError
from pixcodec.mixing.state import Extent
from pixcodec.network.inference import new_network
from pixcodec.network.model_files import shipped_model
from pixcodec.network.wavefront import inner

SLOPE = 5
# Sides of a photograph that takes some tenths of a second, and has enough lanes to share.
SIDES = {"fast": 320, "normal": 130, "max": 90}
EFFORTS = list(SIDES)


def photo(effort: str) -> Any:
    return np.tile(samples.large_photo(), (3, 2, 1))[: SIDES[effort], : SIDES[effort]]


def stage_of(effort: str, planes: Any = None, *, threads: int) -> Any:
    side = SIDES[effort]
    network = new_network(shipped_model(3), side, side, SLOPE, planes, threads=threads)
    if effort == "fast":
        return new_nibbles(network, side, side, SLOPE, known=planes is not None, threads=threads)
    size, sees = Extent(side, side, 3, SLOPE), framed(np.zeros((side, side, 0), np.uint8))
    assert size.lanes >= LEAST_LANES
    return new_network_layer(network, int(Effort[effort.upper()]), size, sees, threads=threads)


@cache
def coded_alone(effort: str) -> bytes:
    encoder = Encoder()
    run(stage_of(effort, photo(effort), threads=1), encoder, decoding=False)
    return encoder.finish()


def helped_run(stage: Any, coder: Any, helpers: int, *, decoding: bool) -> None:
    crew = Crew(1 + helpers, lambda pixels: None)
    threads = [threading.Thread(target=crew.help) for _ in range(helpers)]
    for thread in threads:
        thread.start()
    try:
        run(stage, coder, decoding=decoding, crew=crew)
    finally:
        crew.finish()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()
    assert stage.team[TICKET] == STOPPED
    assert stage.team[HELPERS] == 0


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("helpers", [1, 2])
def test_helpers_do_parts_and_change_no_byte(effort: str, helpers: int) -> None:
    encoder, bitstream = Encoder(), coded_alone(effort)
    stage = stage_of(effort, photo(effort), threads=1 + helpers)
    helped_run(stage, encoder, helpers, decoding=False)
    assert encoder.finish() == bitstream
    assert stage.team[HELPED] > 0
    stage = stage_of(effort, threads=1 + helpers)
    helped_run(stage, Decoder(bitstream), helpers, decoding=True)
    np.testing.assert_array_equal(inner(stage.canvas), photo(effort))
    assert stage.team[HELPED] > 0


def test_a_team_without_helpers_does_all_by_itself() -> None:
    encoder = Encoder()
    stage = stage_of("normal", photo("normal"), threads=3)
    helped_run(stage, encoder, 0, decoding=False)
    assert encoder.finish() == coded_alone("normal")
    assert stage.team[HELPED] == 0


def test_helpers_that_come_and_go_change_no_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixcodec.coding.team.PATIENCE", 3)
    encoder = Encoder()
    stage = stage_of("normal", photo("normal"), threads=2)
    helped_run(stage, encoder, 1, decoding=False)
    assert encoder.finish() == coded_alone("normal")


def test_a_damaged_bitstream_sends_the_helpers_home() -> None:
    bitstream = coded_alone("normal")
    short = bitstream[: len(bitstream) // 8 * 4]
    stage, decoder = stage_of("normal", threads=2), Decoder(short)
    try:
        helped_run(stage, decoder, 1, decoding=True)
        decoder.finish()
    except CorruptFileError:
        pass
    else:
        assert not np.array_equal(inner(stage.canvas), photo("normal"))


@pytest.fixture
def small_tiles_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (layer, coding_threads):
        monkeypatch.setattr(module, "LEAST_SHARED_PIXELS", 1)


@pytest.mark.usefixtures("small_tiles_are_shared")
@pytest.mark.parametrize("mode", ["rgba", "grey_16", "rgb_16", "palette", "bilevel", "cmyk"])
@pytest.mark.parametrize("effort", ["fast", "normal"])
def test_layers_of_all_kinds_are_shared(mode: str, effort: str) -> None:
    image = samples.MODES[mode]("pixel_art" if mode in ("palette", "bilevel") else "gradient", 60, 67)
    assert Extent(60, 67, 1, codec.SLOPE).lanes >= LEAST_LANES
    data = pixcodec.encode(image, effort=effort, threads=1)
    assert pixcodec.encode(image, effort=effort, threads=2) == data
    first = pixcodec.decode(data, threads=1)
    np.testing.assert_array_equal(pixcodec.decode(data, threads=3), first)


@pytest.mark.usefixtures("small_tiles_are_shared")
def test_flat_parts_and_text_are_shared() -> None:
    image = samples.pixel_art(70, 95, 3)
    image[10:60, 5:60] = 255
    image[30:50, 20:60] = photo("fast")[:20, :40]
    for effort in ("fast", "normal"):
        data = pixcodec.encode(image, effort=effort, threads=1)
        assert pixcodec.encode(image, effort=effort, threads=2) == data
        np.testing.assert_array_equal(pixcodec.decode(data, threads=2), image)


def test_idle_threads_help_the_last_tile() -> None:
    helped = threading.Event()

    def work(tile: int, crew: Crew) -> int:
        if tile == 0:
            assert helped_or_late(crew)
        return tile * tile

    def helped_or_late(crew: Crew) -> bool:
        def assist() -> int:
            helped.set()
            time.sleep(0.001)
            return 1

        with crew.helped_by(assist):
            return helped.wait(20)

    assert map_tiles(work, [0, 1, 2], 1 << 20, 2, None) == [0, 1, 4]


def test_an_error_in_one_tile_ends_the_work() -> None:
    def work(tile: int, crew: Crew) -> int:
        if tile == 1:
            raise ValueError("tile 1")
        while True:
            crew.tick(1)
            time.sleep(0.001)

    with pytest.raises(ValueError, match="tile 1"):
        map_tiles(work, [1, 0], 1 << 20, 2, None)


def test_manner_has_no_device_by_default() -> None:
    assert Manner(Effort.FAST, graphics=False, model=None).mixtures is None
