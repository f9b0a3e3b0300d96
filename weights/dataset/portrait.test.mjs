import test from "node:test";
import assert from "node:assert/strict";
import { portrait, choose, SIZE, LABELS } from "./portrait.mjs";
import { SPLITS, picturePNG, maskPNG, sketchPNG } from "./files.mjs";
import * as words from "./words.mjs";
import * as palette from "./palette.mjs";

const seeds = Array.from({ length: 60 }, (_, i) => SPLITS.test.first + i);

test("the same seed gives the same bytes", () => {
  for (const seed of seeds.slice(0, 5)) {
    const a = portrait(seed), b = portrait(seed);
    for (const png of [picturePNG, maskPNG, sketchPNG]) assert.deepEqual(png(a), png(b));
    assert.equal(a.caption, b.caption);
  }
});

test("no seed is in two ranges", () => {
  const ranges = Object.values(SPLITS).map((s) => [s.first, s.first + 1_000_000]).sort((a, b) => a[0] - b[0]);
  for (let i = 1; i < ranges.length; i++) assert.ok(ranges[i - 1][1] <= ranges[i][0]);
});

test("every piece of the drawings has words", () => {
  assert.equal(Object.keys(words.hair).length, 48);
  assert.equal(Object.keys(words.mouth).length, 27);
  assert.equal(Object.keys(words.eyes).length, 24);
  assert.equal(Object.keys(words.eyebrows).length, 13);
  for (const kind of Object.values(words.mouth)) assert.ok(words.mouthWords[kind], kind);
  for (const kind of Object.values(words.eyes)) assert.ok(words.eyesWords[kind], kind);
});

test("the mask fits the picture", () => {
  const hex = (i, px) => [0, 1, 2].map((k) => px[4 * i + k].toString(16).padStart(2, "0")).join("");
  for (const seed of seeds) {
    const p = portrait(seed);
    const same = { hair: [0, 0], background: [0, 0] };
    for (let i = 0; i < SIZE * SIZE; i++) {
      assert.ok(p.mask[i] < LABELS.length);
      const name = LABELS[p.mask[i]];
      if (!same[name]) continue;
      const want = name === "hair" ? palette.hair[p.choices.hairColor] : palette.background[p.choices.background];
      same[name][0] += hex(i, p.picture) === want;
      same[name][1]++;
    }
    // The rest is the smooth edge of the picture.
    for (const [name, [hit, all]] of Object.entries(same)) {
      if (all > 600) assert.ok(hit / all > 0.8, `seed ${seed}: ${hit} of ${all} pixels under ${name} have its colour`);
    }
    assert.ok(p.sketch.some((v) => v < 80) && p.sketch.filter((v) => v > 200).length > 0.8 * SIZE * SIZE);
  }
});

test("captions are plain words that the picture bears out", () => {
  const vocabulary = new Set();
  let said = 0;
  for (let seed = SPLITS.test.first; seed < SPLITS.test.first + 500; seed++) {
    const c = choose(seed);
    const p = seeds.includes(seed) ? portrait(seed) : null;
    if (!p) continue;
    const tokens = p.caption.split(/[^a-z]+/).filter(Boolean);
    assert.ok(tokens.length <= 40, p.caption);
    tokens.forEach((w) => vocabulary.add(w));
    said += p.caption.includes(c.hairColor);
    if (p.caption.includes("glasses")) assert.ok(c.glasses, p.caption);
    if (p.caption.includes("beard")) assert.ok(c.beard, p.caption);
  }
  assert.ok(vocabulary.size < 200);
  assert.ok(said > 40);
});
