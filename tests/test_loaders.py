"""Data loaders of machine learning read .pxc files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pixcodec
import samples

torch = pytest.importorskip("torch")

PHOTO = samples.photo(3, 23, 17)


class Photos(torch.utils.data.Dataset):  # type: ignore[misc, name-defined]
    """As docs/plugins.md shows it."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Any:
        return torch.from_numpy(pixcodec.open(self.paths[index], threads=1))


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    found = [tmp_path / f"{k}.pxc" for k in range(5)]
    for k, path in enumerate(found):
        pixcodec.save(path, np.roll(PHOTO, k, axis=0), effort="fast")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_torch_loader(workers: int, paths: list[Path]) -> None:
    loader = torch.utils.data.DataLoader(Photos(paths), batch_size=2, num_workers=workers)
    found = torch.cat(list(loader)).numpy()
    np.testing.assert_array_equal(found, [np.roll(PHOTO, k, axis=0) for k in range(5)])


def test_a_dataset_of_huggingface(paths: list[Path]) -> None:
    datasets = pytest.importorskip("datasets")
    pixcodec.register_pillow()
    rows = {"image": [{"bytes": path.read_bytes(), "path": None} for path in paths]}
    photos = datasets.Dataset.from_dict(rows, features=datasets.Features({"image": datasets.Image()}))
    for k in range(5):
        np.testing.assert_array_equal(np.asarray(photos[k]["image"]), np.roll(PHOTO, k, axis=0))
