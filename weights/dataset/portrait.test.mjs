import test from "node:test";
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { schema } from "@dicebear/lorelei";
import { decode } from "fast-png";
import { portrait, choose, SIZE, LABELS } from "./portrait.mjs";
import { caption } from "./caption.mjs";
import { HELD, SPLITS, picturePNG, maskPNG, seedOf, sketchPNG } from "./files.mjs";
import * as words from "./words.mjs";
import * as palette from "./palette.mjs";

const held = (n) => Array.from({ length: n }, (_, i) => SPLITS.test.first + i);
const portraits = held(60).map(portrait);

test("the committed examples come out again, byte for byte", () => {
  const examples = JSON.parse(fs.readFileSync(new URL("examples/examples.json", import.meta.url)));
  assert.equal(examples.length, 12);
  for (const e of examples) {
    const p = portrait(e.seed);
    assert.equal(p.caption, e.caption);
    assert.deepEqual(p.attributes, e.attributes);
    for (const [kind, png] of [["picture", picturePNG], ["mask", maskPNG], ["sketch", sketchPNG]]) {
      const want = fs.readFileSync(new URL(`examples/${e.seed}-${kind}.png`, import.meta.url));
      assert.ok(want.equals(png(p)), `${e.seed}-${kind}.png differs: does the lock file still hold?`);
    }
  }
});

test("no seed is in two ranges of networks that are merged", () => {
  const merged = Object.values(SPLITS).filter((s) => !s.large);
  const ranges = merged.map((s) => [s.first, s.first + 1_000_000]).sort((a, b) => a[0] - b[0]);
  for (let i = 1; i < ranges.length; i++) assert.ok(ranges[i - 1][1] <= ranges[i][0]);
});

test("what validates has seeds that nothing is trained on, however many are built", () => {
  const seeds = (s, count) => Array.from({ length: count }, (_, i) => seedOf(s, i, count));
  for (const [name, s] of Object.entries(SPLITS)) {
    assert.ok(s.count <= HELD && HELD + s.validation <= 1_000_000, name);
    const validation = Array.from({ length: s.validation }, (_, i) => s.first + HELD + i);
    for (const count of [3, s.validation, s.validation + 1, s.count, HELD]) {
      const all = seeds(s, count), trained = Math.max(0, count - s.validation);
      assert.deepEqual(all.slice(trained), validation.slice(0, count), `${name}, ${count}`);
      assert.ok(all.slice(0, trained).every((seed, i) => seed === s.first + i && i < HELD), `${name}, ${count}`);
    }
  }
  assert.equal(SPLITS.test.validation, 0);
});

test("every piece of the drawings has words", () => {
  for (const kind of ["hair", "mouth", "eyes", "eyebrows", "glasses", "beard", "earrings", "nose", "head"]) {
    const named = Array.isArray(words[kind]) ? words[kind] : Object.keys(words[kind]);
    assert.deepEqual([...named].sort(), [...schema.properties[kind].items.enum].sort(), kind);
  }
  for (const kind of Object.values(words.mouth)) assert.ok(words.mouthWords[kind], kind);
  for (const kind of Object.values(words.eyes)) assert.ok(words.eyesWords[kind], kind);
});

// The colour that each of these parts has in the picture.
const colorOf = (c) => ({
  background: palette.background[c.background], skin: palette.skin[c.skin],
  hair: palette.hair[c.hairColor], beard: palette.hair[c.hairColor],
});

test("the mask fits the picture", () => {
  const hex = (i, px) => [0, 1, 2].map((k) => px[4 * i + k].toString(16).padStart(2, "0")).join("");
  for (const p of portraits) {
    const want = colorOf(p.choices), same = {};
    for (let i = 0; i < SIZE * SIZE; i++) {
      assert.ok(p.mask[i] < LABELS.length, `seed ${p.choices.seed}: label ${p.mask[i]} at pixel ${i}`);
      const name = LABELS[p.mask[i]];
      if (!want[name]) continue;
      same[name] ??= [0, 0];
      same[name][0] += hex(i, p.picture) === want[name];
      same[name][1]++;
    }
    // The rest is the smooth edge of the picture, and the black outline of the skin.
    for (const [name, [hit, all]] of Object.entries(same)) {
      if (all > 600) assert.ok(hit / all > (name === "skin" ? 0.6 : 0.8), `seed ${p.choices.seed}: ${hit} of ${all} pixels under ${name} have its colour`);
    }
    for (const [name, there] of [["glasses", p.choices.glasses], ["beard", p.choices.beard]]) {
      if (!there) assert.ok(!p.mask.includes(LABELS.indexOf(name)), `seed ${p.choices.seed}: ${name} in the mask only`);
    }
  }
});

test("a sketch is thin dark lines on white, where labels meet", () => {
  for (const { choices, mask, sketch } of portraits) {
    let edges = 0, drawn = 0, ink = 0;
    for (let y = 2; y < SIZE - 2; y++) {
      for (let x = 2; x < SIZE - 2; x++) {
        const i = y * SIZE + x;
        ink += sketch[i] < 128;
        if (mask[i] === mask[i + 1] && mask[i] === mask[i + SIZE]) continue;
        edges++;
        near: for (let v = -2; v <= 2; v++) {
          for (let u = -2; u <= 2; u++) if (sketch[i + v * SIZE + u] < 128) { drawn++; break near; }
        }
      }
    }
    assert.ok(drawn / edges > 0.97, `seed ${choices.seed}: ${drawn} of ${edges} edges are drawn`);
    assert.ok(ink < 0.15 * SIZE * SIZE, `seed ${choices.seed}: ${ink} pixels of ink`);
  }
});

// What data.py reads of a PNG, halved: of every 2x2 pixels one, made of their values by `one`.
function halved(png, one) {
  const { width, data } = decode(png), channels = data.length / width ** 2, out = [];
  for (let y = 0; y < width; y += 2) {
    for (let x = 0; x < width; x += 2) {
      for (let c = 0; c < channels; c++) out.push(one([0, 1, width, width + 1].map((k) => data[(y * width + x + k) * channels + c])));
    }
  }
  return Buffer.from(out);
}
const mean = (v) => Math.floor((v[0] + v[1] + v[2] + v[3] + 2) / 4);
const most = (v) => v.reduce((p, q) => {
  const [m, n] = [p, q].map((l) => v.filter((o) => o === l).length);
  return n > m || (n === m && q > p) ? q : p;
});

const build = (cwd, ...args) =>
  execFileSync(process.execPath, [fileURLToPath(new URL("build.mjs", import.meta.url)), ...args], { cwd, stdio: "pipe" });

test("--packed writes what training makes of the PNGs", () => {
  const out = fs.mkdtempSync(path.join(os.tmpdir(), "packed-")), count = 53; // more than one worker gets at a time
  try {
    const run = (...more) => build(out, "--packed", "--count", String(count), "--out", "o", ...more);
    run("--split", "test", "--workers", "3");
    const dir = path.join(out, "o", "test"), packed = path.join(dir, "packed");
    assert.deepEqual(fs.readdirSync(dir).sort(), ["captions.jsonl", "packed"]);
    const some = portraits.slice(0, count);
    const want = {
      pictures: some.map((p) => halved(picturePNG(p), mean)),
      ink: some.map((p) => halved(sketchPNG(p), mean).map((v) => 255 - v)),
      masks: some.map((p) => halved(maskPNG(p), most)),
      seeds: [Buffer.from(BigInt64Array.from(some, (p) => BigInt(p.choices.seed)).buffer)],
    };
    const shape = { pictures: "53, 64, 64, 3", ink: "53, 64, 64", masks: "53, 64, 64", seeds: "53," };
    for (const [name, arrays] of Object.entries(want)) {
      const got = fs.readFileSync(path.join(packed, name + ".npy")), type = name === "seeds" ? "<i8" : "|u1";
      const header = `\x93NUMPY\x01\0v\0{'descr': '${type}', 'fortran_order': False, 'shape': (${shape[name]}), }`.padEnd(127) + "\n";
      assert.equal(got.toString("latin1", 0, 128), header);
      assert.ok(got.subarray(128).equals(Buffer.concat(arrays)), `${name} differ`);
    }
    const lines = fs.readFileSync(path.join(dir, "captions.jsonl"), "utf8").trim().split("\n").map((l) => JSON.parse(l));
    assert.deepEqual(lines, some.map((p) => ({ seed: p.choices.seed, caption: p.caption, attributes: p.attributes, said: p.said, more: p.more })));
    run("--split", "text", "--count", "1");
    const one = portrait(2_000_000 + HELD);
    assert.deepEqual(JSON.parse(fs.readFileSync(path.join(out, "o", "text", "captions.jsonl"), "utf8")).details, one.details);
    assert.throws(() => run("--split", "upscale"), /no arrays of upscale/);
  } finally {
    fs.rmSync(out, { recursive: true });
  }
});

test("a build that cannot be finished stops, and nothing says that it is whole", () => {
  const out = fs.mkdtempSync(path.join(os.tmpdir(), "build-")), split = path.join(out, "test");
  const run = (count) => build(out, "--split", "test", "--workers", "2", "--out", ".", "--count", count);
  try {
    assert.throws(() => run("1.5"), /--count 1.5: want 1 to/);
    fs.mkdirSync(path.join(split, "pictures", `${SPLITS.test.first}.png`), { recursive: true }); // no file can be written there
    fs.writeFileSync(path.join(split, "captions.jsonl"), "of an earlier build");
    assert.throws(() => run("1000"), /EISDIR/);
    assert.ok(!fs.existsSync(path.join(split, "captions.jsonl")));
    assert.ok(!fs.existsSync(path.join(split, "pictures", `${SPLITS.test.first + 999}.png`)), "the other worker has gone on");
  } finally {
    fs.rmSync(out, { recursive: true });
  }
});

// Every word that a caption may use.
const vocabulary = new Set(
  `a an and angry bald beard background big bun buns black blond blue broken brown bushy character clenched closed crooked curly
  dark dot earrings eye eyebrows eyes face flower flowers freckles fringe front frown frowning full glasses gold gray green grin
  grinning hair half hanging happy high in laughing light lips long low medium messy mohawk moon mouth neat nervous of on one open
  orange out oval over pale person pigtails pink pointed ponytail portrait pouting purple raised reading receding red round sad
  serious shaved short silver skin sleepy small smile smiling smirk smirking sparkling spiky square straight sunglasses surprised
  swept tan teal teeth the thick thin tiny tired toothy tongue two uneven up very wall wavy white wide wink with worried yellow`
    .split(/\s+/));

test("captions are plain words that the choices bear out", () => {
  let tooLong = 0;
  const clauses = [0, 0, 0, 0], named = {};
  for (const seed of held(500)) {
    const c = choose(seed);
    const { caption: text, attributes, said, more: [few], details } = caption(c);
    bearsOut(c, attributes, text, said, `seed ${seed}: ${text}`);
    bearsOut(c, attributes, few.caption, few.said, `seed ${seed}: ${few.caption}`);
    for (const detail of details) {
      bearsOut(c, attributes, detail.caption, detail.said, `seed ${seed}: ${detail.caption}`);
      for (const what of detail.said) named[what] = (named[what] ?? 0) + 1;
    }
    if (words.hair[c.hair].length === "bald") assert.ok(text.includes("bald"), text);
    else assert.ok(said.includes("hair_color"), text);
    tooLong += text.split(/[ ,]+/).length > 32;
    // What is said of one thing is one clause.
    clauses[new Set(few.said.map((what) => what.split("_")[0])).size]++;
  }
  assert.ok(tooLong <= 5, `${tooLong} of 500 captions have more than 32 words`);
  for (const n of [1, 2, 3]) assert.ok(clauses[n] > 100, `${clauses[n]} of 500 brief ones have ${n} clauses`);
  assert.deepEqual(Object.keys(named).sort(), ["earrings", "earrings_color", "eyebrows", "eyes", "eyes_color", "flowers", "flowers_color",
    "freckles", "glasses", "glasses_color", "glasses_kind", "hair_color", "hair_length", "hair_shape", "hair_style", "mouth"]);
  for (const [what, n] of Object.entries(named)) assert.ok(n >= 20, `details of 500 portraits name ${what} ${n} times`);
});

function bearsOut(c, attributes, text, said, at) {
  for (const w of text.split(/[ ,]+/)) assert.ok(vocabulary.has(w), `${at}: ${w} is not in the list`);
  assert.ok(!/\ba [aeiou]|\ban [^aeiou]|  |\bundefined\b|%/.test(text), at);
  assert.equal(said.includes("hair_color"), new RegExp(`\\b${c.hairColor} (hair|mohawk|ponytail|pigtails|buns?)\\b`).test(text), at);
  const scene = text.match(/(\w+) (background|wall)/);
  if (scene) assert.equal(scene[1], c.background, at);
  assert.equal(new Set(said).size, said.length, at);
  assert.equal(said.includes("background"), Boolean(scene), at);
  for (const what of ["hair_color", "hair_length", "hair_shape", "skin", "eyes_color", "eyebrows", "glasses_color"])
    if (said.includes(what)) assert.ok(text.includes(attributes[what]), `${at}: ${what} is not said`);
  for (const what of ["glasses", "beard", "flower", "earring", "freckles"])
    assert.equal(said.includes(what) || said.includes(what + "s"), text.includes(what), `${at}: ${what}`);
  for (const [what, color] of [["earrings_color", c.earringsColor], ["flowers_color", c.flowersColor]])
    if (said.includes(what)) assert.ok(text.includes(color), `${at}: ${what} is not said`);
  const mood = words.mouthWords[words.mouth[c.mouth]];
  for (const [what, phrases] of Object.entries({
    mouth: [...mood.before, ...mood.with].filter((p) => p !== "happy"),
    eyes: words.eyesWords[words.eyes[c.eyes]].filter((p) => p !== "% eyes").map((p) => p.replace("%", c.eyesColor)),
    glasses_kind: words.glasses[c.glasses] ?? [],
  })) assert.equal(said.includes(what), phrases.some((p) => text.includes(p)), `${at}: ${what}`);
  if (text.includes("bald")) assert.equal(attributes.hair_length, "bald", at);
  if (text.includes("glasses")) assert.ok(c.glasses, at);
  if (text.includes("beard")) assert.ok(c.beard, at);
  if (text.includes("flower")) assert.ok(c.flowers, at);
  if (text.includes("earring")) assert.ok(c.earrings, at);
}
