// Random choices that follow from a seed.

// random is splitmix32: a small generator whose streams for neighbouring seeds
// are independent enough, unlike dicebear's string-seeded one stable across
// its versions.
export function random(seed) {
  let state = (Math.imul(seed, 0x9e3779b9) ^ 0x5bd1e995) >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return ((z ^ (z >>> 16)) >>> 0) / 4294967296;
  };
}

export const pick = (rnd, list) => list[Math.floor(rnd() * list.length)];

// pickWeighted draws a key of weights, in proportion to its value.
export function pickWeighted(rnd, weights) {
  const entries = Object.entries(weights);
  let x = rnd() * entries.reduce((sum, [, w]) => sum + w, 0);
  for (const [key, w] of entries) {
    x -= w;
    if (x < 0) return key;
  }
  return entries.at(-1)[0];
}
