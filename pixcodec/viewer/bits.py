"""Where the bits of a file are, as the page shows it: a map in steps, its colours, tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from pixcodec.explain.explanation import Explanation
from pixcodec.explain.tables import tables_of
from pixcodec.explain.views import top_of
from pixcodec.generation.views import heat_map
from pixcodec.viewer.pyramid import Pyramid

_STEPS = 255  # of the map: what one is worth is said beside it


class Bits:
    """The bits of each pixel of an image.

    Parameters
    ----------
    found : Explanation
    """

    def __init__(self, found: Explanation) -> None:
        bits = found.pixels
        self._step = max(float(bits.max()), 0.1) / _STEPS
        self._top = top_of(bits)
        self._found = found
        self.map = Pyramid(np.rint(bits / self._step).astype(np.uint8))

    def description(self) -> dict[str, Any]:
        """Return what the page reads of it.

        ``step``: bits that one step of the map stands for; ``top``: bits at the upper end of its scale;
        ``colours``: 256 colours from few bits to many; ``levels`` of the map; ``tables``.
        """
        found = self._found
        ramp = heat_map(np.arange(_STEPS + 1, dtype=np.float64)[None], _STEPS)[0]
        return {
            "step": self._step,
            "top": self._top,
            "most": self._step * _STEPS,
            "levels": self.map.levels,
            "colours": ramp.tolist(),
            "lead": f"effort {found.effort}, {found.size_bytes} bytes, "
            f"{found.explained_bytes / found.size_bytes:.2%} of them explained",
            "tables": [table._asdict() for table in tables_of(found)],
        }
