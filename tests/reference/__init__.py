"""A decoder of format versions 3 to 8, written from FORMAT.md: plain, slow, with no code of pixcodec in it.

What the text gives as formulas (contexts, predictions, least squares) is taken from there and executed. The
network and the range coder are those of oracle.py. Section names are those of FORMAT.md.
"""

from __future__ import annotations

from reference.arithmetic import LN, LOGISTIC, SQUASH, STRETCH, tables_digest
from reference.container import Head
from reference.decoder import decode, network_of
from reference.jpeg_files import restore
from reference.jpeg_recipe import Kept
from reference.jpeg_skeleton import Frame
from reference.least_squares import ValueFit
from reference.network_layer import NetworkContexts, NetworkLayer
from reference.residual_layer import ResidualLayer
from reference.side_layer import SideLayer
from reference.text import TEXT, WORDS, Section

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
