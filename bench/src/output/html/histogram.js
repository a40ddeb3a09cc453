// Histograms of HdrHistogram, read from the V2 encoding that its logs have: base64, zlib, and counts as
// ZigZag LEB128, in which a negative number is a run of empty buckets.

const HEADER_BYTES = 40;

async function readHistogram(text) {
  const packed = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  // In front are a cookie and the length.
  const stream = new Blob([packed.subarray(8)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const encoded = new Uint8Array(await new Response(stream).arrayBuffer());
  const header = new DataView(encoded.buffer);
  const end = HEADER_BYTES + header.getUint32(4);
  const digits = header.getUint32(12);
  const unit = Math.floor(Math.log2(Math.max(1, Number(header.getBigUint64(16)))));
  // Half of the buckets of one magnitude: the power of two that holds so many digits.
  const half = 2 ** (Math.ceil(Math.log2(2 * 10 ** digits)) - 1);
  const buckets = [];
  let [at, index] = [HEADER_BYTES, 0];
  while (at < end) {
    let [number, scale] = [0, 1];
    do {
      number += (encoded[at] & 0x7f) * scale;
      scale *= 128;
    } while (encoded[at++] & 0x80);
    const counted = number % 2 === 0 ? number / 2 : -(number + 1) / 2;
    if (counted > 0) buckets.push({ largest: largestOf(index, half, unit), count: counted });
    index += counted < 0 ? -counted : 1;
  }
  return buckets;
}

// The largest value that counts in a bucket.
function largestOf(index, half, unit) {
  const magnitude = Math.max(0, Math.floor(index / half) - 1);
  const step = 2 ** (magnitude + unit);
  const place = index < half ? index : (index % half) + half;
  return place * step + step - 1;
}

// All rounds of one distribution together: its buckets in order, how many values, and the largest.
async function merged(latencies) {
  const counts = new Map();
  for (const latency of latencies) {
    for (const { largest, count } of await readHistogram(latency.histogram_ns)) {
      counts.set(largest, (counts.get(largest) ?? 0) + count);
    }
  }
  const buckets = [...counts].sort(([a], [b]) => a - b);
  const total = buckets.reduce((sum, [, count]) => sum + count, 0);
  const largestUs = Math.max(...latencies.map((latency) => latency.percentiles_us.max));
  return { buckets, total, largestUs };
}

// Where a distribution's line goes: x is `1/(1-share)`, so that each further nine has as much room.
function percentileLine({ buckets, total, largestUs }) {
  const STEPS_PER_NINE = 50;
  const LAST = Math.min(total, 1e6);
  const points = [];
  let [at, sum] = [0, buckets[0][1]];
  for (let step = 0; 10 ** (step / STEPS_PER_NINE) < LAST; step += 1) {
    const x = 10 ** (step / STEPS_PER_NINE);
    while (sum < total * (1 - 1 / x)) sum += buckets[++at][1];
    points.push([x, Math.min(buckets[at][0] / 1e3, largestUs)]);
  }
  // The slowest of all stands where one of so many is.
  points.push([LAST, largestUs]);
  return points;
}
