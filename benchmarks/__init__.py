"""Benchmarks: pixcodec beside the other lossless codecs, every round trip verified."""
