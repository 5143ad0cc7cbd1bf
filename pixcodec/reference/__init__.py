"""A decoder of format versions 3 to 10, written from FORMAT.md: plain, slow, with no code of pixcodec in it.

What the text gives as formulas (contexts, predictions, least squares) is taken from there and executed. The
network and the range coder are those of core.py. Section names are those of FORMAT.md.
"""

from __future__ import annotations

from pixcodec.reference.arithmetic import LN, LOGISTIC, SQUASH, STRETCH, tables_digest
from pixcodec.reference.container import Head
from pixcodec.reference.core import network_of
from pixcodec.reference.decoder import decode
from pixcodec.reference.jpeg_files import restore
from pixcodec.reference.jpeg_recipe import Kept
from pixcodec.reference.jpeg_skeleton import Frame
from pixcodec.reference.least_squares import ValueFit
from pixcodec.reference.network_layer import NetworkContexts, NetworkLayer
from pixcodec.reference.residual_layer import ResidualLayer
from pixcodec.reference.side_layer import SideLayer
from pixcodec.reference.text import TEXT, WORDS, Section

__all__ = [
    "LN",
    "LOGISTIC",
    "SQUASH",
    "STRETCH",
    "TEXT",
    "WORDS",
    "Frame",
    "Head",
    "Kept",
    "NetworkContexts",
    "NetworkLayer",
    "ResidualLayer",
    "Section",
    "SideLayer",
    "ValueFit",
    "decode",
    "network_of",
    "restore",
    "tables_digest",
]
