"""Machine code of the kernels, built ahead of time: see native/build.py."""
