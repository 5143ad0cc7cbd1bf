"""Sizes of the networks that only torch runs. No torch here: the command line reads these names."""

from __future__ import annotations

from dataclasses import dataclass

from pixcodec.network.architecture import Architecture

KINDS = ("pixelcnn", "gated", "diagonal-bilstm", "row-lstm", "hybrid", "multiscale")
CONDITIONS = ("class", "low-resolution", "grey")
REDUCTION = 4  # of the sides of the image that the condition low-resolution gives


@dataclass(frozen=True)
class TorchArchitecture(Architecture):
    """Sizes of a network that only torch runs.

    Parameters
    ----------
    channels, features, blocks, hidden, components : int
        As of a PixelCNN; ``blocks`` counts the layers of the trunk.
    kind : str
        One of KINDS, but neither ``pixelcnn`` nor ``row-lstm``.
    units : int
        Width inside a layer of the trunk.
    condition : str
        One of CONDITIONS, or empty.
    classes : tuple of str
        Names of the classes of the condition ``class``.
    """

    kind: str = "gated"
    units: int = 24
    condition: str = ""
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check what belongs together.

        Raises
        ------
        ValueError
            If a condition is unknown, cannot be had, or belongs to no class.
        """
        if self.kind not in KINDS:
            raise ValueError(f"architecture is {self.kind!r}, expected one of {', '.join(KINDS)}")
        if self.condition and self.kind != "gated":
            raise ValueError(f"condition {self.condition!r} needs architecture gated, not {self.kind}")
        if self.condition and self.condition not in CONDITIONS:
            raise ValueError(f"condition is {self.condition!r}, expected one of {', '.join(CONDITIONS)}")
        if self.condition == "grey" and self.channels != 3:
            raise ValueError("condition 'grey' needs RGB images: grey ones have no colours to predict")
        if self.condition == "class" and len(self.classes) < 2:
            raise ValueError(
                f"condition 'class' needs two classes or more, found {len(self.classes)}: "
                "each subfolder of the images is a class"
            )
