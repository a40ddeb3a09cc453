// Plots as SVG, as wide as the place that they have.

const SVG = "http://www.w3.org/2000/svg";
const COLOURS = 6;

function svg(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// A server's colour; further ones share the last.
function colour(number) {
  return `s${Math.min(number, COLOURS - 1)}`;
}

// Numbers such as 1, 2, 5, 10, 20 around all values.
function logTicks(least, most) {
  least = Math.max(least, 1e-3);
  most = Math.max(most, least * 1.01);
  const first = 10 ** Math.floor(Math.log10(least));
  const all = Array.from({ length: 40 }, (_, step) => first * 10 ** Math.floor(step / 3) * [1, 2, 5][step % 3]);
  const begin = all.findLastIndex((tick) => tick <= least);
  const end = all.findIndex((tick) => tick >= most);
  const ticks = all.slice(Math.max(0, begin), end + 1);
  const isRound = (tick) => Math.abs(Math.log10(tick) - Math.round(Math.log10(tick))) < 1e-6;
  // Over many decades only these have room for their names.
  return { from: ticks[0], to: ticks.at(-1), ticks: ticks.length > 10 ? ticks.filter(isRound) : ticks, isLog: true };
}

// Five or so round numbers from 0 to above the largest value.
function linearTicks(most) {
  const to = most > 0 ? most * 1.05 : 1;
  const unit = 10 ** Math.floor(Math.log10(to / 5));
  const step = [1, 2, 5, 10].map((times) => times * unit).find((step) => step >= to / 5);
  const ticks = Array.from({ length: Math.floor(to / step) + 1 }, (_, number) => number * step);
  return { from: 0, to, ticks, isLog: false };
}

function percentileName(x) {
  const nines = Math.round(Math.log10(x));
  return ["0%", "90%", "99%"][nines] ?? `99.${"9".repeat(nines - 2)}%`;
}

// Draws lines of points over two axes, and again when the window gets another width.
function plot(caption, height, x, y, lines) {
  const place = document.createElement("div");
  const draw = () => {
    const width = Math.max(place.clientWidth, 240);
    place.replaceChildren(drawn(caption, width, height, x, y, lines));
  };
  new ResizeObserver(draw).observe(place);
  return place;
}

function drawn(caption, width, height, x, y, lines) {
  const margin = { left: 64, right: 28, top: 10, bottom: 26 };
  const share = (axis, value) => {
    const place = axis.isLog ? Math.log : (number) => number;
    return (place(value) - place(axis.from)) / (place(axis.to) - place(axis.from));
  };
  const across = (value) => margin.left + share(x, value) * (width - margin.left - margin.right);
  const down = (value) => height - margin.bottom - share(y, value) * (height - margin.top - margin.bottom);
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": caption });
  const [left, right] = [margin.left, width - margin.right];
  const [top, bottom] = [margin.top, height - margin.bottom];
  for (const tick of y.ticks) {
    const at = down(tick);
    root.append(svg("line", { class: "grid", x1: left, x2: right, y1: at, y2: at }));
    root.append(svg("text", { x: left - 8, y: at + 4, "text-anchor": "end" }, y.name(tick)));
  }
  // Names of two neighbours must not touch.
  const every = Math.max(1, Math.ceil((x.ticks.length * 52) / (right - left)));
  x.ticks.forEach((tick, number) => {
    const at = across(tick);
    root.append(svg("line", { class: "grid", x1: at, x2: at, y1: top, y2: bottom }));
    if (number % every !== 0) return;
    root.append(svg("text", { x: at, y: height - 8, "text-anchor": "middle" }, x.name(tick)));
  });
  for (const { points, server, isFaint } of lines) {
    const kind = `${colour(server)}${isFaint ? " faint" : ""}`;
    const places = points.map(([px, py]) => `${across(px).toFixed(1)},${down(py).toFixed(1)}`);
    if (points.length > 1) {
      root.append(svg("polyline", { class: `line ${kind}`, points: places.join(" ") }));
    } else {
      // A line of one point would not be seen.
      const [cx, cy] = places[0].split(",");
      root.append(svg("circle", { class: `dot ${kind}`, cx, cy, r: 3 }));
    }
  }
  return root;
}
