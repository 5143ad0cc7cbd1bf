"""Settings for all tests."""

from __future__ import annotations

from hypothesis import settings

# The first example of a test may compile numba kernels, which takes seconds.
settings.register_profile("pixcodec", deadline=None)
settings.load_profile("pixcodec")
