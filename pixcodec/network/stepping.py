"""The network run wavefront by wavefront from Python: for tests and reports."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.network.distribution import Mixture
from pixcodec.network.inference import Network, compute_features, compute_mixture, new_network
from pixcodec.network.kernels import entry_point
from pixcodec.network.model import Model
from pixcodec.network.structs import struct_of
from pixcodec.network.wavefront import all_lanes, new_wave, set_lanes


class Waves(NamedTuple):
    """The wavefront that an entry point is called for."""

    wave: Any  # one of WAVE


@entry_point
def run_features(network: Network, waves: Waves, first: int, lanes: int) -> None:
    """Compute the features of some lanes of a wavefront, from row ``first`` on."""
    set_lanes(waves.wave[0], first, lanes)
    compute_features(network, waves.wave[0], all_lanes(waves.wave[0]))


@entry_point
def run_mixture(network: Network, waves: Waves, channel: int) -> None:
    """Compute the mixtures of a channel of the lanes of a wavefront."""
    compute_mixture(network, channel, waves.wave[0], all_lanes(waves.wave[0]))


class WavefrontNetwork:
    """Runs a model over one tile, wavefront by wavefront.

    For every wavefront with lanes: :meth:`features`, then for each channel :meth:`mixture`; then the
    subpixels of that channel must be in ``network.canvas`` before the next channel is asked for.

    Parameters and errors as for :func:`new_network`.
    """

    def __init__(
        self, model: Model, height: int, width: int, slope: int, planes: npt.NDArray[np.uint8] | None = None
    ) -> None:
        self.network = new_network(model, height, width, slope, planes)
        self.wave = new_wave(height, width, model.architecture.channels, slope)
        structs = struct_of(self.network), struct_of(Waves(self.wave))
        self._features, self._mixture = run_features.bind(*structs), run_mixture.bind(*structs)

    def features(self, t: int, first: int, n: int) -> None:
        """Compute the features of the ``n`` lanes from row ``first`` of wavefront ``t``."""
        self.wave["t"] = t
        self._features(first, n)

    def mixture(self, channel: int) -> Mixture:
        """Return the mixtures of a channel of the same lanes; valid until the next call."""
        self._mixture(channel)
        return self.network.mixture
