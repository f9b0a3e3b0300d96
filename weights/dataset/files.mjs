// What the builder writes: the splits and the encoded files of a portrait.

import { encode } from "fast-png";

// Seed ranges, each of 1,000,000. No two networks that are merged ever see the same portrait; the upscaler, which is not
// merged, sees some of colour's. Of a large split there are pictures alone, 2 SIZE pixels wide. The last portraits validate.
export const SPLITS = {
  none: { first: 1_000_000, count: 60_000, validation: 256 },
  text: { first: 2_000_000, count: 60_000, validation: 256 },
  mask: { first: 3_000_000, count: 60_000, validation: 256 },
  sketch: { first: 4_000_000, count: 60_000, validation: 256 },
  colour: { first: 5_000_000, count: 60_000, validation: 256 },
  upscale: { first: 5_000_000, count: 4_000, validation: 64, large: true },
  test: { first: 9_000_000, count: 500, validation: 0 },
};

// Seeds from first + HELD on validate, however many portraits are built: no network, of whatever run, is trained on them.
export const HELD = 990_000;

// seedOf is the seed of portrait i of `count`.
export function seedOf({ first, validation }, i, count) {
  const trained = Math.max(0, count - validation);
  return first + (i < trained ? i : HELD + i - trained);
}

// LABEL_COLORS are how masks show in an image viewer; the page has colours of its own.
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

const png = (data, channels, extra) => {
  const side = Math.sqrt(data.length / channels);
  return encode({ width: side, height: side, data, channels, ...extra }, { zlib: { level: 6 } });
};
export const picturePNG = (p) => png(rgb(p.picture), 3);
export const maskPNG = (p) => png(p.mask, 1, { palette: LABEL_COLORS });
export const sketchPNG = (p) => png(p.sketch, 1);
