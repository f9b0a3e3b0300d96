// The form for software adapters: all invocations of a workgroup make the same 16
// output channels, each 4 pixels of a row of its own, in registers, and none leaves
// or skips anything before the end: a whole vector of invocations wants the same weights,
// and a compiler can see it.

const LANES = 16u;

@compute @workgroup_size(16)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let o = 4u * group.x;
  let index = group.y * LANES + lane;
  let strip = min(index, p.strips - 1u);
  let per_row = (p.ow + 3u) / 4u;
  let ox = 4u * (strip % per_row);
  let row = group.z * p.samples * p.oh + strip / per_row;
  let oy = row % p.oh;
  let n = row / p.oh;
  let first = first_output(group.z);

  var gh = p.h; // the grid that is convolved
  var gw = p.w;
  if UPSAMPLE == 2u { gh = p.oh; gw = p.ow; }
  let inputs = p.c1 + p.c2;
  let o_step = KH * KW * inputs; // from block o to o + 1
  // Outputs beyond the last are made from its weights and dropped.
  let w_at = vec4<u32>(o, min(o + 1u, p.o4 - 1u), min(o + 2u, p.o4 - 1u), min(o + 3u, p.o4 - 1u)) * o_step + vec4<u32>(first * o_step);

  var a = mat4x4<f32>(); var b = mat4x4<f32>(); var c = mat4x4<f32>(); var d = mat4x4<f32>();
  for (var ky = 0u; ky < KH; ky++) {
    let iy = i32(oy * STRIDE + ky) - p.pad_top;
    let line = (n * p.h + u32(clamp(iy, 0, i32(gh) - 1)) / UPSAMPLE) * p.w;
    for (var kx = 0u; kx < KW; kx++) {
      // Pixels outside are read at the border and multiplied by zero.
      let ix = vec4<i32>(i32(ox * STRIDE + kx) - p.pad_left) + vec4<i32>(0, i32(STRIDE), 2 * i32(STRIDE), 3 * i32(STRIDE));
      let last = vec4<i32>(i32(gw) - 1);
      let inside = (ix >= vec4<i32>()) & (ix <= last) & vec4<bool>(iy >= 0 && iy < i32(gh));
      let m = select(vec4<f32>(), vec4<f32>(1.0), inside);
      let at = vec4<u32>(line) + vec4<u32>(clamp(ix, vec4<i32>(), last)) / UPSAMPLE;
      let tap = w_at + vec4<u32>((ky * KW + kx) * inputs);
      let x_at = at * p.c1;
      for (var i = 0u; i < p.c1; i++) {
        let v = mat4x4<f32>(x[x_at.x + i] * m.x, x[x_at.y + i] * m.y, x[x_at.z + i] * m.z, x[x_at.w + i] * m.w);
        a += block(tap.x + i) * v;
        b += block(tap.y + i) * v;
        c += block(tap.z + i) * v;
        d += block(tap.w + i) * v;
      }
      if HAS_SKIP {
        let skip_at = at * p.c2;
        let skip_tap = tap + vec4<u32>(p.c1);
        for (var i = 0u; i < p.c2; i++) {
          let v = mat4x4<f32>(skip[skip_at.x + i] * m.x, skip[skip_at.y + i] * m.y, skip[skip_at.z + i] * m.z, skip[skip_at.w + i] * m.w);
          a += block(skip_tap.x + i) * v;
          b += block(skip_tap.y + i) * v;
          c += block(skip_tap.z + i) * v;
          d += block(skip_tap.w + i) * v;
        }
      }
    }
  }

  if index >= p.strips { return; }
  four(a, first, o, n, row, ox);
  four(b, first, o + 1u, n, row, ox);
  four(c, first, o + 2u, n, row, ox);
  four(d, first, o + 3u, n, row, ox);
}

// four finishes an output's 4 pixels.
fn four(v: mat4x4<f32>, first: u32, o: u32, n: u32, row: u32, ox: u32) {
  if o >= p.o4 { return; }
  let at = row * p.ow + ox;
  finish(v[0], first, o, n, at);
  if ox + 1u < p.ow { finish(v[1], first, o, n, at + 1u); }
  if ox + 2u < p.ow { finish(v[2], first, o, n, at + 2u); }
  if ox + 3u < p.ow { finish(v[3], first, o, n, at + 3u); }
}
