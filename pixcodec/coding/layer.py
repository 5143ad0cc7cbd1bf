"""One layer of a tile <-> its bitstream: which stage codes it, and what that takes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from pixcodec.coding.driver import Stage, run
from pixcodec.coding.network_layer import Near, new_network_layer
from pixcodec.coding.nibbles import new_nibbles
from pixcodec.coding.past import NO_PAST, Past
from pixcodec.coding.rangecoder import Decoder, Encoder
from pixcodec.coding.residual_layer import new_residual_layer
from pixcodec.coding.row_layer import MixingDecoder, new_row_layer
from pixcodec.coding.run_state import RunKind, framed
from pixcodec.coding.self_test import check_layer
from pixcodec.coding.side_layer import SideKind, new_side_layer
from pixcodec.coding.team import MAX_THREADS
from pixcodec.coding.threads import LEAST_SHARED_PIXELS, Crew
from pixcodec.container.header import PLANE_BITS, Effort
from pixcodec.container.layers import Layer, LayerKind
from pixcodec.errors import CorruptFileError, LimitExceededError
from pixcodec.mixing.block_fit import block_fit_size_bytes
from pixcodec.mixing.least_squares import (
    PIXEL_SLOPE,
    error_fit,
    far_fit,
    low_fit,
    pixel_fit,
    systems_size_bytes,
)
from pixcodec.mixing.side_predictors import ALPHA, BILEVEL, INDEX, LOW, WIDE
from pixcodec.mixing.state import Extent
from pixcodec.network.architecture import MIN_SLOPE
from pixcodec.network.inference import NOTHING_KNOWN, Known, new_network, ring_size_bytes
from pixcodec.network.model import Model
from pixcodec.network.row_lstm import row_size_bytes
from pixcodec.network.wavefront import Int32, canvas_of, inner, lane_count

Plane = npt.NDArray[np.uint8]

LEAST_PIXELS = 256  # of a layer with runs
LEAST_FLAT = 0.05  # share of pixels that equal all neighbours before them from which on there are runs
MAX_RING_SIZE_BYTES = 2**30
_SIDE_KINDS = {
    LayerKind.ALPHA: ALPHA,
    LayerKind.LOW: LOW,
    LayerKind.INDEX: INDEX,
    LayerKind.BILEVEL: BILEVEL,
    LayerKind.WIDE: WIDE,
}


class TileStage(Stage, Protocol):
    """A stage of a layer of a tile."""

    @property
    def canvas(self) -> Int32:
        """The values, as far as they are known."""
        ...


class Manner(NamedTuple):
    """How the layers of an image are coded; ``model`` is None if none of them needs a network.

    An encoder may have ``mixtures``: a function that returns the mixtures of all subpixels of a tile.
    ``fitted``: format versions 9 and 10, whose layers of the network are predicted by block fits, too
    (normal), and whose layers of residuals are steady. ``calibrated``: whether mixtures of the network are
    (fast in version 9, normal in version 10).
    """

    effort: Effort
    graphics: bool
    model: Model | None
    mixtures: Callable[[Plane], Known] | None = None
    fitted: bool = False
    calibrated: bool = False


class Form(NamedTuple):
    """How a layer of a tile is coded besides."""

    runs: RunKind
    past: Past
    threads: int


def encode_layer(
    manner: Manner,
    layer: Layer,
    plane: Plane,
    before: list[Plane],
    slope: int,
    crew: Crew,
    past: Past = NO_PAST,
) -> tuple[bytes, RunKind]:
    """Return the bitstream of a layer (H, W, C) of a tile, and which runs it has.

    Parameters
    ----------
    manner : Manner
    layer : Layer
    plane : ndarray of uint8
    before : list of ndarray
        The planes of the layers before it, all (H, W, C).
    slope : int
        Of the wavefronts.
    crew : Crew
        Told of the pixels done; its threads help.
    past : Past
        Of a frame of a series: what is known of the frames before.

    Raises
    ------
    SelfTestError
        If this machine's arithmetic differs.
    """
    check_layer(manner.effort, layer, near=manner.fitted, calibrated=manner.calibrated)
    encoder = Encoder()
    size = Extent(plane.shape[0], plane.shape[1], plane.shape[2], slope, past.most_pixels)
    if manner.effort is Effort.RESEARCH:
        assert manner.model is not None
        run(
            new_row_layer(manner.model, size, plane, _threads(crew, size))[0],
            encoder,
            decoding=False,
            crew=crew,
        )
        return encoder.finish(), RunKind.NONE
    kind = _kind_of_runs(plane, past.reference) if layer.may_have_runs else RunKind.NONE
    form = Form(kind, past, _threads(crew, size))
    stage = stage_of(manner, layer, size, before, plane, form)
    run(stage, encoder, decoding=False, crew=crew)
    _keep(manner, layer, past, stage)
    return encoder.finish(), form.runs


def decode_layer(
    manner: Manner,
    layer: Layer,
    bitstream: bytes,
    before: list[Plane],
    size: Extent,
    crew: Crew,
    *,
    runs: int,
    foreseen: Plane | None = None,
    past: Past = NO_PAST,
) -> Plane:
    """Return the plane (H, W, C) of a layer of a tile; parameters as of :func:`encode_layer`.

    ``foreseen``: the plane that was encoded, if the bitstream is only to be checked, which takes less time.

    Raises
    ------
    CorruptFileError
        If the bitstream is damaged, or decodes to another plane than the one foreseen.
    SelfTestError
        If this machine's arithmetic differs.
    """
    check_layer(manner.effort, layer, near=manner.fitted, calibrated=manner.calibrated)
    decoder, size = Decoder(bitstream), size._replace(most_pixels=past.most_pixels)
    canvas = None
    if foreseen is not None:
        canvas = canvas_of(np.concatenate([_known(layer, before), foreseen], 2) if layer.known else foreseen)
    stage: Any
    if manner.effort is Effort.RESEARCH:
        assert manner.model is not None
        stage, known = new_row_layer(manner.model, size, None, _threads(crew, size))
        mixing = MixingDecoder(decoder, manner.model, size, stage.canvas, known)
        run(stage, mixing, decoding=True, crew=crew)
    else:
        form = Form(RunKind(runs), past, _threads(crew, size))
        stage = stage_of(manner, layer, size, before, None, form)
        seen = None if canvas is None else stage._replace(canvas=canvas)
        run(stage, decoder, decoding=True, crew=crew, foreseen=seen)
        _keep(manner, layer, past, stage)
    decoder.finish()
    return inner(stage.canvas)[..., -layer.depth :].astype(np.uint8)


def stage_of(
    manner: Manner,
    layer: Layer,
    size: Extent,
    before: list[Plane],
    plane: Plane | None,
    form: Form,
) -> TileStage:
    """Return the stage that codes ``plane``, or decodes it if there is none."""
    effort, past = manner.effort, form.past
    sees: npt.NDArray[Any] = np.zeros((size.height, size.width, 0), np.uint8)
    if layer.known:
        sees = _known(layer, before)
        size = size._replace(channels=size.channels + sees.shape[2])
    elif layer.high_bits > PLANE_BITS:
        sees = _above(layer, before)
    elif layer.sees and layer.kind is not LayerKind.WIDE:  # which looks at known bands alone
        sees = np.concatenate([before[k] for k in layer.sees], 2)
    options: dict[str, Any] = {"runs": form.runs, "threads": form.threads}
    if past.reference is not None:
        options["reference"] = past.reference
    stage: Any
    if layer.kind is LayerKind.NETWORK:
        assert manner.model is not None
        known = NOTHING_KNOWN
        if manner.mixtures is not None and plane is not None and not form.runs:  # a run copies features, too
            known = manner.mixtures(plane)
        network = new_network(
            manner.model, size.height, size.width, size.slope, plane, threads=form.threads, known=known
        )
        if effort is Effort.FAST:
            options |= {"known": plane is not None, "calibrated": manner.calibrated}
            return new_nibbles(network, size.height, size.width, size.slope, **options)
        options |= {"graphics": manner.graphics, "near": Near(manner.fitted + manner.calibrated)}
        stage = new_network_layer(network, int(effort), size, framed(sees), **options)
    elif layer.kind is LayerKind.RESIDUAL:
        ways = {"relative": manner.graphics, "steady": manner.fitted}
        stage = new_residual_layer(layer.low_bits, size, **ways, planes=plane, threads=form.threads)
    else:
        kind = SideKind(_SIDE_KINDS[layer.kind], layer.bits, layer.low_bits, layer.high_bits)
        fits = effort is not Effort.FAST
        stage = new_side_layer(kind, size, sees, fits=fits, graphics=manner.graphics, planes=plane, **options)
    if past.learnt is None:
        return stage  # type: ignore[no-any-return]
    return past.learnt.taught(_kind_of(manner, layer, past), stage)  # type: ignore[no-any-return]


def _kind_of(manner: Manner, layer: Layer, past: Past) -> tuple[Hashable, ...]:
    """Return what layers have in common that may take up what one of them has learnt."""
    return layer.kind, layer.bits, layer.depth, layer.low_bits, manner.graphics, past.reference is None


def _keep(manner: Manner, layer: Layer, past: Past, stage: Any) -> None:
    """Keep what the layer has learnt, if another frame may take it up; effort fast begins anew."""
    if past.learnt is not None and hasattr(stage, "mixing"):
        past.learnt.keep(_kind_of(manner, layer, past), stage)


def _known(layer: Layer, before: list[Plane]) -> Plane:
    """Return the planes (H, W, 2) of the last value of the layer that a layer WIDE sees."""
    return before[layer.sees[0]][..., -2:]


def _above(layer: Layer, before: list[Plane]) -> npt.NDArray[np.uint16]:
    """Return the 16 bits above those of a layer LOW, shape (H, W, C): it sees the layers that hold them."""
    high, low = before[layer.sees[0]][..., ::2], before[layer.sees[0]][..., 1::2]
    if len(layer.sees) > 1:
        high, low = low, before[layer.sees[1]]
    return ((high.astype(np.uint16) << PLANE_BITS) + low).astype(np.uint16)


def _threads(crew: Crew, size: Extent) -> int:
    """Return how many threads may work on a layer of a tile at a time."""
    return min(crew.threads, MAX_THREADS) if size.height * size.width >= LEAST_SHARED_PIXELS else 1


def threads_of_a_tile(effort: Effort) -> int:
    """Return how many threads share a tile all the time: with effort max it takes 350 MB."""
    return 2 if effort is Effort.MAX else 1


def _kind_of_runs(plane: Plane, reference: Plane | None) -> RunKind:
    """Return which runs a layer (H, W, C) is coded with: those that more of its pixels are in."""
    flat = worth_runs(plane)
    if reference is None:
        return RunKind.FLAT if flat else RunKind.NONE
    changes = plane ^ reference[:, :, : plane.shape[2]]
    still = worth_runs(changes)
    if still and (not flat or _busy_pixels(changes) < _busy_pixels(plane)):
        return RunKind.STILL
    return RunKind.FLAT if flat else RunKind.NONE


def worth_runs(plane: Plane) -> bool:
    """Return whether so much of a layer (H, W, C) is flat that runs are worth their flags."""
    height, width = plane.shape[:2]
    if min(height, width) < 3 or height * width < LEAST_PIXELS:
        return False
    return bool(_busy_pixels(plane) <= (1 - LEAST_FLAT) * ((height - 1) * (width - 2)))


def _busy_pixels(plane: Plane) -> int:
    """Return how many pixels of a layer (H, W, C), at least 3x3, differ from a neighbour before them.

    The first row and the columns at both edges are left out.
    """
    west = _differ(plane[:, 1:], plane[:, :-1])
    north = _differ(plane[1:, 1:-1], plane[:-1, 1:-1])
    return int(np.count_nonzero(west[1:, :-1] | west[:-1, :-1] | west[:-1, 1:] | north))


def _differ(plane: Plane, other: Plane) -> npt.NDArray[np.bool_]:
    """Return where pixels (H, W, C) differ, in any channel."""
    different: npt.NDArray[np.bool_] = plane[..., 0] != other[..., 0]
    for c in range(1, plane.shape[2]):
        different |= plane[..., c] != other[..., c]
    return different


def least_slope(effort: Effort, layer: Layer) -> int:
    """Return the least slope that a layer can be coded with."""
    return PIXEL_SLOPE if effort is Effort.MAX and layer.kind is LayerKind.NETWORK else MIN_SLOPE


def check_slope(manner: Manner, layer: Layer, size: Extent, where: str) -> None:
    """Check the slope of a layer that is to be decoded, and the memory that it takes.

    Raises
    ------
    CorruptFileError
        If the slope is too small for the layer.
    LimitExceededError
        If the wavefronts of such a slope take too much memory.
    """
    least = least_slope(manner.effort, layer)
    if size.slope < least:
        raise CorruptFileError(f"{where}: slope is {size.slope}, expected at least {least}")
    needed = 0
    if layer.kind is LayerKind.NETWORK:
        assert manner.model is not None
        needed = ring_size_bytes(manner.model, size.height, size.slope)
        if manner.effort is Effort.RESEARCH:
            needed = row_size_bytes(manner.model, size.height, size.width, size.slope)
    if manner.fitted and layer.kind is LayerKind.NETWORK and manner.effort is Effort.NORMAL:
        lanes = lane_count(size.slope, size.height, size.width)
        needed += block_fit_size_bytes(layer.channels, size.width, lanes)
    if manner.effort is Effort.MAX or layer.low_bits:
        # A tile at the right edge may be narrower than the width that the slope was chosen for.
        lanes = lane_count(size.slope, size.height, size.width)
        kinds = [low_fit] if layer.low_bits else [pixel_fit, error_fit]
        fits = [fit(layer.known + layer.channels) for fit in kinds]
        if layer.kind is LayerKind.RESIDUAL:
            fits.append(far_fit())
        needed += sum(systems_size_bytes(fit, lanes, size.slope) for fit in fits)
    if needed > MAX_RING_SIZE_BYTES:
        raise LimitExceededError(
            f"{where}: slope {size.slope} needs {needed} bytes of memory, the limit is {MAX_RING_SIZE_BYTES}"
        )
