"""Bytes <-> header, chunks, tiles and layers (standard library only)."""
