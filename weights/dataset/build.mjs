// Builds the portraits. See CARD.md for what is in them.
//
//   node build.mjs --split all|none|sketch|mask|text|test [--count N] [--out out] [--workers 2]
//   node build.mjs --contact-sheet        every piece of the drawings, to look at
//   node build.mjs --examples             the held-out portraits that the page ships

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
import { encode } from "fast-png";
import { portrait, SIZE, LABELS } from "./portrait.mjs";

// Seed ranges. No network ever sees a portrait of another's range.
export const SPLITS = {
  none: { first: 1_000_000, count: 10_000 },
  text: { first: 2_000_000, count: 10_000 },
  mask: { first: 3_000_000, count: 10_000 },
  sketch: { first: 4_000_000, count: 10_000 },
  test: { first: 9_000_000, count: 500 },
};
const SPAN = 1_000_000; // seeds kept for each split

// LABEL_COLORS are how masks show in an image viewer and on the page.
// prettier-ignore
export const LABEL_COLORS = [
  [214, 226, 240], [244, 199, 161], [124, 78, 46], [64, 44, 34], [46, 110, 210], [222, 140, 90],
  [206, 60, 86], [34, 34, 44], [168, 118, 72], [226, 170, 20], [150, 80, 200],
];

const rgb = (rgba) => {
  const out = new Uint8Array((rgba.length / 4) * 3);
  for (let i = 0, j = 0; i < rgba.length; i += 4) {
    out[j++] = rgba[i];
    out[j++] = rgba[i + 1];
    out[j++] = rgba[i + 2];
  }
  return out;
};

const png = (data, channels, extra) => encode({ width: SIZE, height: SIZE, data, channels, ...extra }, { zlib: { level: 6 } });
export const picturePNG = (p) => png(rgb(p.picture), 3);
export const maskPNG = (p) => png(p.mask, 1, { palette: LABEL_COLORS });
export const sketchPNG = (p) => png(p.sketch, 1);

function write(dir, p) {
  const name = `${p.choices.seed}.png`;
  fs.writeFileSync(path.join(dir, "pictures", name), picturePNG(p));
  fs.writeFileSync(path.join(dir, "masks", name), maskPNG(p));
  fs.writeFileSync(path.join(dir, "sketches", name), sketchPNG(p));
}

const line = (p) => JSON.stringify({ seed: p.choices.seed, caption: p.caption, attributes: p.attributes });

// CHUNK seeds go to a worker at a time.
const CHUNK = 50;

async function build(split, count, out, workers) {
  if (!(count >= 1 && count <= SPAN)) throw new Error(`--count ${count}: want 1 to ${SPAN}`);
  const dir = path.join(out, split);
  for (const kind of ["pictures", "masks", "sketches"]) fs.mkdirSync(path.join(dir, kind), { recursive: true });
  const lines = new Array(Math.ceil(count / CHUNK));
  const started = Date.now();
  let next = 0, done = 0;
  const run = () =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url), { workerData: { dir } });
      const feed = () => {
        const i = next++;
        if (i >= lines.length) return worker.postMessage(null);
        const from = SPLITS[split].first + i * CHUNK;
        worker.postMessage({ i, from, to: Math.min(from + CHUNK, SPLITS[split].first + count) });
      };
      worker.on("message", ({ i, text }) => {
        lines[i] = text;
        done += text.split("\n").length - 1;
        if (done % 1000 === 0) console.log(`${split}: ${done}/${count}, ${((Date.now() - started) / 1000).toFixed(0)} s`);
        feed();
      });
      worker.on("error", reject);
      worker.on("exit", resolve);
      feed();
    });
  await Promise.all(Array.from({ length: workers }, run));
  // The captions come last: their file is the mark of a whole split.
  const file = path.join(dir, "captions.jsonl");
  fs.writeFileSync(file + ".part", lines.join(""));
  fs.renameSync(file + ".part", file);
  console.log(`${split}: ${count} portraits in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

function work() {
  parentPort.on("message", (job) => {
    if (!job) return parentPort.close();
    let text = "";
    for (let seed = job.from; seed < job.to; seed++) {
      const p = portrait(seed);
      write(workerData.dir, p);
      text += line(p) + "\n";
    }
    parentPort.postMessage({ i: job.i, text });
  });
}

async function main() {
  const { values: o } = parseArgs({
    options: {
      split: { type: "string" }, count: { type: "string" }, out: { type: "string", default: "out" },
      workers: { type: "string", default: String(os.availableParallelism()) },
      "contact-sheet": { type: "boolean" }, examples: { type: "boolean" },
    },
  });
  if (o["contact-sheet"]) return (await import("./contact.mjs")).contactSheets(o.out);
  if (o.examples) return (await import("./contact.mjs")).examples();
  const splits = o.split === "all" ? Object.keys(SPLITS) : [o.split];
  for (const s of splits) {
    if (!SPLITS[s]) throw new Error(`--split ${s}: want all or one of ${Object.keys(SPLITS).join(", ")}`);
    await build(s, Number(o.count ?? SPLITS[s].count), o.out, Number(o.workers));
  }
}

if (!isMainThread) work();
else if (process.argv[1] === new URL(import.meta.url).pathname) await main();
export { LABELS };
