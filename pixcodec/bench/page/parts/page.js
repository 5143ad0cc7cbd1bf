"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const codecs = new Map(data.codecs.map((codec) => [codec.name, codec]));
const whole = new Intl.NumberFormat("en");
const speed = d3.format(".3~r");

// The plot: size against the speed of encoding or decoding, with the line of the codecs that none beats.

const points = data.codecs.filter((codec) => codec.ratio !== null);
const figure = document.getElementById("plot");

function front(points, way) {
  const line = [];
  for (const point of d3.sort(points, (a, b) => a.ratio - b.ratio || b[way] - a[way])) {
    if (!line.length || point[way] > line.at(-1)[way]) line.push(point);
  }
  return line;
}

function described(codec) {
  const part = codec.images < data.images.length ? `, ${codec.images} of ${data.images.length} images` : "";
  return `${codec.label}: size ${codec.ratio.toFixed(3)}, encode ${speed(codec.encode)} MP/s, ` +
    `decode ${speed(codec.decode)} MP/s${part}`;
}

// A label stands at the first of these places where it covers no point and no other label; else it is left out.
const PLACES = [
  { textAnchor: "middle", dy: -16 }, { textAnchor: "middle", dy: 17 },
  { textAnchor: "start", dx: 12 }, { textAnchor: "end", dx: -12 },
  { textAnchor: "start", dx: 7, dy: -13 }, { textAnchor: "end", dx: -7, dy: -13 },
  { textAnchor: "start", dx: 7, dy: 14 }, { textAnchor: "end", dx: -7, dy: 14 },
];
const LETTER_WIDTH = 7, LINE_HEIGHT = 15, RADIUS = 7, MARGIN_LEFT = 40; // pixels

function placed(points, line, x, y, right) {
  const around = (x, y, radius) => [x - radius, y - radius, x + radius, y + radius];
  const taken = points.map((point) => around(x(point), y(point), RADIUS));
  for (const [from, to] of d3.pairs(line)) {
    for (const part of d3.range(0, 1, 0.02)) {
      taken.push(around(x(from) + part * (x(to) - x(from)), y(from) + part * (y(to) - y(from)), 1));
    }
  }
  const free = (box) => box[0] >= MARGIN_LEFT && box[2] <= right &&
    !taken.some((other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1]);
  const labels = PLACES.map(() => []);
  for (const point of d3.sort(points, (point) => !point.ours)) {
    const width = LETTER_WIDTH * point.label.length;
    for (const [at, { textAnchor, dx = 0, dy = 0 }] of PLACES.entries()) {
      const left = x(point) + dx - { start: 0, middle: width / 2, end: width }[textAnchor];
      const middle = y(point) + dy;
      const box = [left, middle - LINE_HEIGHT / 2, left + width, middle + LINE_HEIGHT / 2];
      if (!free(box)) continue;
      taken.push(box);
      labels[at].push(point);
      break;
    }
  }
  return labels;
}

function draw() {
  const way = document.querySelector("input[name=way]:checked").value;
  const width = figure.clientWidth;
  const narrow = width < 500;
  const options = {
    width,
    height: narrow ? 380 : 440,
    marginTop: 36, marginBottom: 44, marginLeft: MARGIN_LEFT, marginRight: 16,
    style: { background: "none", color: "var(--text)", fontSize: "13px" },
    x: {
      type: "log", label: null, domain: padded(d3.extent(points, (point) => point[way])),
      insetLeft: 16, insetRight: 16,
    },
    y: { label: null, grid: true, ticks: 6, domain: roomy(d3.extent(points, (point) => point.ratio)) },
    r: { type: "identity" },
  };
  const ticks = ticksOf(options.x.domain);
  const empty = Plot.plot({ ...options, marks: [Plot.dot(points, { x: way, y: "ratio" })] });
  const [x, y] = ["x", "y"].map((axis) => empty.scale(axis));
  const line = front(points, way);
  const labels = placed(points, line, (point) => x.apply(point[way]), (point) => y.apply(point.ratio), width);
  const colour = (point) => (point.ours ? "var(--accent)" : "var(--muted)");
  const svg = Plot.plot({
    ...options,
    marks: [
      Plot.gridX({ ticks }),
      Plot.axisX({
        ticks, tickFormat: "~g", tickSize: 0, color: "var(--muted)",
        label: `megapixels per second, ${way.slice(0, -1)}ing \u2192`, labelAnchor: "right",
      }),
      Plot.axisY({ ticks: 6, tickSize: 0, label: `\u2193 size, ${data.unit} = 1`, color: "var(--muted)" }),
      Plot.line(line, { x: way, y: "ratio", stroke: "var(--accent)", strokeWidth: 3, strokeOpacity: 0.35 }),
      Plot.dot(points, {
        x: way, y: "ratio", r: (point) => (point.ours ? 6.5 : 5), fill: colour, ariaLabel: described,
      }),
      ...labels.map((points, at) => Plot.text(points, {
        ...PLACES[at], x: way, y: "ratio", text: "label",
        fill: (point) => (point.ours ? "var(--accent)" : "var(--text)"), fontWeight: 500, stroke: "var(--page)", strokeWidth: 4, ariaHidden: "true",
      })),
      Plot.tip(points, Plot.pointer({
        x: way, y: "ratio", title: (point) => described(point).replace(/[:,] /g, "\n"),
        fontSize: 13, lineHeight: 1.35, textPadding: 10, stroke: "var(--line)",
      })),
    ],
  });
  svg.setAttribute("role", "group");
  svg.setAttribute("aria-label", `Size against speed of ${points.length} codecs`);
  for (const circle of svg.querySelectorAll("circle")) reachable(circle, svg);
  figure.replaceChildren(svg);
}

function padded([least, most]) {
  return [least / 1.6, most * 1.6];
}

function roomy([least, most]) {
  const room = 0.12 * (most - least || most);
  return [Math.max(0, least - room), most + room];
}

// Powers of ten, or also their multiples by 2 and 5 where there are few.
function ticksOf([least, most]) {
  const powers = d3.range(Math.floor(Math.log10(least)), Math.ceil(Math.log10(most)) + 1).map((e) => Number(`1e${e}`));
  const inside = (values) => values.filter((value) => value >= least && value <= most);
  return inside(powers).length > 2 ? inside(powers) : inside(powers.flatMap((power) => [power, 2 * power, 5 * power]));
}

// A point that has the focus shows what it shows to the mouse.
function reachable(circle, svg) {
  circle.setAttribute("tabindex", "0");
  circle.setAttribute("role", "img");
  const tell = (type) => {
    const box = circle.getBoundingClientRect();
    const [clientX, clientY] = [box.x + box.width / 2, box.y + box.height / 2];
    svg.dispatchEvent(new PointerEvent(type, { clientX, clientY, pointerType: "mouse" }));
  };
  circle.addEventListener("focus", () => { tell("pointerenter"); tell("pointermove"); });
  circle.addEventListener("blur", () => tell("pointerleave"));
}

// The table of images: two codecs side by side, sorted by a column.

const mine = document.getElementById("mine"), theirs = document.getElementById("theirs");
const body = d3.select("#list tbody"), heads = document.querySelectorAll("#list thead th");
const order = { key: "gain", ascending: false };

function rowsOf() {
  return data.images.map((image) => {
    const [one, other] = [image.sizes[mine.value], image.sizes[theirs.value]];
    const gain = one === undefined || other === undefined ? undefined : 1 - one / other;
    return { ...image, pixels: (image.width * image.height) / 1e6, mine: one, theirs: other, gain };
  });
}

function fill() {
  const compare = order.ascending ? d3.ascending : d3.descending;
  const rows = rowsOf().sort((a, b) =>
    (a[order.key] === undefined) - (b[order.key] === undefined) || compare(a[order.key], b[order.key]));
  const most = d3.max(rows, (row) => Math.abs(row.gain ?? 0)) || 1;
  document.querySelector("button[data-key=mine]").textContent = `${codecs.get(mine.value).label}, bytes`;
  document.querySelector("button[data-key=theirs]").textContent = `${codecs.get(theirs.value).label}, bytes`;
  body.selectAll("tr").data(rows, (row) => row.at).join((enter) => {
    const tr = enter.append("tr");
    const head = tr.append("th").attr("scope", "row").append("div");
    head.append((row) => thumbnail(row));
    const text = head.append("span").text((row) => row.name);
    text.append("small").text((row) => `${row.width}\u00d7${row.height}${row.mode}`);
    tr.append("td").attr("class", "wide").text((row) => row.pixels.toFixed(2));
    for (const name of ["theirs", "mine"]) tr.append("td").attr("class", name);
    tr.append("td");
    return tr;
  }).order().call((tr) => {
    for (const name of ["theirs", "mine"]) {
      tr.select(`td.${name}`).text((row) => (row[name] === undefined ? "\u2013" : whole.format(row[name])));
    }
    tr.select("td:last-child")
      .attr("class", (row) => (row.gain < 0 ? "gain loss" : "gain"))
      .style("--share", (row) => Math.abs(row.gain ?? 0) / most)
      .text((row) => (row.gain === undefined ? "\u2013" : `${(100 * row.gain).toFixed(1)} %`));
  });
  for (const head of heads) {
    const button = head.querySelector("button");
    if (button.dataset.key === order.key) head.setAttribute("aria-sort", order.ascending ? "ascending" : "descending");
    else head.removeAttribute("aria-sort");
  }
}

function thumbnail(row) {
  const image = document.createElement(row.thumbnail ? "img" : "div");
  image.className = row.thumbnail ? "" : "no-thumbnail";
  if (row.thumbnail) Object.assign(image, { src: row.thumbnail, alt: "", width: 72, height: 48 });
  return image;
}

function sortBy(key, text) {
  order.ascending = order.key === key ? !order.ascending : key === "name";
  order.key = key;
  fill();
  document.getElementById("sorted").textContent =
    `Sorted by ${text}, ${order.ascending ? "ascending" : "descending"}`;
}

for (const [select, chosen] of [[mine, data.mine], [theirs, data.theirs]]) {
  for (const codec of data.codecs) select.add(new Option(codec.label, codec.name, false, codec.name === chosen));
  select.addEventListener("change", fill);
}
for (const button of document.querySelectorAll("#list thead button")) {
  button.addEventListener("click", () => sortBy(button.dataset.key, button.textContent));
}
for (const input of document.querySelectorAll("input[name=way]")) input.addEventListener("change", draw);
let drawnWidth = 0;
new ResizeObserver(() => {
  if (figure.clientWidth === drawnWidth) return;
  drawnWidth = figure.clientWidth;
  draw();
}).observe(figure);
fill();
