// A split as the arrays that training reads: what pack_folder of ../train/data.py makes of its PNGs, byte for byte, without
// the PNGs. The files have their size from the start, so that every worker writes its portraits where they belong and no
// process ever holds more than a few of them.

import fs from "node:fs";
import path from "node:path";
import { SIZE, halve } from "./portrait.mjs";

const HALF = SIZE / 2;
const SHAPES = { pictures: [HALF, HALF, 3], ink: [HALF, HALF], masks: [HALF, HALF], seeds: [] };
const HEADER = 128; // bytes; NumPy writes as many for such shapes

const file = (dir, name) => path.join(dir, name + ".npy");
const itemBytes = (name) => (name === "seeds" ? 8 : SHAPES[name].reduce((n, side) => n * side));

// header is that of an array in NPY format 1.0: uint8, or int64 for the seeds.
function header(name, count) {
  const shape = [count, ...SHAPES[name]].join(", ") + (name === "seeds" ? "," : "");
  const text = `{'descr': '${name === "seeds" ? "<i8" : "|u1"}', 'fortran_order': False, 'shape': (${shape}), }`;
  const out = Buffer.alloc(HEADER, " ");
  out.write("\x93NUMPY\x01\x00", "latin1");
  out.writeUInt16LE(HEADER - 10, 8);
  out.write(text, 10, "latin1");
  out.write("\n", HEADER - 1, "latin1");
  return out;
}

// area puts into out the mean of every 2x2 pixels, of the first `channels` of `stride`.
function area(a, stride, channels, out) {
  const row = SIZE * stride;
  for (let y = 0, j = 0; y < HALF; y++) {
    for (let x = 0; x < HALF; x++) {
      const i = 2 * y * row + 2 * x * stride;
      for (let c = i; c < i + channels; c++) out[j++] = (a[c] + a[c + stride] + a[c + row] + a[c + row + stride] + 2) >> 2;
    }
  }
}

// start makes the empty arrays of `count` portraits in dir.
export function start(dir, count) {
  fs.rmSync(dir, { recursive: true, force: true });
  fs.mkdirSync(dir, { recursive: true });
  for (const name of Object.keys(SHAPES)) {
    fs.writeFileSync(file(dir, name), header(name, count));
    fs.truncateSync(file(dir, name), HEADER + count * itemBytes(name));
  }
}

// write puts portraits into the arrays in dir, the first at `index`.
export function write(dir, index, portraits) {
  for (const name of Object.keys(SHAPES)) {
    const bytes = itemBytes(name), out = Buffer.alloc(bytes * portraits.length);
    portraits.forEach((p, k) => {
      const to = out.subarray(k * bytes, (k + 1) * bytes);
      if (name === "pictures") area(p.picture, 4, 3, to);
      else if (name === "ink") {
        area(p.sketch, 1, 1, to);
        for (let i = 0; i < bytes; i++) to[i] = 255 - to[i];
      }
      else if (name === "masks") to.set(halve(p.mask, SIZE));
      else to.writeBigInt64LE(BigInt(p.choices.seed));
    });
    const fd = fs.openSync(file(dir, name), "r+");
    const written = fs.writeSync(fd, out, 0, out.length, HEADER + index * bytes);
    fs.closeSync(fd);
    if (written !== out.length) throw new Error(`${file(dir, name)}: ${written} of ${out.length} bytes written: is the disk full?`);
  }
}

// finish puts dir in the place of what was packed before.
export function finish(dir, to) {
  fs.rmSync(to, { recursive: true, force: true });
  fs.renameSync(dir, to);
}
