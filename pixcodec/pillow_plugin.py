"""``import pixcodec.pillow_plugin`` lets Pillow open and save .pxc files.

This is the public name of :mod:`pixcodec.plugins.pillow`, which does the work.
"""

from __future__ import annotations

from pixcodec.plugins.pillow import PxcImageFile, register

__all__ = ["PxcImageFile", "register"]
