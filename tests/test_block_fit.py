from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import bit_by_bit
import samples
from pixcodec import decode, encode, read_info
from pixcodec.coding.driver import run
from pixcodec.coding.layer import Manner, check_slope
from pixcodec.coding.rangecoder import Encoder
from pixcodec.container.container import parse
from pixcodec.container.header import (
    CALIBRATED_VERSION,
    FITTED_VERSION,
    Effort,
    Header,
    Mode,
    pack_header,
    unpack_header,
)
from pixcodec.container.layers import layers_of
from pixcodec.errors import CorruptFileError, LimitExceededError, UnsupportedVersionError
from pixcodec.mixing.narrow import COLUMNS, ROWS, SYSTEM
from pixcodec.mixing.state import Extent
from pixcodec.network.model_files import shipped_model
from test_mixing import KINDS, lattice_pixels
from test_runs import flat_parts


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("height", "width", "channels", "slope"), [(7, 10, 3, 3), (11, 9, 1, 4), (1, 3, 3, 3), (5, 4, 3, 7)]
)
def test_kernels_do_what_the_reference_does(height, width, channels, slope, kind):
    planes = KINDS[kind](height, width, channels)
    for calibrated in (False, True):
        bit_by_bit.compare_network(planes, 1, slope=slope, near=True, calibrated=calibrated)


@pytest.mark.slow
@pytest.mark.parametrize("calibrated", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_runs_leave_pixels_out(channels, calibrated):
    planes = flat_parts(12, 45, channels, seed=channels + 1)
    bit_by_bit.compare_network(planes, 1, runs=True, near=True, calibrated=calibrated)


def test_lattices_are_contexts():
    bit_by_bit.compare_network(lattice_pixels(1, 6, 9), 1, near=True)


@pytest.mark.parametrize("values", [(0, 255), (255, 255), (0, 0)])
def test_extreme_values_do_what_the_reference_does(values):
    planes = np.random.default_rng(2).choice(values, (8, 24, 3)).astype(np.uint8)
    bit_by_bit.compare_network(planes, 1, near=True, calibrated=True)


@pytest.mark.parametrize("calibrated", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_threads_and_slopes_change_what_they_may(channels, calibrated):
    planes = np.ascontiguousarray(np.tile(samples.photo(channels), (1, 3, 1)))

    def bitstream(threads, slope):
        encoder = Encoder()
        size = Extent(*planes.shape, slope)
        model = shipped_model(channels)
        network = bit_by_bit.new_network(model, size.height, size.width, slope, planes, threads=threads)
        nothing = bit_by_bit.framed(np.zeros((size.height, size.width, 0), np.uint8))
        layer = bit_by_bit.new_network_layer(network, 1, size, nothing, threads=threads, near=1 + calibrated)
        run(layer, encoder, decoding=False)
        return encoder.finish(), layer.mixing.error.copy()

    alone, errors = bitstream(1, 3)
    assert bitstream(2, 3)[0] == alone
    # Predictions do not depend on the slope, but what is learnt does, and so do calibrated mixtures.
    if not calibrated:
        np.testing.assert_array_equal(bitstream(1, 5)[1], errors)


def test_photographs_of_effort_normal_are_fitted_calibrated_and_smaller():
    image = samples.photo(3)
    data = encode(image, effort="normal")
    assert read_info(data).format_version == CALIBRATED_VERSION
    np.testing.assert_array_equal(np.asarray(decode(data)), image)
    sizes = []
    for near, calibrated in ((False, False), (True, False), (True, True)):
        encoder = Encoder()
        layer = bit_by_bit.network_layer(image, image.shape, 1, near=near, calibrated=calibrated)
        run(layer, encoder, decoding=False)
        sizes.append(len(encoder.finish()))
    assert sizes[2] < sizes[1] < sizes[0]


@pytest.mark.parametrize(
    "changes",
    [{"effort": Effort.MAX}, {"graphics": True}, {"index_bits": 3}, {"mode": Mode.PALETTE, "bit_depth": 4}],
)
@pytest.mark.parametrize("version", [FITTED_VERSION, CALIBRATED_VERSION])
def test_versions_9_and_10_have_what_is_fitted_alone(changes, version):
    header = Header(8, 8, Mode.RGB, Effort.NORMAL, 8, 8, b"", version=version)
    assert unpack_header(pack_header(header), "HEAD") == header
    with pytest.raises(ValueError, match=f"format version {version} has no images of such an effort"):
        dataclasses.replace(header, **changes)


def test_a_header_of_version_10_that_is_none_is_refused():
    data = encode(samples.photo(3, 20, 30), effort="normal")
    packed = bytearray(pack_header(parse(data).header))
    assert packed[0] == CALIBRATED_VERSION
    packed[4] = Effort.FAST
    with pytest.raises(CorruptFileError, match="no images of such an effort"):
        unpack_header(bytes(packed), "HEAD")
    packed[4] = Effort.MAX
    with pytest.raises(UnsupportedVersionError, match="effort of format version 10"):
        unpack_header(bytes(packed), "HEAD")
    packed[4:6] = Effort.NORMAL, 16  # jpeg
    with pytest.raises(UnsupportedVersionError, match="layout"):
        unpack_header(bytes(packed), "HEAD")


def test_a_header_of_version_9_that_is_none_is_refused():
    data = encode(samples.photo(3, 20, 30), effort="normal")
    header = dataclasses.replace(parse(data).header, version=FITTED_VERSION)
    graphics = bytearray(pack_header(header))
    graphics[5] |= 2
    with pytest.raises(CorruptFileError, match="no images of such an effort"):
        unpack_header(bytes(graphics), "HEAD")
    most = bytearray(pack_header(header))
    most[4] = Effort.MAX
    with pytest.raises(CorruptFileError, match="no images of such an effort"):
        unpack_header(bytes(most), "HEAD")
    most[4] = Effort.RESEARCH
    with pytest.raises(UnsupportedVersionError, match="effort of format version 9"):
        unpack_header(bytes(most), "HEAD")


def test_memory_of_a_wide_tile_is_bounded():
    manner = Manner(Effort.NORMAL, False, shipped_model(3), fitted=True)
    (layer,) = layers_of(Header(8, 8, Mode.RGB, Effort.NORMAL, 8, 8, b""))
    with pytest.raises(LimitExceededError, match="bytes of memory"):
        check_slope(manner, layer, Extent(2, 2**19, 3, 3), "tile 0")
    check_slope(manner, layer, Extent(2000, 4096, 3, 3), "tile 0")


def test_systems_have_room_for_the_longest_list():
    assert SYSTEM == 8 * 24 + 8 * 16 + 7 * 8
    assert (ROWS, COLUMNS) == (23, 24)
