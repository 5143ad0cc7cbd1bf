"""The chunk COEF as earlier versions of pixcodec wrote it: one bitstream instead of streams."""

from __future__ import annotations

import numpy as np

from pixcodec.coding.rangecoder import Encoder
from pixcodec.jpeg.chunk import image_of, packed_steps
from pixcodec.jpeg.coder import code_image
from pixcodec.jpeg.coefficients import SUBSAMPLINGS, Coefficients
from pixcodec.jpeg.decoders import DECODERS


def encode_coefficients(c: Coefficients, *, wider: bool = False) -> bytes:
    """Return the payload; ``wider``: of a file of version 8."""
    assert wider or not c.wider
    c = c._replace(blocks=tuple(np.ascontiguousarray(blocks, np.int16) for blocks in c.blocks))
    head = [c.top, c.left, SUBSAMPLINGS.index((c.horizontal, c.vertical))]
    if wider:
        head += [DECODERS.index(c.decoder), c.orientation]
    encoder = Encoder()
    code_image(image_of(c), encoder, decoding=False)
    return bytes(head) + packed_steps(c) + encoder.finish()
