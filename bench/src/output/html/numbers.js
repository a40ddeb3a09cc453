// Numbers as people read them: with their unit, and no more digits than they are good for. As the screen
// shows them (`output/number.rs`).

function grouped(number) {
  return number.toFixed(0).replace(/\B(?=(\d{3})+$)/g, ",");
}

function decimal(number, decimals) {
  return decimals === 0 ? grouped(number) : number.toFixed(decimals);
}

function time(us, decimals) {
  if (us < 10) return `${us.toFixed(decimals)} µs`;
  if (us < 100) return `${us.toFixed(1)} µs`;
  if (us < 999.5) return `${us.toFixed(0)} µs`;
  if (us < 9_995) return `${(us / 1e3).toFixed(2)} ms`;
  if (us < 99_950) return `${(us / 1e3).toFixed(1)} ms`;
  if (us < 999_500) return `${(us / 1e3).toFixed(0)} ms`;
  return `${(us / 1e6).toFixed(2)} s`;
}

// A time that is round, as on an axis: `200 µs`, `2 ms`.
function roundTime(us) {
  const trimmed = (number) => String(Math.round(number * 1e3) / 1e3);
  if (us < 999.5) return `${trimmed(us)} µs`;
  return us < 999_500 ? `${trimmed(us / 1e3)} ms` : `${trimmed(us / 1e6)} s`;
}

function bytes(number) {
  const [MIB, GIB] = [2 ** 20, 2 ** 30];
  const size = Math.abs(number);
  if (size < 100_000) return `${grouped(number)} B`;
  if (size < MIB) return `${(number / 1024).toFixed(0)} KiB`;
  return size < GIB ? `${(number / MIB).toFixed(1)} MiB` : `${(number / GIB).toFixed(1)} GiB`;
}

function count(number) {
  return Math.abs(number) < 1e6 ? grouped(number) : `${(number / 1e6).toFixed(2)} M`;
}

// A value of a figure, in the unit that fits it.
function shown(figure, value) {
  switch (figure.unit) {
    case "µs": return time(value, figure.decimals);
    case "bytes": return bytes(value);
    case "/s": return `${count(value)} /s`;
    case "": return decimal(value, figure.decimals);
    default:
      return `${decimal(value, figure.decimals)} ${figure.unit.startsWith("%") ? "%" : figure.unit}`;
  }
}

// Least and most of a figure's rounds, with the unit once where it is the same: `210–260 µs`.
function range(figure) {
  const [least, most] = [Math.min, Math.max].map((of) => shown(figure, of(...figure.values)));
  if (least === most) return most;
  const [leastAt, mostAt] = [least, most].map((text) => text.lastIndexOf(" "));
  const isOneUnit = leastAt > 0 && least.slice(leastAt) === most.slice(mostAt);
  return `${isOneUnit ? least.slice(0, leastAt) : least}–${most}`;
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

// How often one value is in another: `×0.42`.
function ratio(value, base) {
  const times = value / base;
  if (!Number.isFinite(times)) return "";
  if (times > 0 && times < 0.0995) return `×${times.toFixed(3)}`;
  if (times < 9.95) return `×${times.toFixed(2)}`;
  return times < 99.5 ? `×${times.toFixed(1)}` : `×${grouped(times)}`;
}
