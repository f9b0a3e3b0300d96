// Builds the portraits. See CARD.md for what is in them.
//
//   node build.mjs --split all|none|sketch|mask|text|colour|upscale|test [--count N] [--out out] [--workers 2] [--packed]
//   node build.mjs --contact-sheet        every piece of the drawings, into out/sheets, and contact.png
//   node build.mjs --examples             the held-out portraits that the page ships
//
// --packed writes no PNG but, in <split>/packed, the arrays of half the size that training would make of them: training
// takes these as they are. upscale has none.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
import { HELD, SPLITS, maskPNG, picturePNG, seedOf, sketchPNG } from "./files.mjs";
import * as packing from "./packed.mjs";
import { largePortrait, portrait } from "./portrait.mjs";

function write(dir, p) {
  const name = `${p.choices.seed}.png`;
  fs.writeFileSync(path.join(dir, "pictures", name), picturePNG(p));
  if (!p.mask) return;
  fs.writeFileSync(path.join(dir, "masks", name), maskPNG(p));
  fs.writeFileSync(path.join(dir, "sketches", name), sketchPNG(p));
}

// Held-out portraits are asked for by the other sentences only.
const line = (p, held) => JSON.stringify({
  seed: p.choices.seed, caption: p.caption, attributes: p.attributes, said: p.said, more: p.more, ...(held ? {} : { details: p.details }),
});

// CHUNK portraits go to a worker at a time. Few: what the rasterizer allocates is
// freed only between them.
const CHUNK = 10;

async function build(split, count, out, workers, packed) {
  if (!(Number.isInteger(count) && count >= 1 && count <= HELD)) throw new Error(`--count ${count}: want 1 to ${HELD}`);
  if (!(workers >= 1)) throw new Error(`--workers ${workers}: want 1 or more`);
  const dir = path.join(out, split);
  const file = path.join(dir, "captions.jsonl");
  fs.rmSync(file, { force: true });
  const part = packed ? path.join(dir, "packed.part") : null;
  if (part) packing.start(part, count);
  else {
    // What was packed of an earlier build is not of this one.
    for (const name of ["packed", "packed.npy"]) fs.rmSync(path.join(dir, name), { recursive: true, force: true });
    for (const kind of SPLITS[split].large ? ["pictures"] : ["pictures", "masks", "sketches"]) fs.mkdirSync(path.join(dir, kind), { recursive: true });
  }
  const lines = new Array(Math.ceil(count / CHUNK));
  const started = Date.now();
  let next = 0, done = 0;
  const run = () =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url), { workerData: { dir, split, count, part } });
      const feed = () => {
        const i = next++;
        if (i >= lines.length) return worker.postMessage(null);
        const from = i * CHUNK;
        worker.postMessage({ i, from, to: Math.min(from + CHUNK, count) });
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
  if (part) packing.finish(part, path.join(dir, "packed"));
  // The captions come last: their file is the mark of a whole split, so an old
  // one went first.
  fs.writeFileSync(file + ".part", lines.join(""));
  fs.renameSync(file + ".part", file);
  console.log(`${split}: ${count} portraits in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

function work() {
  parentPort.on("message", (job) => {
    if (!job) return parentPort.close();
    const { dir, split, count, part } = workerData;
    const portraits = [];
    let text = "";
    for (let i = job.from; i < job.to; i++) {
      const seed = seedOf(SPLITS[split], i, count);
      const p = SPLITS[split].large ? largePortrait(seed) : portrait(seed);
      if (part) portraits.push(p);
      else write(dir, p);
      text += line(p, split === "test") + "\n";
    }
    if (part) packing.write(part, job.from, portraits);
    parentPort.postMessage({ i: job.i, text });
  });
}

async function main() {
  const { values: o } = parseArgs({
    options: {
      split: { type: "string" }, count: { type: "string" }, out: { type: "string", default: "out" },
      workers: { type: "string", default: String(os.availableParallelism()) },
      packed: { type: "boolean" }, "contact-sheet": { type: "boolean" }, examples: { type: "boolean" },
    },
  });
  if (o["contact-sheet"]) return (await import("./contact.mjs")).contactSheets(path.join(o.out, "sheets"));
  if (o.examples) return (await import("./contact.mjs")).examples();
  const splits = o.split === "all" ? Object.keys(SPLITS) : [o.split];
  for (const s of splits) {
    if (!SPLITS[s]) throw new Error(`--split ${s}: want all or one of ${Object.keys(SPLITS).join(", ")}`);
    if (o.packed && SPLITS[s].large) throw new Error(`--packed --split ${o.split}: there are no arrays of ${s}, whose pictures are large; name another split`);
  }
  for (const s of splits) await build(s, Number(o.count ?? SPLITS[s].count), o.out, Number(o.workers), o.packed);
}

if (!isMainThread) work();
else if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main().catch((err) => {
    console.error(err.message);
    process.exit(1); // other workers would build on
  });
}
