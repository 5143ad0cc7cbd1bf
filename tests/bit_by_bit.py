"""Layers coded bit by bit by the kernels: what that took, and whether reference.py says the same."""

from __future__ import annotations

import numpy as np

import reference
from pixcodec.coding.bits import BitCoder
from pixcodec.coding.side_layer import framed
from pixcodec.mixing import mixer as mixing
from pixcodec.network.inference import WavefrontNetwork
from pixcodec.network.model_files import MODELS, shipped_model

SLOPES = {1: 3, 2: 5}  # the least of each effort


class Recorder:
    """Passes symbols on to a coder, or takes them from a list, and keeps symbols and rows.

    Of a decoder's state it keeps the contexts, too.
    """

    def __init__(self, coder=None, known=None, state=None):
        self.coder, self.known, self.state = coder, known, state
        self.batches, self.contexts, self.count = [], [], 0

    def code(self, symbols, rows):
        if self.coder is not None:
            symbols = self.coder.code(symbols, rows)
        elif self.known is not None:
            symbols = self.known[self.count : self.count + len(rows)]
        if self.state is not None:
            wave = self.state.wave
            if wave[mixing.DEPTH] == wave[mixing.FIRST_DEPTH]:
                self.contexts += self.state.ctx[: len(rows)].view(np.uint64).tolist()
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
        assert (rows.sum(1) == mixing.TOTAL - 2).all()
        return float(-np.log2((rows[np.arange(len(rows)), symbols] + 1) / mixing.TOTAL).sum())


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


def code(stage, bits, recorder):
    """Code or decode all of a layer; return its values."""
    pixels = 0
    while count := bits.code(recorder):
        pixels += count
    assert pixels == stage.height * stage.width
    return stage.planes()


def compare(make, planes, reference_coder):
    """Compare encoder and decoder with the reference; return what it has seen.

    ``make`` returns a stage and what codes it, of the planes or of None.
    """
    recorder = Recorder()
    code(*make(planes), recorder)
    symbols, rows = recorder.joined()
    known = Known(symbols, rows)
    np.testing.assert_array_equal(reference_coder.decode(known), planes)
    assert known.at == len(symbols)
    stage, bits = make(None)
    again = Recorder(known=symbols, state=bits._state)
    np.testing.assert_array_equal(code(stage, bits, again), planes)
    np.testing.assert_array_equal(again.joined()[1], rows)
    assert again.contexts == reference_coder.contexts_seen
    seen = reference_coder.mixer.seen
    return seen | reference_coder.repeats.seen if reference_coder.repeats else seen


def network_layer(planes, shape, effort, *, graphics=False, sees=None, slope=None):
    """Return a stage and what codes (``planes`` given) or decodes it."""
    height, width, channels = shape
    seen = np.zeros((height, width, 0), np.uint8) if sees is None else sees
    net = WavefrontNetwork(shipped_model(channels), height, width, slope or SLOPES[effort], planes)
    return net, BitCoder(net, effort, planes is None, graphics, framed(seen))


def compare_network(planes, effort, *, graphics=False, sees=None, slope=None):
    """Compare a network's layer, as :func:`compare`."""
    height, width, channels = planes.shape
    path = MODELS / ("grey.safetensors" if channels == 1 else "rgb.safetensors")
    network = reference.network_of(path)
    coder = reference.NetworkLayer(network, effort, graphics, height, width, slope or SLOPES[effort], sees)
    options = {"graphics": graphics, "sees": sees, "slope": slope}
    return compare(lambda values: network_layer(values, planes.shape, effort, **options), planes, coder)
