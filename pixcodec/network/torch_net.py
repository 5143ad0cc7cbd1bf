"""The network on a device of torch, of whole tiles at once, for an encoder, which knows all pixels.

Shapes: H W height and width, C channels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pixcodec.errors import DeviceError
from pixcodec.network.architecture import REACH
from pixcodec.network.inference import Known
from pixcodec.network.integer_net import run_on, torch_backend
from pixcodec.network.model import Model

Planes = npt.NDArray[np.uint8]

_BAND_PIXELS = 1 << 18  # run at a time: 0.6 GB


def check_device(device: str) -> None:
    """Check that torch is installed and has this device.

    Raises
    ------
    DeviceError
    """
    try:
        import torch
    except ImportError as error:
        raise DeviceError(f"device {device!r} needs torch: pip install 'pixcodec[train]'") from error
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise DeviceError(f"device {device!r}: {str(error).splitlines()[0]}") from error


class TorchNetwork:
    """A model on a device.

    Parameters
    ----------
    model : Model
    device : str
        As torch names it: "cpu", "cuda", "cuda:1".

    Raises
    ------
    DeviceError
        If torch is not installed, or has no such device.
    """

    def __init__(self, model: Model, device: str) -> None:
        check_device(device)
        self._model, self._device, self._backend = model, device, torch_backend(device)

    def mixtures(self, planes: Planes) -> Known:
        """Return the mixtures of all subpixels of a tile (H, W, C).

        Raises
        ------
        DeviceError
            If the device has not enough memory.
        """
        height, width, channels = planes.shape
        halo = REACH + self._model.architecture.blocks  # rows above that a pixel depends on
        rows = max(_BAND_PIXELS // width, 1)
        bands = []
        try:
            with self._backend.library.inference_mode():
                for start in range(0, height, rows):
                    top = max(start - halo, 0)
                    band: Any = run_on(self._backend, self._model, planes[top : start + rows], start - top)
                    bands.append([(m.logit.cpu(), m.mean.cpu(), m.log_scale.cpu()) for m in band])
        except RuntimeError as error:
            raise DeviceError(f"device {self._device!r}: {str(error).splitlines()[0]}") from error

        def joined(part: int, dtype: Any) -> Any:
            return np.stack(
                [np.concatenate([band[c][part].numpy() for band in bands]) for c in range(channels)]
            ).astype(dtype)

        return Known(joined(0, np.int16), joined(1, np.int32), joined(2, np.int16))


_networks: dict[tuple[bytes, str], TorchNetwork] = {}


def network_on(model: Model, device: str) -> TorchNetwork:
    """Return a model on a device, the same object every time; errors as of :class:`TorchNetwork`."""
    key = model.model_id, device
    if key not in _networks:
        _networks[key] = TorchNetwork(model, device)
    return _networks[key]
