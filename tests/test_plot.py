import json
import sys
from pathlib import Path

import pytest

# benchmarks/ is not installed with the package: it is found from the root alone
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import plot

ROOT = plot.ROOT
KODAK = json.loads((ROOT / "benchmarks" / "results" / "kodak.json").read_text("utf-8"))


def codec(label, ratio, encode_speed, decode_speed, run=1):
    totals = {
        "ratio_to_jxl9": ratio,
        "encode_mp_per_second": encode_speed,
        "decode_mp_per_second": decode_speed,
    }
    return {"label": label, "run": run, "totals": totals}


@pytest.fixture
def results():
    return {
        "set": "tiny",
        "images": [{"name": "a.png"}],
        "runs": [{"id": 1, "machine": {"cores": 2}}, {"id": 2, "machine": {"cores": 1}}],
        "codecs": {
            "jxl9": codec("JPEG XL e9", 1.0, 0.1, 5.0),
            "pixcodec-normal": codec("pixcodec normal", 0.7, 0.15, 0.14),
            "slow": codec("slow & large", 1.5, 0.02, 0.02, run=2),
            "png": codec("PNG (Pillow, optimize)", 1.5, 2.0, 35.0),
        },
    }


def test_points_are_sorted_by_size_and_know_their_machine(results):
    points = plot.points_of(results)
    assert [point.name for point in points] == ["pixcodec-normal", "jxl9", "slow", "png"]
    assert [point.one_core for point in points] == [False, False, True, False]
    assert points[0][1:4] == (0.7, 0.15, 0.14)


def test_the_line_joins_what_no_other_codec_beats(results):
    assert [point.name for point in plot.pareto(plot.points_of(results))] == ["pixcodec-normal", "png"]


def test_of_two_codecs_of_equal_size_the_line_has_the_faster_one(results):
    results["codecs"] = {name: codec(name, 1.0, speed, 1.0) for name, speed in [("a", 1), ("b", 2), ("c", 1)]}
    assert [point.name for point in plot.pareto(plot.points_of(results))] == ["b"]


@pytest.mark.slow
@pytest.mark.parametrize("theme", plot.THEMES)
def test_the_plot_names_every_codec_and_is_the_same_each_time(results, theme, tmp_path):
    pytest.importorskip("matplotlib")
    path, again = tmp_path / "a.svg", tmp_path / "b.svg"
    plot.draw(results, plot.THEMES[theme], path)
    plot.draw(results, plot.THEMES[theme], again)
    text = path.read_text("utf-8")
    for label in ("JPEG XL e9", "pixcodec normal", "slow &amp; large", "PNG, Pillow"):
        assert f">{label}</text>" in text
    assert again.read_text("utf-8") == text
    assert "<dc:date>" not in text


def test_the_script_draws_both_themes(results, tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "tiny.json").write_text(json.dumps(results))
    assert plot.main([str(tmp_path / "tiny.json"), "--out", str(tmp_path / "docs")]) == 0
    drawn = sorted(path.name for path in (tmp_path / "docs").iterdir())
    assert drawn == ["size-speed-dark.svg", "size-speed-light.svg"]


@pytest.mark.parametrize("theme", plot.THEMES)
def test_the_committed_picture_shows_the_committed_results(theme):
    path = ROOT / "docs" / f"size-speed-{theme}.svg"
    assert plot.description(KODAK) in path.read_text("utf-8"), "run benchmarks/plot.py"
    assert path.stat().st_size < 60_000
