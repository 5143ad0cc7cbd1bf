"""The HTML report: what it says, that it needs nothing else, and how it behaves in a browser."""

import html.parser
import json
import re
from pathlib import Path

import numpy as np
import pytest

import chromium
from chromium import WIDER, wait_for
from pixcodec.bench import record
from pixcodec.bench.images import describe
from pixcodec.bench.page.thumbnails import SIZE, thumbnail
from pixcodec.bench.page.writing import write_page
from pixcodec.bench.summary import as_csv, best_other, headline, summarize

KODAK = Path(__file__).resolve().parent.parent / "benchmarks" / "results" / "kodak.json"
CIRCLES = "[...document.querySelectorAll('#plot circle')]"
HOSTILE = "</script><b>&\"'.png"


def make_row(images, label, bytes_a_pixel, speed, *, held=None):
    rows = [
        record.image_row(
            info, int(info["height"] * info["width"] * bytes_a_pixel * (1 + at / 10)), speed, speed
        )
        if held is None or at in held
        else None
        for at, info in enumerate(images)
    ]
    totals = record.total(images, rows, (0, 10_000_000), (0, 5_000_000))
    common = {"label": label, "version": "1.0", "settings": "best", "threads": 1, "run": 1}
    return {**common, "totals": totals, "images": rows}


@pytest.fixture
def results():
    """Give results of three images, of which one has a name that would end a script, and one 16 bits."""
    shapes = {"a.png": (20, 30, 3), HOSTILE: (30, 20, 3), "deep.png": (16, 16)}
    images = [
        describe(name, np.zeros(shape, np.uint16 if name == "deep.png" else np.uint8))
        for name, shape in shapes.items()
    ]
    machine = {"cpu": "a processor <fast>", "cores": 2, "system": "Linux"}
    run = {
        **{"id": 1, "date": "2026-11-26T00:00:00+00:00", "machine": machine, "python": "3.12"},
        **{"threads": 2, "repeat": 3, "environment": {}, "note": ""},
    }
    return record.finish(
        {
            "schema": record.SCHEMA,
            "set": "holiday & more",
            "images": images,
            "runs": [run],
            "codecs": {
                "png": make_row(images, "PNG", 2.0, 0.01),
                "jxl9": make_row(images, "JPEG XL e9", 1.0, 0.1),
                "qoi": make_row(images, "QOI", 0.1, 0.001, held=(0, 1)),
                "pixcodec-normal": make_row(images, "pixcodec normal", 0.7, 0.2),
                "pixcodec-fast": make_row(images, "pixcodec fast", 0.9, 0.05),
            },
            "missing": {"flif": "no package"},
            "skipped": {"x.tif": "mode CMYK"},
        }
    )


def test_ratios_are_of_the_images_that_both_codecs_hold(results):
    rows = {row.name: row for row in summarize(results)}
    assert rows["pixcodec-normal"].ratio_to_png == pytest.approx(0.35, abs=1e-3)
    assert rows["pixcodec-normal"].ratio_to_best == pytest.approx(0.7, abs=1e-3)
    assert rows["qoi"].ratio_to_png == pytest.approx(0.05, abs=2e-3)
    assert (rows["qoi"].images, rows["png"].images) == (2, 3)
    assert best_other(results) == "jxl9"  # qoi is smaller, but left one out


def test_the_headline_can_be_quoted(results):
    assert headline(results) == (
        "3 images, 3.1 kB as PNG -> 1.1 kB with pixcodec normal, 65.0 % smaller "
        "(30.0 % smaller than JPEG XL e9)"
    )
    results["codecs"]["png"] = make_row(results["images"], "PNG", 2.0, 0.01, held=(0, 1))
    assert headline(results) == (
        "3 images -> 1.1 kB with pixcodec normal, 65.0 % smaller than PNG (30.0 % smaller than JPEG XL e9)"
    )


def test_csv_has_a_line_for_each_image_and_codec_that_holds_it(results):
    lines = as_csv(results).splitlines()
    assert lines[0].startswith("image,width,height,channels,bit_depth,codec,size_bytes,")
    assert len(lines) == 1 + 4 * 3 + 2
    assert any(line.startswith("deep.png,16,16,1,16,png,") for line in lines)


class Found(html.parser.HTMLParser):
    """The elements, attributes and the data of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.links, self.inside = [], [], ""
        self.data = ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.inside = dict(attributes).get("id", "") if tag == "script" else ""
        self.links += [value for name, value in attributes if name in ("src", "href", "srcset", "action")]

    def handle_data(self, data):
        if self.inside == "data":
            self.data += data


def test_the_page_is_one_file_that_names_everything(results):
    page = write_page(results, {"a.png": "data:image/webp;base64,AAAA"})
    found = Found(page)
    assert found.links == ["#images"]
    assert "b" not in found.tags  # the name of the image did not become an element
    data = json.loads(found.data)
    assert [image["name"] for image in data["images"]] == ["a.png", HOSTILE, "deep.png"]
    assert data["images"][0]["thumbnail"] == "data:image/webp;base64,AAAA"
    assert "qoi" not in data["images"][2]["sizes"]
    assert (data["mine"], data["theirs"], data["unit"]) == ("pixcodec-normal", "jxl9", "PNG")
    for text in ("holiday &amp; more", "a processor &lt;fast&gt;", "flif: no package", "x.tif: mode CMYK"):
        assert text in page
    assert "2 of 3 images" in page
    assert "Permission to use, copy, modify" in page  # the licences of the libraries go with them


def test_a_page_without_other_codecs_or_without_ours_can_be_written(results):
    for names in (["pixcodec-fast"], ["png"], ["jxl9", "qoi"]):
        part = {**results, "codecs": {name: results["codecs"][name] for name in names}}
        assert names[0] in Found(write_page(part, {})).data


@pytest.mark.parametrize("shape", [(1, 1), (300, 20), (20, 300, 2), (200, 300, 3), (9, 9, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_thumbnails_are_small(shape, dtype):
    noise = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype=dtype)
    assert re.match(r"data:image/(webp|png);base64,", thumbnail(noise))
    assert len(thumbnail(noise)) < 3 * SIZE[0] * SIZE[1]


def open_page(browser, page, tmp_path, width=1280, scheme="light"):
    path = tmp_path / "report.html"
    path.write_text(page, "utf-8")
    chromium.open_page(browser, path.as_uri(), width, scheme)
    wait_for(browser, "return document.querySelectorAll('#plot circle').length > 0")


def texts(browser, selector):
    """Return the text with which each element of a selector begins."""
    return browser.execute_script(
        f"return [...document.querySelectorAll({selector!r})].map(e => e.firstChild.data)"
    )


def names_in_order(browser):
    return texts(browser, "#list tbody th span")


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_opens_without_errors_and_fits(browser, results, tmp_path, width, scheme):
    kodak = {**json.loads(KODAK.read_text("utf-8")), "missing": {}, "skipped": {}}
    for page in (write_page(results, {}), write_page(kodak, {})):
        open_page(browser, page, tmp_path, width, scheme)
        assert browser.get_log("browser") == []
        assert browser.execute_script(WIDER) == []
        labels = browser.execute_script(f"return {CIRCLES}.map(e => e.ariaLabel)")
        assert any(label.startswith("pixcodec normal: size 0.") for label in labels)
        background = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(13, 17, 23)"}[scheme]


@pytest.mark.slow
def test_images_are_sorted_by_a_click_or_a_key(browser, results, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    # The gain is the same for all: make it differ.
    for at, size in enumerate((100, 300, 200)):
        results["codecs"]["pixcodec-normal"]["images"][at]["size_bytes"] = size
    open_page(browser, write_page(results, {}), tmp_path)
    gain, name = (
        browser.find_element(By.CSS_SELECTOR, f"button[data-key={key}]") for key in ("gain", "name")
    )
    first = names_in_order(browser)
    gains = [float(text.rstrip(" %")) for text in texts(browser, "#list tbody td:last-child")]
    assert gains == sorted(gains, reverse=True)
    gain.click()
    assert names_in_order(browser) == first[::-1]
    assert gain.find_element(By.XPATH, "..").get_attribute("aria-sort") == "ascending"
    name.send_keys(Keys.ENTER)
    assert names_in_order(browser) == sorted(first)
    assert browser.find_element(By.ID, "sorted").get_attribute("textContent") == "Sorted by image, ascending"


@pytest.mark.slow
def test_the_codecs_of_the_table_and_the_speed_of_the_plot_can_be_chosen(browser, results, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import Select

    results["codecs"]["png"]["totals"]["decode_mp_per_second"] = 900
    open_page(browser, write_page(results, {}), tmp_path)
    Select(browser.find_element(By.ID, "theirs")).select_by_value("qoi")
    cells = texts(browser, "#list td.theirs")
    assert sorted(cells)[-1] == "\N{EN DASH}"  # qoi has no mode for one of them
    places = f"{CIRCLES}.map(e => e.getAttribute('cx')).join()"
    before = browser.execute_script(f"return {places}")
    browser.find_element(By.CSS_SELECTOR, "input[value=decode]").click()
    wait_for(browser, f"return {places} !== '{before}'")
    assert browser.get_log("browser") == []


@pytest.mark.slow
def test_a_point_that_has_the_focus_shows_its_figures(browser, results, tmp_path):
    open_page(browser, write_page(results, {}), tmp_path, scheme="dark")
    browser.execute_script("document.querySelector('#plot circle').focus()")
    wait_for(browser, "return document.querySelector('#plot [aria-label=tip] text') !== null")
    told = browser.execute_script("return document.querySelector('#plot [aria-label=tip] text').textContent")
    focused = browser.execute_script("return document.activeElement.ariaLabel")
    assert focused.partition(":")[0] in told
    box = "getComputedStyle(document.querySelector('#plot [aria-label=tip] path')).fill"
    assert browser.execute_script(f"return {box}") == "rgb(13, 17, 23)"
