"""Packed layers: filtered rows, compressed by deflate or LZMA (FORMAT.md, "Packed layers")."""
