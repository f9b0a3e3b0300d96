// Sheets to look at, and the examples that the page ships.

import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { encode } from "fast-png";
import { choose, draw, portrait, SIZE } from "./portrait.mjs";
import { SPLITS, LABEL_COLORS, picturePNG, maskPNG, sketchPNG } from "./files.mjs";
import * as words from "./words.mjs";

// sheet joins tiles of SIZE x SIZE RGB, columns wide.
function sheet(tiles, columns) {
  const width = columns * SIZE, height = Math.ceil(tiles.length / columns) * SIZE;
  const data = new Uint8Array(width * height * 3).fill(255);
  tiles.forEach((tile, i) => {
    const left = (i % columns) * SIZE, top = Math.floor(i / columns) * SIZE;
    for (let y = 0; y < SIZE; y++) {
      for (let x = 0; x < SIZE; x++) data.set(tile(y * SIZE + x), ((top + y) * width + left + x) * 3);
    }
  });
  return encode({ width, height, channels: 3, data }, { zlib: { level: 9 } });
}

const rgba = (px) => (i) => [px[4 * i], px[4 * i + 1], px[4 * i + 2]];

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

// A face that hides no piece.
const plain = {
  ...choose(SPLITS.test.first), background: "white", skin: "light", hairColor: "brown", hair: "variant01", eyes: "variant02",
  eyesColor: "blue", mouth: "happy01", glasses: null, earrings: null, beard: null, flowers: false, freckles: false,
};

// contactSheets writes one sheet for every kind of piece, in the order of
// words.mjs, and contact.png: portraits with their masks and sketches.
export function contactSheets(out) {
  fs.mkdirSync(out, { recursive: true });
  for (const kind of ["hair", "mouth", "eyes", "eyebrows", "glasses", "beard", "earrings", "nose", "head"]) {
    const variants = Array.isArray(words[kind]) ? words[kind] : Object.keys(words[kind]);
    fs.writeFileSync(path.join(out, `pieces-${kind}.png`), sheet(variants.map((v) => rgba(draw({ ...plain, [kind]: v }))), 8));
  }
  const extras = [{ flowers: true }, { freckles: true }].map((extra) => rgba(draw({ ...plain, ...extra })));
  fs.writeFileSync(path.join(out, "pieces-extras.png"), sheet(extras, 8));
  const some = Array.from({ length: 8 }, (_, i) => portrait(SPLITS.test.first + i));
  fs.writeFileSync(here("contact.png"), sheet([
    ...some.map((p) => rgba(p.picture)), ...some.map((p) => (i) => LABEL_COLORS[p.mask[i]]),
    ...some.map((p) => (i) => [p.sketch[i], p.sketch[i], p.sketch[i]]),
  ], 8));
}

// Held-out portraits that show what the modalities can say.
const EXAMPLES = [23, 2, 15, 14, 13, 25, 12, 33, 4, 28, 30, 11].map((i) => SPLITS.test.first + i);

export function examples() {
  const list = EXAMPLES.map((seed) => {
    const p = portrait(seed);
    fs.writeFileSync(here(`examples/${seed}-picture.png`), picturePNG(p));
    fs.writeFileSync(here(`examples/${seed}-mask.png`), maskPNG(p));
    fs.writeFileSync(here(`examples/${seed}-sketch.png`), sketchPNG(p));
    return { seed, caption: p.caption, attributes: p.attributes };
  });
  fs.writeFileSync(here("examples/examples.json"), JSON.stringify(list, null, 1) + "\n");
}
