"""The viewer: what it tells of a file, the server, and the page in a browser."""

from __future__ import annotations

import http.client
import io
import json
import re
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import chromium
import pixcodec
import samples
from chromium import WIDER, wait_for
from command_line import COMMAND, Runner, assert_failed
from pixcodec.viewer import page as pages
from pixcodec.viewer.page import served_page, whole_page
from pixcodec.viewer.pyramid import TILE, Pyramid, samples_tile
from pixcodec.viewer.server import Server
from pixcodec.viewer.site import Site
from pixcodec.viewer.source import Source
from pixcodec.viewer.view import view_of

PHOTO = samples.photo(3, 47, 61)
HOSTILE = "</script><b>&\"'.pxc"
KODAK = Path(__file__).parent / "images" / "kodak23_257x130_rgb.png"
TILED = Path(__file__).parent / "golden" / "forever" / "fast-wavefront-tall-rgb.pxc"


def site_of(image: Any, *, effort: str = "fast", max_pixels: int = 10**6) -> Site:
    data = pixcodec.encode(image, effort=effort)
    return Site(Source(data, is_pixcodec=True, effort=effort, max_pixels=max_pixels))


def numbers(site: Site, key: str) -> Any:
    answer = site.get(key)
    assert answer.status == 200, answer
    return json.loads(answer.data)


def pixels(data: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(data)))


WITH_KEY = Image.fromarray(PHOTO)
WITH_KEY.info["transparency"] = tuple(PHOTO[0, 0].tolist())
SEEN: dict[str, tuple[Any, tuple[str, ...]]] = {
    "RGB": (Image.fromarray(PHOTO), ("red", "green", "blue")),
    "L": (Image.fromarray(PHOTO[:, :, 0]), ("grey",)),
    "1": (Image.fromarray(PHOTO[:, :, 0] > 99), ("white",)),
    "P": (Image.fromarray(PHOTO).quantize(9), ("red", "green", "blue")),
    "LA": (Image.fromarray(PHOTO[:, :, :2]), ("grey", "alpha")),
    "RGBA": (Image.fromarray(np.dstack([PHOTO, PHOTO[:, :, :1]])), ("red", "green", "blue", "alpha")),
    "key colour": (WITH_KEY, ("red", "green", "blue", "alpha")),
    "CMYK": (Image.fromarray(PHOTO).convert("CMYK"), ("cyan", "magenta", "yellow", "black")),
    "LAB": (Image.frombytes("LAB", (61, 47), PHOTO.tobytes()), ("l", "a", "b")),
    "I;16": (Image.fromarray(PHOTO[:, :, 0].astype(np.uint16) * 200), ("grey",)),
    "16 bits": (PHOTO.astype(np.uint16) * 200, ("red", "green", "blue")),
    "16 bits, alpha": (
        np.dstack([PHOTO, PHOTO[:, :, :1]]).astype(np.uint16),
        ("red", "green", "blue", "alpha"),
    ),
    "float": (PHOTO[:, :, 0] / np.float32(7), ("grey",)),
    "half": ((PHOTO[:, :, 0] / 7).astype(np.float16), ("grey",)),
    "bands": (np.dstack([PHOTO, PHOTO]).astype(np.int16), tuple(f"band {k}" for k in range(1, 7))),
    "bool": (PHOTO[:, :, 0] > 99, ("white",)),
}


@pytest.mark.parametrize("name", SEEN)
def test_every_kind_of_image_has_pixels_to_show_and_samples_to_tell(name: str) -> None:
    image, names = SEEN[name]
    view = view_of(image)
    assert (view.names, view.size) == (names, (61, 47))
    assert view.pixels.dtype == np.uint8
    assert view.pixels.shape[2] == 3 + (names[-1] == "alpha")
    if view.samples is None:
        expected = np.asarray(image.convert("RGB")) if isinstance(image, Image.Image) else image
        np.testing.assert_array_equal(view.pixels[:, :, : len(names)], expected[:, :, : len(names)])
    else:
        assert view.samples.shape == (47, 61, len(names))
        assert view.samples.dtype.name in re.findall(r"(\w+): \w+Array", page_script())


def page_script() -> str:
    return (Path(pages.__file__).parent / "parts" / "page.js").read_text("utf-8")


def test_deep_samples_are_told_as_they_are_and_shown_by_their_depth() -> None:
    deep = PHOTO.astype(np.uint16) * 4 + 3
    site = site_of(deep)
    found = numbers(site, "frame/0")
    assert (found["samples"], found["names"]) == ("uint16", ["red", "green", "blue"])
    raw = zlib.decompress(site.get("samples/0/0_0").data)
    np.testing.assert_array_equal(np.frombuffer(raw, "<u2").reshape(deep.shape), deep)
    shown = pixels(site.get("image/0/0/0_0").data).astype(int)
    np.testing.assert_allclose(shown, PHOTO, atol=1)


@pytest.mark.parametrize("shape", [(1, 1, 3), (TILE, TILE, 3), (TILE + 1, 2 * TILE + 3, 3), (700, 600, 4)])
def test_tiles_of_the_largest_level_are_the_image(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    pyramid = Pyramid(image)
    found = np.zeros_like(image)
    for level, column, row in pyramid.places():
        encoded = pyramid.tile(level, column, row)
        assert encoded is not None
        if level == 0:
            part = pixels(encoded.data)
            at = np.s_[row * TILE : row * TILE + part.shape[0], column * TILE : column * TILE + part.shape[1]]
            found[at] = part
            same = samples_tile(image, column, row)
            assert same is not None
            assert zlib.decompress(same.data) == np.ascontiguousarray(part).tobytes()
        if level == pyramid.levels - 1:
            assert max(pixels(encoded.data).shape) <= TILE
    np.testing.assert_array_equal(found, image)
    outside = ((-1, 0, 0), (pyramid.levels, 0, 0), (0, 99, 0), (0, 0, 99))
    assert [pyramid.tile(*place) for place in outside] == [None] * 4


def test_the_map_of_bits_adds_up_to_the_file() -> None:
    site = site_of(PHOTO)
    assert site.get("bits/0/0_0").status == 404
    first = site.get("bits")
    assert first.status in (200, 202)
    site.explain()
    found = numbers(site, "bits")
    steps = pixels(site.get("bits/0/0_0").data)
    total = found["step"] * float(steps.reshape(*steps.shape[:2], -1)[:, :, 0].sum())
    expected = 8 * len(pixcodec.encode(PHOTO, effort="fast"))
    assert total == pytest.approx(expected, rel=0.15)  # the map has 255 steps; headers are not on it
    assert len(found["colours"]) == 256
    assert 0 < found["top"] <= found["most"]
    assert "Side information" in [table["title"] for table in found["tables"]]


def test_tiles_of_the_file_cover_the_image() -> None:
    data = TILED.read_bytes()
    tiles = Source(data, is_pixcodec=True, effort="fast", max_pixels=10**6).tiles()
    assert [box[:2] for box, _ in tiles] == [(0, 0), (0, 130)]
    assert sum(box.pixel_count for box, _ in tiles) == 3 * 260
    assert 0 < sum(size for _, size in tiles) < len(data)


def test_frames_are_loaded_when_they_are_asked_for() -> None:
    frames = [Image.fromarray(np.roll(PHOTO, k, 1)) for k in range(4)]
    site = site_of(frames)
    assert site.source.frames == 4
    for frame in (3, 0, 2):
        assert numbers(site, f"frame/{frame}")["width"] == 61
        np.testing.assert_array_equal(pixels(site.get(f"image/{frame}/0/0_0").data), np.roll(PHOTO, frame, 1))
    assert site.get("frame/4").status == 404
    assert site.get("bits").status == 404


def test_other_image_files_are_shown_too() -> None:
    file = io.BytesIO()
    WITH_KEY.save(file, "PNG", comment="x" * 999)
    site = Site(Source(file.getvalue(), is_pixcodec=False, effort="fast", max_pixels=10**6))
    assert numbers(site, "frame/0")["names"][-1] == "alpha"
    assert site.source.lines["image"] == "61x47 pixels, mode RGB"
    site.explain()
    assert numbers(site, "bits")["lead"].startswith("effort fast, ")
    assert Source(b"P5 3 2 255 \0\0\0\0\0\0", is_pixcodec=False, effort="fast", max_pixels=9).pixel_count == 6


def test_errors_of_the_file_are_told() -> None:
    damaged = bytearray(pixcodec.encode(PHOTO, effort="fast"))
    damaged[-30] ^= 1
    site = Site(Source(bytes(damaged), is_pixcodec=True, effort="fast", max_pixels=10**6))
    for key in ("frame/0", "image/0/0/0_0"):
        answer = site.get(key)
        assert answer.status == 422
        assert "error" in json.loads(answer.data)
    research = site_of(PHOTO[:9, :9], effort="research")
    with pytest.raises(pixcodec.UnsupportedImageError):
        research.explain()
    assert research.get("bits").status == 422


SITE = site_of(PHOTO[:9, :9])


@given(st.from_regex(r"\A(frame|image|samples|bits|x)(/[0-9_./-]{0,5}){0,3}\Z") | st.text(max_size=9))
@settings(max_examples=40)
def test_a_key_that_nothing_has_is_not_found(key: str) -> None:
    assert SITE.get(key).status in (200, 202, 404)


def test_a_page_holds_all_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    site = site_of(PHOTO)
    page = whole_page(HOSTILE, site, bits=True)
    data = json.loads(re.findall(r'id="data">(.*?)</script>', page, re.DOTALL)[0])
    assert set(data["files"]) == set(site.keys(bits=True))
    assert all(text.startswith("data:") for text in data["files"].values())
    assert "<b>" not in page
    assert "Redistribution and use in source and binary forms" in page  # the licence goes with the library
    assert "bits/0/0_0" not in whole_page("a", site, bits=False)
    monkeypatch.setattr(pages, "MAX_PAGE_PIXELS", 47 * 61 - 1)
    with pytest.raises(pixcodec.LimitExceededError, match="up to 2866 pixels, found 2867"):
        whole_page("a", site, bits=False)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(HOSTILE, SITE) as found:
        yield found


def ask(server: Server, path: str = "", *, method: str = "GET", **headers: str) -> Any:
    """Return the response to a request below the address of the page."""
    host, port, token = re.fullmatch(r"http://([\d.]+):(\d+)/([\w-]+)/", server.url).groups()  # type: ignore[union-attr]
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    connection.request(method, f"/{token}/{path}" if not path.startswith("/") else path, headers=headers)
    response = connection.getresponse()
    response.body = response.read()  # type: ignore[attr-defined]
    connection.close()
    return response


def test_the_server_gives_the_page_and_its_parts(server: Server) -> None:
    page = ask(server)
    assert page.status == 200
    assert page.body == served_page(HOSTILE, SITE).encode()
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert (ask(server, "frame/0").status, ask(server, "frame/1").status) == (200, 404)
    assert ask(server, "image/0/0/0_0").body == SITE.get("image/0/0/0_0").data


def test_the_server_is_for_this_page_alone(server: Server) -> None:
    token = server.url.split("/")[3]
    assert server.url.startswith("http://127.0.0.1:")
    for path in (
        "/",
        "/x/",
        f"/{token}",
        f"/{token[:-1]}/",
        f"/{token}x/",
        "/favicon.ico",
    ):
        assert ask(server, path).status == 404, path
    for path in ("../../etc/passwd", "%2e%2e/x", "x", "frame/-1", "frame/0/", "image/0/0/0_0?x"):
        assert ask(server, path).status == 404, path
    port = server.url.split("/")[2].split(":")[1]
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{int(port) + 1}"):
        assert ask(server, Host=host).status == 403, host
    assert ask(server, Host=f"localhost:{port}").status == 200
    for method in ("POST", "PUT", "HEAD", "OPTIONS", "DELETE"):
        assert ask(server, method=method).status == 405, method


def test_the_server_ends_once_the_page_has_left() -> None:
    with Server("a", SITE) as server:
        waiting = threading.Thread(target=server.wait, args=(0.1,), daemon=True)
        waiting.start()
        host, port, token = re.fullmatch(r"http://([\d.]+):(\d+)/([\w-]+)/", server.url).groups()  # type: ignore[union-attr]
        connection = http.client.HTTPConnection(host, int(port), timeout=20)
        connection.request("GET", f"/{token}/alive")
        response = connection.getresponse()
        assert response.status == 200
        waiting.join(0.6)
        assert waiting.is_alive()
        response.close()
        connection.close()
        waiting.join(20)
        assert not waiting.is_alive()


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Runner:
    return Runner(capfd)


def test_the_command_writes_a_page(run: Runner, tmp_path: Path) -> None:
    source, target = tmp_path / "a.pxc", tmp_path / "a.html"
    source.write_bytes(pixcodec.encode(PHOTO, effort="fast"))
    done = run("show", source, "-o", target)
    assert (done.status, done.out) == (0, "")
    assert '"bits/0/0_0"' in target.read_text("utf-8")
    assert_failed(run("show", source, "-o", target), 1, "exists already")
    assert run("show", source, "-o", target, "-f", "-q", "--no-bits").err == ""
    assert '"bits/0/0_0"' not in target.read_text("utf-8")
    assert_failed(run("show", source, "-o", tmp_path / "a.txt"), 2, ".html")
    assert_failed(run("show", source, "--no-bits"), 2, "-o")
    assert_failed(run("show", tmp_path / "none.pxc"), 1, "none.pxc")
    assert_failed(run("show", source, "--max-pixels", 9, "-o", tmp_path / "b.html"), 6, "a.pxc")
    source.write_bytes(b"no such format")
    assert_failed(run("show", source, "-o", tmp_path / "b.html"), 4, "a.pxc")
    assert not (tmp_path / "b.html").exists()


@pytest.mark.slow
def test_the_command_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    (tmp_path / "a.pxc").write_bytes(pixcodec.encode(PHOTO[:9, :9], effort="fast"))
    command = [*COMMAND, "show", str(tmp_path / "a.pxc"), "--no-browser", "-q"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{22}/", url)
        process.send_signal(2 if sys.platform != "win32" else 15)
        assert process.wait(20) == 0


def value_of(browser: Any, identity: str) -> str:
    text: str = browser.execute_script(f"return document.getElementById({identity!r}).textContent")
    return text


def click(browser: Any, identity: str) -> None:
    browser.execute_script(f"document.getElementById({identity!r}).click()")


def zoom(browser: Any) -> float:
    return float(value_of(browser, "zoom").rstrip(" %"))


DRAWN = "return viewer.world.getItemCount() > 0 && viewer.world.getItemAt(0).getFullyLoaded()"


def write_page(tmp_path: Path, image: Any, *, bits: bool = True) -> str:
    path = tmp_path / "page.html"
    path.write_text(whole_page("a.pxc", site_of(image), bits=bits), "utf-8")
    return path.as_uri()


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_opens_without_errors_and_fits(
    browser: Any, tmp_path: Path, width: int, scheme: str
) -> None:
    chromium.open_page(browser, write_page(tmp_path, PHOTO), width, scheme)
    wait_for(browser, DRAWN)
    for switch in ("bits", "tiles"):
        click(browser, switch)
    wait_for(
        browser, "return viewer.world.getItemCount() === 2 && viewer.world.getItemAt(1).getFullyLoaded()"
    )
    assert browser.get_log("browser") == []
    assert [each for each in browser.execute_script(WIDER) if "canvas" not in each] == []
    background = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(13, 17, 23)"}[scheme]
    assert "Side information" in value_of(browser, "tables")


@pytest.mark.slow
def test_pointing_at_a_pixel_tells_its_samples_and_bits(browser: Any, tmp_path: Path) -> None:
    from selenium.webdriver import ActionChains

    deep = PHOTO.astype(np.uint16) * 200
    for image in (PHOTO, deep):
        chromium.open_page(browser, write_page(tmp_path, image))
        wait_for(browser, DRAWN)
        click(browser, "bits")
        wait_for(browser, "return bits !== null")
        ActionChains(browser).move_to_element(browser.find_element("id", "viewer")).perform()
        wait_for(browser, "return document.getElementById('pixel').textContent.startsWith('x ')")
        told = value_of(browser, "pixel")
        x, y, *values = map(int, re.findall(r"\d+", told)[:5])
        assert values == image[y, x].tolist(), told
        assert re.search(r"\d+\.\d bits$", told)


@pytest.mark.slow
def test_the_page_zooms_by_buttons_keys_and_wheel(browser: Any, tmp_path: Path) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.action_chains import ScrollOrigin
    from selenium.webdriver.common.keys import Keys

    chromium.open_page(browser, write_page(tmp_path, PHOTO, bits=False))
    wait_for(browser, DRAWN)
    fitted = zoom(browser)
    click(browser, "in")
    wait_for(browser, f"return parseFloat(document.getElementById('zoom').textContent) > {1.9 * fitted}")
    click(browser, "full")
    wait_for(browser, "return document.getElementById('zoom').textContent === '100 %'")
    browser.execute_script("viewer.canvas.focus()")
    ActionChains(browser).send_keys("0").perform()
    wait_for(
        browser, f"return Math.abs(parseFloat(document.getElementById('zoom').textContent) - {fitted}) < 1"
    )
    ActionChains(browser).send_keys("+", Keys.ARROW_RIGHT).perform()
    wait_for(browser, f"return parseFloat(document.getElementById('zoom').textContent) > {1.05 * fitted}")
    wait_for(browser, "return document.getElementById('pixel').textContent.startsWith('x ')")
    before = zoom(browser)
    place = ScrollOrigin.from_element(browser.find_element("id", "viewer"))
    ActionChains(browser).scroll_from_origin(place, 0, -240).perform()
    wait_for(browser, f"return parseFloat(document.getElementById('zoom').textContent) > {1.05 * before}")
    centre = "return viewer.viewport.getCenter().x"
    x = browser.execute_script(centre)
    viewer = browser.find_element("id", "viewer")
    ActionChains(browser).drag_and_drop_by_offset(viewer, 90, 0).perform()
    wait_for(browser, f"{centre} < {x}")
    assert browser.get_log("browser") == []


@pytest.mark.slow
def test_a_served_page_shows_frames_and_leaves(browser: Any) -> None:
    frames = [Image.fromarray(np.roll(PHOTO, k, 1)) for k in range(3)]
    with Server("film.pxc", site_of(frames)) as server:
        waiting = threading.Thread(target=server.wait, args=(0.1,), daemon=True)
        waiting.start()
        chromium.open_page(browser, server.url)
        wait_for(browser, DRAWN)
        click(browser, "after")
        wait_for(browser, "return frame.number === 1 && viewer.world.getItemAt(0).getFullyLoaded()")
        assert value_of(browser, "of").startswith("of 3")
        assert browser.execute_script("return document.getElementById('bits-switch').hidden")
        assert browser.get_log("browser") == []
        assert waiting.is_alive()
        browser.get("about:blank")
        waiting.join(20)
        assert not waiting.is_alive()


@pytest.mark.slow
def test_bits_are_found_out_when_they_are_asked_for(browser: Any) -> None:
    file = Image.open(KODAK)
    with Server("kodak.pxc", site_of(np.asarray(file))) as server:
        chromium.open_page(browser, server.url)
        wait_for(browser, DRAWN)
        click(browser, "bits")
        wait_for(
            browser, "return viewer.world.getItemCount() === 2 && viewer.world.getItemAt(1).getFullyLoaded()"
        )
        assert not value_of(browser, "note")
        assert browser.get_log("browser") == []
