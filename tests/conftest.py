"""Settings for all tests."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import pytest
from hypothesis import settings

import chromium
from pixcodec import codec, tiling

FIRST = ("test_matrix.py",)

# The first example of a test may compile numba kernels, which takes seconds.
settings.register_profile("pixcodec", deadline=None)
settings.load_profile("pixcodec")


@pytest.fixture(scope="module")
def no_packed_layers() -> Iterator[None]:
    """Let the encoder code small images as larger ones, even if packed layers would be smaller."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "packed_way", lambda *_: None)
        yield


@pytest.fixture
def version_6(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the encoder write photographs as of version 6: with the network alone in effort fast."""
    monkeypatch.setattr(tiling, "fitted", lambda header: header)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Give a headless Chromium, or skip the test."""
    found = chromium.start()
    yield found
    found.quit()


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    """Fail where a file of tests cannot be imported: --doctest-ignore-import-errors would skip it."""
    report = yield
    if (
        report.skipped
        and "unable to import module" in str(report.longrepr)
        and "/tests/" in str(collector.path)
    ):
        report.outcome = "failed"
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the file that compiles most: else it would end last, one processor having nothing to do."""
    items.sort(key=lambda item: item.path.name not in FIRST)
