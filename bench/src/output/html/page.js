// Draws the page from the results, which are the JSON that `--json` writes, and from the words that the
// program has for them. Everything is put in as text, so that nothing in them is taken for more.

const results = JSON.parse(document.getElementById("results").textContent);
const words = JSON.parse(document.getElementById("words").textContent);
const PERCENTILES = [["p50", "p50"], ["p90", "p90"], ["p99", "p99"], ["p99.9", "p99_9"], ["max", "max"]];

function html(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function list(items) {
  return html("ul", {}, ...items.map((item) => html("li", {}, ...[item].flat())));
}

function table(head, rows) {
  const row = (kind, cells) => html("tr", {}, ...cells.map((cell) => html(kind, {}, ...[cell].flat())));
  const body = html("tbody", {}, ...rows.map((cells) => row("td", cells)));
  return html("div", { class: "scroll" }, html("table", {}, html("thead", {}, row("th", head)), body));
}

// The servers of a workload that have figures, with the number that gives each its colour.
function measured(workload) {
  return workload.servers.map((server, number) => ({ ...server, number })).filter(({ rounds }) => rounds.length > 0);
}

// Every figure of a server with its value in each round: percentiles first.
function figures(server) {
  const found = new Map();
  const add = (like, value) => {
    if (!found.has(like.key)) found.set(like.key, { ...like, values: [] });
    found.get(like.key).values.push(value);
  };
  for (const latency of server.rounds.flatMap((round) => round.latencies).filter(({ count }) => count > 0)) {
    for (const [name, key] of PERCENTILES) {
      const better = latency.is_compared ? "lower" : "neither";
      const like = { key: `${latency.key}_${key}_us`, label: `${latency.label} ${name}`, unit: "µs", decimals: 1, better };
      add(like, latency.percentiles_us[key]);
    }
  }
  for (const { value, ...like } of server.rounds.flatMap((round) => round.metrics)) add(like, value);
  return found;
}

function faults(server) {
  const of = ({ faults }) => faults.lost + faults.repeated + faults.disordered + faults.damaged;
  return server.rounds.reduce((sum, round) => sum + of(round), 0);
}

// Every workload and server in a line.
function overview() {
  const head = ["work", "server", ...PERCENTILES.map(([name]) => name), "a second", "CPU each"];
  const rows = results.workloads.flatMap((workload) => measured(workload).map((server) => {
    const all = figures(server);
    const first = server.rounds.flatMap((round) => round.latencies).find((latency) => latency.is_compared);
    const find = (is) => [...all.values()].find(is);
    const cell = (figure) => (figure ? shown(figure, median(figure.values)) : "");
    const rate = find((figure) => figure.better === "higher" && figure.unit === "/s");
    const cost = find((figure) => figure.key.startsWith("server_cpu_us_per_"));
    const percentiles = PERCENTILES.map(([, key]) => cell(first && all.get(`${first.key}_${key}_us`)));
    return [workload.label, server.name, ...percentiles, cell(rate), cell(cost)];
  }));
  const { sync } = results.machine;
  if (sync) {
    const [p50, p99, max] = [sync.p50_us, sync.p99_us, sync.max_us].map((us) => time(us, 1));
    rows.push(["the device: 4 KB write + fdatasync", "–", p50, "", p99, "", max, "", ""]);
  }
  return table(head, rows);
}

// Every figure of one workload, a column a server.
function details(workload) {
  const servers = measured(workload).map((server) => ({ server, all: figures(server) }));
  const shownOnce = new Map(servers.flatMap(({ all }) => [...all]));
  const rows = [...shownOnce.values()].map((like) => {
    const base = servers[0].all.get(like.key);
    const cells = servers.map(({ all }, number) => {
      const figure = all.get(like.key);
      if (!figure) return "–";
      const cell = [shown(figure, median(figure.values))];
      if (number > 0 && base && figure.better !== "neither") {
        cell.push(html("span", { class: "ratio" }, ratio(median(figure.values), median(base.values))));
      }
      if (figure.values.length > 1) cell.push(html("small", {}, range(figure)));
      return cell;
    });
    return [like.label, ...cells];
  });
  const counts = servers.map(({ server }) => faults(server));
  const cells = counts.map((sum) => html("span", sum > 0 ? { class: "bad" } : {}, String(sum)));
  rows.push(["lost, repeated, disordered or damaged", ...cells]);
  return table(["", ...servers.map(({ server }) => server.name)], rows);
}

function figure(workload, caption, drawing) {
  const servers = measured(workload);
  const legend = servers.map(({ name, number }) => html("li", {}, html("i", { class: colour(number) }), name));
  const made = html("figure", {}, html("figcaption", {}, caption));
  // One line needs no name.
  if (servers.length > 1) made.append(html("ul", { class: "legend" }, ...legend));
  made.append(drawing);
  return made;
}

// The distributions, or the series, of a workload: the first of each key.
function kinds(workload, of) {
  const all = measured(workload).flatMap((server) => server.rounds).flatMap(of);
  return all.filter((one, place) => all.findIndex((other) => other.key === one.key) === place);
}

async function percentilePlot(workload, like) {
  const lines = [];
  for (const server of measured(workload)) {
    const all = server.rounds.flatMap((round) => round.latencies);
    const latencies = all.filter(({ key, count }) => key === like.key && count > 0);
    if (latencies.length === 0) continue;
    lines.push({ server: server.number, points: percentileLine(await merged(latencies)) });
  }
  const points = lines.flatMap((line) => line.points);
  const nines = Math.ceil(Math.log10(Math.max(10, ...points.map(([x]) => x))));
  const ticks = Array.from({ length: nines + 1 }, (_, power) => 10 ** power);
  const x = { from: 1, to: 10 ** nines, ticks, isLog: true, name: percentileName };
  const values = points.map(([, us]) => us);
  const y = { ...logTicks(Math.min(...values), Math.max(...values)), name: roundTime };
  const caption = `${like.label} by percentile: this share of all took no longer (all rounds together, both ` +
    "scales logarithmic)";
  return figure(workload, caption, plot(caption, 320, x, y, lines));
}

// The stretches in which every step has a value, each at the end of its step.
function stretches(values, stepS) {
  const found = [[]];
  values.forEach((value, number) => {
    if (value === null) found.push([]);
    else found.at(-1).push([(number + 1) * stepS, value]);
  });
  return found.filter((points) => points.length > 0);
}

function seriesPlot(workload, like) {
  const lines = [];
  let seconds = 0;
  for (const server of measured(workload)) {
    for (const series of server.rounds.flatMap((round) => round.series).filter(({ key }) => key === like.key)) {
      seconds = Math.max(seconds, (series.values.length * series.step_ms) / 1e3);
      for (const points of stretches(series.values, series.step_ms / 1e3)) {
        lines.push({ server: server.number, isFaint: server.rounds.length > 1, points });
      }
    }
  }
  if (lines.length === 0) return null;
  const name = (value) => (like.unit === "µs" && value > 0 ? roundTime(value) : count(value));
  const y = { ...linearTicks(Math.max(...lines.flatMap((line) => line.points).map(([, value]) => value))), name };
  const x = { ...linearTicks(seconds / 1.05), name: (s) => `${Math.round(s * 1e3) / 1e3} s` };
  const caption = `${like.label}, every ${time(like.step_ms * 1e3, 0)}`;
  return figure(workload, caption, plot(caption, 200, x, y, lines));
}

async function section(workload) {
  const parts = [html("h2", {}, workload.label), html("p", { class: "soft" }, workload.title)];
  for (const server of workload.servers) {
    const limit = server.rounds.map((round) => round.load_limit).find((limit) => limit);
    const said = (text) => parts.push(html("p", {}, html("b", {}, server.name), text));
    if (server.failure) said(` was not measured: ${server.failure}`);
    if (limit) said(`: the load is the limit: ${limit}`);
  }
  for (const latency of kinds(workload, (round) => round.latencies.filter(({ is_compared, count }) => is_compared && count > 0))) {
    parts.push(await percentilePlot(workload, latency));
  }
  const series = kinds(workload, (round) => round.series).map((series) => seriesPlot(workload, series));
  parts.push(html("div", { class: "row" }, ...series.filter((plot) => plot)), details(workload));
  return parts;
}

function machine() {
  const facts = results.machine;
  const { data, sync } = facts;
  const us = (value) => `${value.toFixed(0)} µs`;
  const rows = [
    ["kernel", facts.kernel],
    ["processor", facts.processor],
    ["processors", `${facts.processors}, of which ${facts.processors_allowed} may be used`],
    ["governor", facts.governor ?? "none"],
    ["memory", bytes(facts.memory_bytes)],
    ["data", data ? `${data.path}: ${data.file_system} on ${data.device}${data.write_cache ? `, cache: ${data.write_cache}` : ""}` : "unknown"],
    ["write + fdatasync", sync
      ? `p50 ${us(sync.p50_us)}, p99 ${us(sync.p99_us)}, max ${us(sync.max_us)} (${sync.samples} of ${sync.write_bytes} bytes each)`
      : "not measured"],
    ["processors away", words.stalls ?? "not measured"],
  ];
  const terms = (rows) => html("dl", {}, ...rows.flatMap(([name, value]) => [html("dt", {}, name), html("dd", {}, value)]));
  const mitigations = html("details", {}, html("summary", {}, "Processor faults and mitigations"), terms(facts.mitigations));
  return [html("h2", {}, "The machine"), terms(rows), mitigations];
}

function verdict() {
  const all = results.workloads.flatMap((workload) => workload.servers);
  if (all.every((server) => faults(server) === 0)) {
    return [html("p", {}, "Nothing was lost, repeated, out of order or damaged.")];
  }
  const examples = all.flatMap((server) => server.rounds).flatMap((round) => round.faults.examples);
  const bad = html("p", { class: "bad" }, "Deliveries were lost, repeated, out of order or damaged.");
  return [bad, list(examples.slice(0, 20))];
}

async function page() {
  const { started_at, program, rounds } = results;
  document.title = `madang bench, ${started_at}`;
  const run = `${started_at} · version ${program.version} · ${rounds === 1 ? "1 round" : `${rounds} rounds`}`;
  const parts = [
    html("h1", {}, "madang bench"),
    html("p", { class: "soft" }, run),
    html("p", {}, words.machine),
    html("p", {}, html("code", {}, results.command.join(" "))),
    list(results.servers.map((server) => [html("b", {}, server.name), `: ${server.promise}`])),
    html("h2", {}, "At a glance"),
    overview(),
    ...verdict(),
    html("h3", {}, "What limits this"),
    list(words.limits),
  ];
  if (words.changes) parts.push(html("h2", {}, "Since an earlier run"), html("pre", {}, words.changes));
  for (const workload of results.workloads.filter((workload) => measured(workload).length > 0)) {
    parts.push(...(await section(workload)));
  }
  document.querySelector("main").replaceChildren(...parts, ...machine());
}

page().catch((error) => {
  document.querySelector("main").replaceChildren(`This page cannot be drawn here: ${error}`);
});
