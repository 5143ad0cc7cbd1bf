"""The codecs by name."""

from __future__ import annotations

import importlib

from pixcodec.bench import ours, peers
from pixcodec.bench.codec import Codec

PEERS: dict[str, type[Codec]] = {
    codec.name: codec
    for codec in (
        peers.Png,
        peers.OxiPng,
        peers.Zopfli,
        peers.WebP,
        peers.JpegLs,
        peers.Jpeg2000,
        peers.Qoi,
        peers.Avif,
        peers.Flif,
        peers.JpegXlEffort7,
        peers.JpegXlEffort9,
    )
}
OURS: dict[str, type[Codec]] = {
    codec.name: codec
    for codec in (ours.PixcodecFast, ours.PixcodecNormal, ours.PixcodecMax, ours.PixcodecResearch)
}
CODECS = {**PEERS, **OURS}


def find_codec(spec: str) -> type[Codec]:
    """Find a codec class by its name in `CODECS`, or import it as ``module:Class``.

    Raises
    ------
    KeyError
        No codec has that name.
    """
    if ":" in spec:
        module, _, name = spec.partition(":")
        found: type[Codec] = getattr(importlib.import_module(module), name)
        return found
    if spec not in CODECS:
        raise KeyError(f"expected one of {', '.join(CODECS)} or module:Class, found {spec!r}")
    return CODECS[spec]
