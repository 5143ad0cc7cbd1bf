"""Section Row LSTM."""

from __future__ import annotations

import numpy as np

from pixcodec.reference import core

GATE = 2048


class RowTile(core.Tile):
    """A tile whose pixels have cells and states besides the features of the trunk."""

    def __init__(self, network, height, width):
        super().__init__(network, height, width)
        sizes = network.sizes
        self.lstms, self.size = sizes["lstms"], sizes["state"]
        shape = (sizes["blocks"] + 1 + self.lstms, height, width, sizes["features"])
        self.h = np.zeros(shape, np.int64)
        self.cell = np.zeros((self.lstms, height, width, self.size), np.int64)
        self.state = np.zeros_like(self.cell)

    def seen(self, plane, y, x):
        """Return the numbers of a pixel, zeros if it is outside the tile."""
        inside = y >= 0 and 0 <= x < self.width
        return plane[y, x] if inside else np.zeros_like(plane[0, 0])

    def trunk(self, y, x):
        """Recurrent trunk."""
        super().trunk(y, x)
        wide, size = self.network.wide, self.size
        for m in range(self.lstms):
            j = self.network.sizes["blocks"] + m
            t = [self.seen(self.h[j], y, x - 1), self.h[j, y, x]]
            t += [self.seen(self.state[m], y - 1, x + dx) for dx in (-1, 0, 1)]
            p = self.network.layer(f"gates.{m}", np.concatenate(t), -GATE, GATE)
            i, f, o = wide["table.sigmoid"][p[: 3 * size] + GATE].reshape(3, size)
            g = wide["table.tanh"][p[3 * size :] + GATE]
            above = self.seen(self.cell[m], y - 1, x)
            c = np.clip(((f * above + 1024) >> 11) + ((i * g + 8192) >> 14), -GATE, GATE)
            self.cell[m, y, x] = c
            self.state[m, y, x] = (o * wide["table.tanh"][c + GATE] + 8192) >> 14
            v = self.network.layer(f"out.{m}", self.state[m, y, x], -1023, 1023)
            self.h[j + 1, y, x] = np.clip(self.h[j, y, x] + v, -1023, 1023)
