"""Layers coded bit by bit by the kernels: what that took, and whether reference.py says the same."""

from __future__ import annotations

import numpy as np

from pixcodec import reference
from pixcodec.coding.driver import run
from pixcodec.coding.network_layer import new_network_layer
from pixcodec.coding.run_state import framed
from pixcodec.coding.threads import Crew
from pixcodec.mixing.maps import TOTAL
from pixcodec.mixing.state import Extent
from pixcodec.network.inference import new_network
from pixcodec.network.model_files import MODELS, shipped_model
from pixcodec.network.wavefront import inner

SLOPES = {1: 3, 2: 5}  # the least of each effort


class Recorder:
    """Passes symbols on to a coder, or takes them from a list, and keeps symbols and rows.

    Of a decoder's ``mixing`` it keeps the contexts, too.
    """

    def __init__(self, coder=None, known=None, mixing=None):
        self.coder, self.known, self.mixing = coder, known, mixing
        self.batches, self.contexts, self.count = [], [], 0

    def code(self, symbols, rows):
        if self.coder is not None:
            symbols = self.coder.code(symbols, rows)
        elif self.known is not None:
            symbols = self.known[self.count : self.count + len(rows)]
        if self.mixing is not None:
            wave = self.mixing.wave[0]
            if wave["depth"] == wave["first_depth"]:  # symbols of runs come before that
                self.contexts += self.mixing.ctx[: len(rows)].view(np.uint64).tolist()
        self.count += len(rows)
        self.batches.append((symbols.copy(), rows.copy()))
        return symbols

    def joined(self):
        """Return all symbols and all rows."""
        return tuple(np.concatenate(part) for part in zip(*self.batches, strict=True))

    def cost(self):
        """Return the sum of the code lengths in bits."""
        symbols, rows = self.joined()
        assert (rows >= 0).all()
        assert (rows.sum(1) == TOTAL - 2).all()
        return float(-np.log2((rows[np.arange(len(rows)), symbols] + 1) / TOTAL).sum())


class Known:
    """Gives the reference bits that the kernels coded, and compares the frequencies."""

    def __init__(self, symbols, rows):
        self.pairs = list(zip(symbols.tolist(), (rows + 1).tolist(), strict=True))
        self.at = 0

    def symbol(self, frequencies):
        bit, expected = self.pairs[self.at]
        assert frequencies == expected, f"bit {self.at} of {len(self.pairs)}"
        self.at += 1
        return bit


def code(stage, recorder, *, decoding):
    """Code or decode all of a layer; return its values."""
    pixels = []
    run(stage, recorder, decoding=decoding, crew=Crew(1, pixels.append))
    values = inner(stage.canvas)
    assert sum(pixels) == values.shape[0] * values.shape[1]
    return values.astype(np.uint8)


def compare(make, planes, reference_coder):
    """Compare encoder and decoder with the reference; return what it has seen.

    ``make`` returns the stage of the planes, or of None.
    """
    recorder = Recorder()
    code(make(planes), recorder, decoding=False)
    symbols, rows = recorder.joined()
    known = Known(symbols, rows)
    reference_coder.recording = True
    np.testing.assert_array_equal(reference_coder.decode(known), planes)
    assert known.at == len(symbols)
    stage = make(None)
    again = Recorder(known=symbols, mixing=stage.mixing)
    np.testing.assert_array_equal(code(stage, again, decoding=True), planes)
    np.testing.assert_array_equal(again.joined()[1], rows)
    assert again.contexts == reference_coder.contexts_seen
    seen = reference_coder.mixer.seen
    return seen | reference_coder.repeats.seen if reference_coder.repeats else seen


def network_layer(planes, shape, effort, *, graphics=False, sees=None, slope=None, runs=False, **ways):
    """Return a stage that codes the planes, or one that decodes them if there are none."""
    size = Extent(*shape, slope or SLOPES[effort])
    seen = np.zeros((size.height, size.width, 0), np.uint8) if sees is None else sees
    model = shipped_model(size.channels)
    network = new_network(model, size.height, size.width, size.slope, planes)
    return new_network_layer(
        network, effort, size, framed(seen), graphics=graphics, runs=runs, near=sum(ways.values())
    )


def compare_network(planes, effort, *, graphics=False, sees=None, slope=None, runs=False, **ways):
    """Compare a network's layer, as :func:`compare`; ``ways``: near and calibrated, as a stage takes them."""
    height, width, channels = planes.shape
    path = MODELS / ("grey.safetensors" if channels == 1 else "rgb.safetensors")
    network = reference.network_of(path)
    coder = reference.NetworkLayer(
        network, effort, graphics, height, width, slope or SLOPES[effort], sees, runs, **ways
    )
    options = {"graphics": graphics, "sees": sees, "slope": slope, "runs": runs, **ways}
    return compare(lambda values: network_layer(values, planes.shape, effort, **options), planes, coder)
