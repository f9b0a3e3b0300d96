// One portrait: seed -> choices -> picture, mask, sketch, caption. Everything
// follows from the seed alone.

import { createAvatar } from "@dicebear/core";
import * as lorelei from "@dicebear/lorelei";
import { Resvg } from "@resvg/resvg-js";
import * as words from "./words.mjs";
import * as palette from "./palette.mjs";
import { caption } from "./caption.mjs";
import { pick, pickWeighted, random } from "./random.mjs";
import { sketchOf } from "./sketch.mjs";

export const SIZE = 128;

// prettier-ignore
export const LABELS = ["background", "skin", "hair", "brows", "eyes", "nose", "mouth", "glasses", "beard", "earrings", "accessories"];

const keys = Object.keys;

// Likelihoods of mouths and eyes: what people ask for is common, oddities rare.
const mouthWeight = { smile: 5, smirk: 2, laugh: 4, grin: 2, tongue: 1, pout: 1.5, open: 2, lips: 1.5, frown: 3, teeth: 1, serious: 2 };
const eyesWeight = { open: 9, wide: 3, sleepy: 2, tired: 0.7, sparkling: 0.7, tiny: 1.2, wink: 1, closed: 2 };
const lengthWeight = { short: 16, medium: 13, long: 9, receding: 0.7, shaved: 0.9, bald: 0.9 };

// byWord picks a word by weight, then one of the drawings that it names.
function byWord(rnd, table, weight, of = (v) => v) {
  const word = pickWeighted(rnd, weight);
  return pick(rnd, keys(table).filter((k) => of(table[k]) === word));
}

// choose draws what is in the portrait: variants and colour words by part.
export function choose(seed) {
  const rnd = random(seed);
  const hair = byWord(rnd, words.hair, lengthWeight, (h) => h.length);
  const hairColor = pickWeighted(rnd, palette.hairWeight);
  const skin = pick(rnd, keys(palette.skin));
  // White hair on white would not show.
  const background = pick(rnd, keys(palette.background).filter((b) => b !== hairColor));
  const c = {
    seed, hair, hairColor, skin, background,
    head: pick(rnd, words.head),
    nose: pick(rnd, words.nose),
    eyes: byWord(rnd, words.eyes, eyesWeight),
    eyesColor: pick(rnd, keys(palette.eyes)),
    eyebrows: pick(rnd, keys(words.eyebrows)),
    mouth: byWord(rnd, words.mouth, mouthWeight),
    mouthColor: pick(rnd, keys(palette.mouth)),
    glasses: rnd() < 0.25 ? pick(rnd, keys(words.glasses)) : null,
    glassesColor: pick(rnd, keys(palette.glasses)),
    earrings: rnd() < 0.25 ? pick(rnd, keys(words.earrings)) : null,
    earringsColor: pick(rnd, keys(palette.earrings)),
    beard: rnd() < 0.12 ? pick(rnd, keys(words.beard)) : null,
    flowers: rnd() < 0.12 && words.hair[hair].length !== "bald",
    flowersColor: pick(rnd, keys(palette.flowers)),
    freckles: rnd() < 0.1,
  };
  // Sunglasses hide the eyes; drawn eyes would shine through them.
  if (c.glasses === "variant02") c.eyes = "variant01";
  return c;
}

// svg draws the choices through the package's public options.
function svg(c, color) {
  const part = (variant) => ({ list: variant ? [variant] : undefined, odds: variant ? 100 : 0 });
  const glasses = part(c.glasses), earrings = part(c.earrings), beard = part(c.beard);
  return createAvatar(lorelei, {
    seed: String(c.seed), size: SIZE, scale: 122, translateX: -1, translateY: 3,
    head: [c.head], hair: [c.hair], eyes: [c.eyes], eyebrows: [c.eyebrows], nose: [c.nose], mouth: [c.mouth],
    glasses: glasses.list, glassesProbability: glasses.odds,
    earrings: earrings.list, earringsProbability: earrings.odds,
    beard: beard.list, beardProbability: beard.odds,
    hairAccessoriesProbability: c.flowers ? 100 : 0,
    frecklesProbability: c.freckles ? 100 : 0,
    backgroundColor: [color.background], skinColor: [color.skin], hairColor: [color.hair],
    eyesColor: [color.eyes], eyebrowsColor: [color.brows], noseColor: [color.nose], mouthColor: [color.mouth],
    glassesColor: [color.glasses], earringsColor: [color.earrings], hairAccessoriesColor: [color.accessories],
    frecklesColor: [color.freckles],
  }).toString();
}

function render(text, side, crisp) {
  // crispEdges: no pixel mixes two colours
  if (crisp) text = text.replace('shape-rendering="auto"', 'shape-rendering="crispEdges"');
  return new Resvg(text, { fitTo: { mode: "width", value: side }, font: { loadSystemFonts: false } }).render().pixels;
}

function colors(c) {
  const p = palette;
  const skin = p.skin[c.skin];
  const dark = c.skin === "dark" || c.skin === "brown";
  return {
    background: p.background[c.background], skin, hair: p.hair[c.hairColor],
    eyes: p.eyes[c.eyesColor],
    brows: p.darker(p.hair[c.hairColor], c.hairColor === "black" ? 1 : 0.6),
    nose: p.darker(skin, dark ? 0.45 : 0.6), freckles: p.darker(skin, dark ? 0.55 : 0.7),
    mouth: p.mouth[c.mouthColor], glasses: p.glasses[c.glassesColor],
    earrings: p.earrings[c.earringsColor], accessories: p.flowers[c.flowersColor],
  };
}

// Flat colours for the second drawing, one per label, 20 apart in red. What
// the package always draws in black (the outline of the head) belongs to the
// skin; what it always draws in white belongs to the part around it.
const flat = Object.fromEntries(LABELS.map((name, i) => [name, (16 + 20 * i).toString(16).padStart(2, "0") + "4080"]));
flat.freckles = flat.skin;
const labelOfRed = new Uint8Array(256).fill(255); // 255: no label's red
LABELS.forEach((_, i) => (labelOfRed[16 + 20 * i] = i));
const WHITE = 254, OUTLINE = 253, SKIN = 1, HAIR = 2, BEARD = 8;

// labels gives the label of each pixel at side x side, OUTLINE included.
function labels(c, side) {
  const flatDrawing = (choices) => {
    const px = render(svg(choices, flat), side, true);
    const out = new Uint8Array(side * side);
    for (let i = 0; i < out.length; i++) {
      const r = px[4 * i], g = px[4 * i + 1], b = px[4 * i + 2];
      if (r === 0 && g === 0 && b === 0) out[i] = OUTLINE;
      else if (r === 255 && g === 255 && b === 255) out[i] = WHITE;
      else if (g === 0x40 && b === 0x80 && labelOfRed[r] !== 255) out[i] = labelOfRed[r];
      else throw new Error(`seed ${c.seed}: pixel ${i} of the flat drawing is ${r},${g},${b}: not a label's colour`);
    }
    return out;
  };
  const out = flatDrawing(c);
  // Beards take the hair's colour: hair that a drawing without the beard lacks is
  // the beard.
  if (c.beard) {
    const shaved = flatDrawing({ ...c, beard: null });
    for (let i = 0; i < out.length; i++) if (out[i] === HAIR && shaved[i] !== HAIR) out[i] = BEARD;
  }
  fillWhite(out, side);
  return out;
}

// fillWhite gives every white patch (of an eye, a lens, a petal) the label that
// touches it most, of those parts that hold white.
const holdsWhite = [LABELS.indexOf("eyes"), LABELS.indexOf("glasses"), LABELS.indexOf("accessories")];
function fillWhite(a, side) {
  const patch = new Int32Array(a.length); // the first `done` pixels have been looked around
  for (let start = a.indexOf(WHITE); start >= 0; start = a.indexOf(WHITE, start + 1)) {
    const touch = new Uint32Array(256);
    let size = 0;
    const look = (j) => {
      if (a[j] === WHITE) { a[j] = 255; patch[size++] = j; }
      else touch[a[j]]++;
    };
    look(start);
    for (let done = 0; done < size; done++) {
      const i = patch[done], x = i % side;
      if (x > 0) look(i - 1);
      if (x + 1 < side) look(i + 1);
      if (i >= side) look(i - side);
      if (i + side < a.length) look(i + side);
    }
    // holdsWhite ascends: of equals the first stays
    const best = holdsWhite.reduce((p, q) => (touch[q] > touch[p] ? q : p));
    for (let k = 0; k < size; k++) a[patch[k]] = best;
  }
}

// halve keeps the most frequent label of every 2x2 pixels; on a tie the later
// in LABELS, so that thin parts stay.
export function halve(a, side) {
  const half = side / 2, out = new Uint8Array(half * half), count = new Uint8Array(LABELS.length);
  for (let y = 0; y < half; y++) {
    for (let x = 0; x < half; x++) {
      const i = 2 * y * side + 2 * x, p = a[i], q = a[i + 1], r = a[i + side], s = a[i + side + 1];
      let best = p;
      if (p !== q || p !== r || p !== s) {
        count[p] = count[q] = count[r] = count[s] = 0;
        count[p]++; count[q]++; count[r]++; count[s]++;
        for (const l of [q, r, s]) if (count[l] > count[best] || (count[l] === count[best] && l > best)) best = l;
      }
      out[y * half + x] = best;
    }
  }
  return out;
}

// draw is the picture of the choices: side*side RGBA.
export const draw = (choices, side = SIZE) => render(svg(choices, colors(choices)), side, false);

// largePortrait is the picture of one seed alone, at twice the size: 4*SIZE*SIZE RGBA.
export function largePortrait(seed) {
  const choices = choose(seed);
  return { choices, picture: draw(choices, 2 * SIZE), ...caption(choices) };
}

// portrait builds all of one seed. picture: SIZE*SIZE RGBA; mask: SIZE*SIZE
// label indices; sketch: SIZE*SIZE gray, 255 is paper.
export function portrait(seed) {
  const choices = choose(seed);
  const picture = draw(choices);
  const large = labels(choices, 2 * SIZE);
  const sketch = sketchOf(large, 2 * SIZE); // a person draws the jaw, which the outline shows
  for (let i = 0; i < large.length; i++) if (large[i] === OUTLINE) large[i] = SKIN;
  const mask = halve(large, 2 * SIZE);
  return { choices, picture, mask, sketch, ...caption(choices) };
}
