"use strict";
const config = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);
const whole = new Intl.NumberFormat("en");
const TILE = config.tile;

// The parts of the page: inside it, or where it is served.

function urlOf(key) {
  return config.files ? config.files[key] : key;
}

async function fetched(key) {
  const url = urlOf(key);
  if (url === undefined) throw new Error(`${key} is not in this page`);
  const response = await fetch(url);
  if (response.status === 404) throw new Error(`${key} is not there`);
  return response;
}

async function json(key) {
  const response = await fetched(key);
  const data = await response.json();
  if (data.error) throw new Error(data.error);
  return { data, isThere: response.status !== 202 };
}

function image(key) {
  return new Promise((resolve, reject) => {
    const found = new Image();
    found.onload = () => resolve(found);
    found.onerror = () => reject(new Error(`${key} cannot be loaded`));
    found.src = urlOf(key);
  });
}

function note(text) {
  element("note").textContent = text;
}

// The viewer.

const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
const viewer = OpenSeadragon({
  element: element("viewer"),
  drawer: "canvas",
  showNavigationControl: false,
  gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
  gestureSettingsTouch: { flickEnabled: !calm },
  animationTime: calm ? 0 : 0.5,
  maxZoomPixelRatio: 64,
  visibilityRatio: 0.3,
  maxImageCacheCount: 120,
});
const marks = document.createElement("canvas");
marks.className = "marks";
viewer.canvas.append(marks);
viewer.canvas.setAttribute("role", "application");
viewer.canvas.setAttribute("aria-label", "The image");
viewer.canvas.setAttribute("aria-describedby", "keys");

// Pixels have sharp edges from twice the size of those of the screen on.
viewer.addHandler("tile-drawing", ({ context }) => {
  context.imageSmoothingEnabled = scale() * (window.devicePixelRatio || 1) < 2;
});

let frame = null; // what the page knows of the frame that is shown, with its number
let bits = null; // the description of the map of bits, once it is there

// OpenSeadragon counts levels from one pixel on; the keys count them from the whole image on.
function tileSource(key, size, more = {}) {
  const maxLevel = Math.ceil(Math.log2(Math.max(size.width, size.height)));
  const keyOf = (level, x, y) => `${key}/${maxLevel - level}/${x}_${y}`;
  return {
    width: size.width, height: size.height, tileSize: TILE, tileOverlap: 0,
    maxLevel, minLevel: Math.max(0, maxLevel - size.levels + 1),
    getTileUrl: (level, x, y) => urlOf(keyOf(level, x, y)),
    getTileHashKey: keyOf,
    hasTransparency: () => Boolean(size.alpha),
    ...more,
  };
}

async function show(number) {
  try {
    const { data } = await json(`frame/${number}`);
    frame = { ...data, number };
  } catch (error) {
    note(`Frame ${number + 1}: ${error.message}`);
    return;
  }
  note("");
  tileData.clear();
  const hadSize = viewer.world.getItemCount() ? viewer.world.getItemAt(0).getContentSize() : null;
  const same = hadSize && hadSize.x === frame.width && hadSize.y === frame.height;
  const bounds = same ? viewer.viewport.getBounds() : null;
  element("viewer").classList.toggle("alpha", frame.alpha);
  element("tiles-switch").hidden = !frame.tiles.length;
  viewer.addTiledImage({
    tileSource: tileSource(`image/${number}`, frame),
    index: 0,
    replace: viewer.world.getItemCount() > 0,
    success: () => {
      bound();
      if (bounds) viewer.viewport.fitBounds(bounds, true);
      else viewer.viewport.goHome(true);
      draw();
    },
  });
  const seconds = frame.seconds === null ? "" : `, ${frame.seconds.toFixed(2)} s`;
  element("of").textContent = `of ${config.frames}${seconds}`;
  element("frame").value = number + 1;
  element("before").disabled = number === 0;
  element("after").disabled = number + 1 === config.frames;
}

if (config.frames > 1) {
  element("frames").hidden = false;
  element("frame").max = config.frames;
  element("before").addEventListener("click", () => show(frame.number - 1));
  element("after").addEventListener("click", () => show(frame.number + 1));
  element("frame").addEventListener("change", (event) => {
    const number = Math.min(Math.max(Math.round(event.target.valueAsNumber) || 1, 1), config.frames);
    show(number - 1);
  });
}

// Zoom.

const item = () => viewer.world.getItemAt(0);
const scale = () => item().viewportToImageZoom(viewer.viewport.getZoom(true));

// Far enough away to see all of a large image, and pixels of a small one at their size.
function bound() {
  if (item()) viewer.viewport.minZoomLevel = Math.min(0.8 * viewer.viewport.getHomeZoom(), item().imageToViewportZoom(1));
}

viewer.addHandler("resize", bound);

function zoomBy(factor) {
  viewer.viewport.zoomBy(factor);
  viewer.viewport.applyConstraints();
}

element("in").addEventListener("click", () => zoomBy(2));
element("out").addEventListener("click", () => zoomBy(0.5));
element("fit").addEventListener("click", () => viewer.viewport.goHome());
element("full").addEventListener("click", unscaled);

function unscaled() {
  viewer.viewport.zoomTo(item().imageToViewportZoom(1));
  viewer.viewport.applyConstraints();
}

const KEYS = {
  "1": unscaled,
  b: () => element("bits-switch").hidden || element("bits").click(),
  t: () => element("tiles-switch").hidden || element("tiles").click(),
};
let byKeys = false; // whether the view was moved by keys last: the pixel in its middle is told

viewer.addHandler("canvas-key", (event) => {
  const key = event.originalEvent.key.toLowerCase();
  if (key === "r" || key === "f") event.preventDefaultAction = true; // it would turn and mirror the image
  byKeys = true;
  KEYS[key]?.();
});
viewer.addHandler("animation-finish", () => {
  if (!byKeys) return;
  const { x, y } = viewer.viewport.getContainerSize();
  element("pixel").ariaLive = "polite";
  point(new OpenSeadragon.Point(x / 2, y / 2));
});

// What is drawn above the image: its border, tiles, and the pixel that is told.

let told = null; // place of the pixel

function draw() {
  if (!item() || !frame) return;
  const ratio = window.devicePixelRatio || 1;
  const { x: width, y: height } = viewer.viewport.getContainerSize();
  if (marks.width !== Math.round(width * ratio) || marks.height !== Math.round(height * ratio)) {
    marks.width = Math.round(width * ratio);
    marks.height = Math.round(height * ratio);
  }
  element("zoom").textContent = `${Number((100 * scale()).toPrecision(3))} %`;
  const context = marks.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  if (element("tiles").checked) for (const tile of frame.tiles) drawTile(context, tile, width, height);
  if (told && scale() >= 6) outline(context, boxOf(told.x, told.y, 1, 1));
}

function boxOf(x, y, width, height) {
  const from = item().imageToViewerElementCoordinates(new OpenSeadragon.Point(x, y));
  const to = item().imageToViewerElementCoordinates(new OpenSeadragon.Point(x + width, y + height));
  return { x: from.x, y: from.y, width: to.x - from.x, height: to.y - from.y };
}

// Dark within light, to be seen on any image.
function outline(context, box) {
  for (const [colour, width] of [["rgb(0 0 0 / 70%)", 3], ["#fff", 1]]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.strokeRect(box.x, box.y, box.width, box.height);
  }
}

function drawTile(context, [x, y, width, height, size], right, bottom) {
  const box = boxOf(x, y, width, height);
  if (box.x > right || box.y > bottom || box.x + box.width < 0 || box.y + box.height < 0) return;
  outline(context, box);
  const text = `${whole.format(size)} bytes, ${((8 * size) / (width * height)).toFixed(2)} bits a pixel`;
  context.font = "13px system-ui, sans-serif";
  const room = context.measureText(text).width + 12;
  if (box.width < room || box.height < 26) return;
  const [left, top] = [Math.max(box.x, 0) + 2, Math.max(box.y, 0) + 2];
  context.fillStyle = "rgb(0 0 0 / 70%)";
  context.fillRect(left, top, room, 22);
  context.fillStyle = "#fff";
  context.fillText(text, left + 6, top + 15);
}

for (const name of ["update-viewport", "open", "resize"]) viewer.addHandler(name, draw);
element("tiles").addEventListener("change", draw);

// The pixel under the pointer: its samples and bits, from the tiles in which they are.

const MOST_TILES = 6;
const tileData = new Map(); // promises of what is in a tile, by its key

function kept(key, load) {
  const found = tileData.get(key) ?? load(key);
  tileData.delete(key);
  tileData.set(key, found);
  if (tileData.size > MOST_TILES) tileData.delete(tileData.keys().next().value);
  return found;
}

async function pixelsOf(key) {
  const found = await image(key);
  const canvas = new OffscreenCanvas(found.naturalWidth, found.naturalHeight);
  const context = canvas.getContext("2d");
  context.drawImage(found, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

const TYPES = {
  uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array, int16: Int16Array, uint32: Uint32Array,
  int32: Int32Array, float32: Float32Array, float64: Float64Array,
};

async function samplesOf(key) {
  const response = await fetched(key);
  const inflated = response.body.pipeThrough(new DecompressionStream("deflate"));
  return new TYPES[frame.samples](await new Response(inflated).arrayBuffer());
}

async function valuesAt(x, y) {
  const place = `${Math.floor(x / TILE)}_${Math.floor(y / TILE)}`;
  const width = Math.min(TILE, frame.width - Math.floor(x / TILE) * TILE);
  const at = (y % TILE) * width + (x % TILE);
  const channels = frame.names.length;
  const values = frame.samples
    ? (await kept(`samples/${frame.number}/${place}`, samplesOf)).subarray(at * channels, (at + 1) * channels)
    : (await kept(`image/${frame.number}/0/${place}`, pixelsOf)).data.subarray(4 * at, 4 * at + channels);
  const known = bits && element("bits").checked;
  const step = known ? (await kept(`bits/0/${place}`, pixelsOf)).data[4 * at] : null;
  return { values: [...values], bits: known ? step * bits.step : null };
}

async function point(place) {
  if (!item() || !frame) return;
  const { x, y } = item().viewerElementToImageCoordinates(place);
  const [column, row] = [Math.floor(x), Math.floor(y)];
  const inside = column >= 0 && row >= 0 && column < frame.width && row < frame.height;
  told = inside ? { x: column, y: row } : null;
  draw();
  const asked = told;
  if (!inside) return;
  try {
    const found = await valuesAt(column, row);
    if (asked !== told) return; // the pointer has moved on
    const values = frame.names.map((name, k) => `${name} ${shortened(found.values[k])}`).join(", ");
    const cost = found.bits === null ? "" : ` \u2013 ${found.bits.toFixed(1)} bits`;
    element("pixel").textContent = `x ${column}, y ${row}: ${values}${cost}`;
  } catch (error) {
    note(error.message);
  }
}

function shortened(value) {
  return Number.isInteger(value) ? value : Number(value.toPrecision(7));
}

viewer.canvas.addEventListener("pointermove", pointed);
viewer.canvas.addEventListener("pointerdown", pointed);

function pointed(event) {
  byKeys = false;
  element("pixel").ariaLive = "off";
  const box = viewer.canvas.getBoundingClientRect();
  point(new OpenSeadragon.Point(event.clientX - box.x, event.clientY - box.y));
}

// The map of bits: its steps become colours here, so that the scale can be changed.

const byBits = () => bits.most * (element("top").value / 100);

function coloursOf() {
  return Array.from({ length: 256 }, (_, step) => {
    const at = Math.min(255, Math.round((255 * step * bits.step) / byBits()));
    const [red, green, blue] = bits.colours[at];
    return (255 << 24) | (blue << 16) | (green << 8) | red;
  });
}

function bitsSource() {
  const colours = Uint32Array.from(coloursOf(), (colour) => colour >>> 0);
  const top = element("top").value;
  const plain = tileSource("bits", { ...frame, levels: bits.levels, alpha: false });
  return {
    ...plain,
    getTileHashKey: (...place) => `${plain.getTileHashKey(...place)} ${top}`,
    downloadTileStart: async (job) => {
      try {
        const canvas = document.createElement("canvas");
        const found = await new Promise((resolve, reject) => {
          const steps = new Image();
          steps.onload = () => resolve(steps);
          steps.onerror = () => reject(new Error("a tile of the map cannot be loaded"));
          steps.src = job.src;
        });
        [canvas.width, canvas.height] = [found.naturalWidth, found.naturalHeight];
        const context = canvas.getContext("2d", { willReadFrequently: true });
        context.drawImage(found, 0, 0);
        const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
        const words = new Uint32Array(pixels.data.buffer);
        for (let at = 0; at < words.length; at++) words[at] = colours[words[at] & 255];
        context.putImageData(pixels, 0, 0);
        job.finish(context, null, "context2d");
      } catch (error) {
        job.fail(error.message, null);
      }
    },
    downloadTileAbort: () => {},
  };
}

function layBits() {
  const on = element("bits").checked && bits !== null;
  element("bits-bar").hidden = !on;
  const old = viewer.world.getItemAt(1);
  if (!on) {
    if (old) viewer.world.removeItem(old);
    return;
  }
  element("scale-top").textContent = `${byBits().toPrecision(2)} bits`;
  element("scale").ariaLabel = `Scale from 0 to ${byBits().toPrecision(2)} bits a pixel, dark to light`;
  viewer.addTiledImage({
    tileSource: bitsSource(), index: 1, replace: Boolean(old), opacity: element("opacity").value / 100,
  });
}

async function learnBits() {
  for (;;) {
    const { data, isThere } = await json("bits");
    if (isThere) return data;
    const done = data.fraction ? ` ${Math.round(100 * data.fraction)} %` : "";
    note(`The image is coded once more to see where its bits are.${done}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

let learning = null;

element("bits").addEventListener("change", async () => {
  if (bits === null && element("bits").checked) {
    try {
      learning ??= learnBits();
      const found = await learning;
      if (bits === null) {
        bits = found;
        note("");
        element("top").value = Math.max(1, Math.round((100 * bits.top) / bits.most));
        const stops = bits.colours.filter((_, k) => k % 15 === 0).map((colour) => `rgb(${colour})`);
        element("ramp").style.background = `linear-gradient(to right, ${stops})`;
        tell(bits);
      }
    } catch (error) {
      learning = null;
      element("bits").checked = false;
      note(`Where the bits are cannot be said: ${error.message}`);
      return;
    }
  }
  layBits();
});
element("top").addEventListener("change", layBits);
element("opacity").addEventListener("input", () => viewer.world.getItemAt(1)?.setOpacity(element("opacity").value / 100));
element("bits-switch").hidden = !config.bits;

function tell(found) {
  const made = (tag, text, ...children) => {
    const node = document.createElement(tag);
    if (text !== null) node.textContent = text;
    node.append(...children);
    return node;
  };
  const head = made("h2", "Where the bits are");
  const lead = made("p", found.lead);
  lead.className = "muted";
  const tables = found.tables.flatMap(({ title, heads, rows }) => {
    const cells = heads.map((name) => Object.assign(made("th", name), { scope: "col" }));
    const lines = rows.map((row) => made("tr", null, ...row.map((cell) => made("td", cell))));
    const table = made("table", null, made("thead", null, made("tr", null, ...cells)), made("tbody", null, ...lines));
    const caption = made("caption", title);
    caption.className = "hidden";
    table.prepend(caption);
    const room = made("div", null, table);
    room.className = "table";
    return [made("h3", title), room];
  });
  element("tables").replaceChildren(head, lead, ...tables);
}

// A page that is served keeps a request open: the server ends once it is gone.
if (!config.files) new EventSource("alive");

show(0);
