// sketchOf turns a label map into what a person would draw of it: one thin
// dark line along every contour. A part that is itself a thin line (nose,
// brows, spectacle frames) has two contours close together; these are closed
// to one stroke before thinning.

// labels is side x side; the result is half as large, gray, 255 is paper.
export function sketchOf(labels, side) {
  let ink = new Uint8Array(side * side);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const i = y * side + x;
      if ((x + 1 < side && labels[i] !== labels[i + 1]) || (y + 1 < side && labels[i] !== labels[i + side])) ink[i] = 1;
    }
  }
  ink = thin(dilate(dilate(ink, side), side), side);
  return shrink(dilate(ink, side), side);
}

// dilate grows by one pixel in the four directions.
function dilate(a, side) {
  const out = a.slice();
  for (let i = a.indexOf(1); i >= 0; i = a.indexOf(1, i + 1)) {
    const x = i % side;
    if (x > 0) out[i - 1] = 1;
    if (x + 1 < side) out[i + 1] = 1;
    if (i >= side) out[i - side] = 1;
    if (i + side < a.length) out[i + side] = 1;
  }
  return out;
}

// goes[phase] says of the eight pixels around one, a bit each, clockwise from
// north, whether thin takes the one away.
const goes = [0, 1].map((phase) =>
  Uint8Array.from({ length: 256 }, (_, around) => {
    const p = Array.from({ length: 8 }, (_, k) => (around >> k) & 1);
    const sum = p.reduce((m, v) => m + v), rises = p.filter((v, k) => !v && p[(k + 1) & 7]).length;
    const [n, , e, , s, , w] = p;
    return sum >= 2 && sum <= 6 && rises === 1 && !(phase === 0 ? n * e * s || e * s * w : n * e * w || n * s * w);
  }),
);

// thin is the algorithm of Zhang and Suen 1984: lines of one pixel.
function thin(a, side) {
  const live = new Int32Array(a.length), kill = new Int32Array(a.length);
  let left = 0;
  for (let y = 1; y < side - 1; y++) for (let x = 1; x < side - 1; x++) if (a[y * side + x]) live[left++] = y * side + x;
  for (let changed = true; changed; ) {
    changed = false;
    for (const table of goes) {
      let killed = 0, kept = 0;
      for (let k = 0; k < left; k++) {
        const i = live[k], north = i - side, south = i + side;
        const around = a[north] | (a[north + 1] << 1) | (a[i + 1] << 2) | (a[south + 1] << 3) |
          (a[south] << 4) | (a[south - 1] << 5) | (a[i - 1] << 6) | (a[north - 1] << 7);
        if (table[around]) kill[killed++] = i;
        else live[kept++] = i;
      }
      for (let k = 0; k < killed; k++) a[kill[k]] = 0;
      left = kept;
      if (killed) changed = true;
    }
  }
  return a;
}

// shrink halves the size; the stroke's cover becomes darkness.
function shrink(a, side) {
  const half = side / 2, out = new Uint8Array(half * half);
  for (let y = 0; y < half; y++) {
    for (let x = 0; x < half; x++) {
      const i = 2 * y * side + 2 * x;
      const cover = a[i] + a[i + 1] + a[i + side] + a[i + side + 1];
      out[y * half + x] = 255 - Math.min(255, cover * 60);
    }
  }
  return out;
}
