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
  const out = Uint8Array.from(a);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const i = y * side + x;
      if (!a[i]) continue;
      if (x > 0) out[i - 1] = 1;
      if (x + 1 < side) out[i + 1] = 1;
      if (y > 0) out[i - side] = 1;
      if (y + 1 < side) out[i + side] = 1;
    }
  }
  return out;
}

// thin is the algorithm of Zhang and Suen 1984: lines of one pixel.
function thin(a, side) {
  let live = [];
  for (let y = 1; y < side - 1; y++) for (let x = 1; x < side - 1; x++) if (a[y * side + x]) live.push(y * side + x);
  // p2..p9 clockwise from north
  const around = [-side, -side + 1, 1, side + 1, side, side - 1, -1, -side - 1];
  for (let changed = true; changed; ) {
    changed = false;
    for (const phase of [0, 1]) {
      const kill = [];
      for (const i of live) {
        if (!a[i]) continue;
        let sum = 0, rises = 0;
        for (let k = 0; k < 8; k++) {
          const v = a[i + around[k]];
          sum += v;
          if (!v && a[i + around[(k + 1) & 7]]) rises++;
        }
        if (sum < 2 || sum > 6 || rises !== 1) continue;
        const n = a[i - side], e = a[i + 1], s = a[i + side], w = a[i - 1];
        if (phase === 0 ? n * e * s || e * s * w : n * e * w || n * s * w) continue;
        kill.push(i);
      }
      for (const i of kill) a[i] = 0;
      if (kill.length) changed = true;
    }
    live = live.filter((i) => a[i]);
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
