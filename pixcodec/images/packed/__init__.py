"""Packed layers: filtered rows of whole pixels, compressed by deflate or LZMA (FORMAT.md, "Packed layers")."""
