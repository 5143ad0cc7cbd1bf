"""``python -m pixcodec`` is the command ``pixcodec``."""

from __future__ import annotations

import sys

from pixcodec.cli import main

if __name__ == "__main__":
    sys.exit(main())
