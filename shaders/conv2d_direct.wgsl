// The form without workgroup memory to share loads: an invocation makes 4 pixels of a
// row x 8 output channels in registers, of an eighth of the input channels, and the 8
// invocations that share an output add their sums at the end.

const SLICES = 8u;
const STRIPS = 8u; // of a workgroup
var<workgroup> sums: array<vec4<f32>, 512>; // [STRIPS, SLICES, 8 vec4s]

@compute @workgroup_size(8, 8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
  let slice = local.x;
  let o = 2u * group.x;
  let index = group.y * STRIPS + local.y;
  let strip = min(index, p.strips - 1u);
  let per_row = (p.ow + 3u) / 4u;
  let ox = 4u * (strip % per_row);
  let row = group.z * p.samples * p.oh + strip / per_row;
  let oy = row % p.oh;
  let n = row / p.oh;
  let first = first_output(group.z);
  let inside = o < p.o4 && index < p.strips;

  let inputs = p.c1 + p.c2;
  let o_next = select(0u, KH * KW * inputs, o + 1u < p.o4); // from block o to o + 1

  var a0 = vec4<f32>(); var a1 = vec4<f32>(); var a2 = vec4<f32>(); var a3 = vec4<f32>();
  var b0 = vec4<f32>(); var b1 = vec4<f32>(); var b2 = vec4<f32>(); var b3 = vec4<f32>();
  for (var ky = 0u; inside && ky < KH; ky++) {
    let iy = i32(oy * STRIDE + ky) - p.pad_top;
    if iy < 0 || iy >= i32(p.gh) { continue; }
    let line = (n * p.h + (u32(iy) >> p.zoom)) * p.w;
    for (var kx = 0u; kx < KW; kx++) {
      // Pixels outside are read at the border and multiplied by zero.
      let ix = vec4<i32>(i32(ox * STRIDE + kx) - p.pad_left) + vec4<i32>(0, i32(STRIDE), 2 * i32(STRIDE), 3 * i32(STRIDE));
      let last = vec4<i32>(i32(p.gw) - 1);
      let m = select(vec4<f32>(), vec4<f32>(1.0), (ix >= vec4<i32>()) & (ix <= last));
      let at = vec4<u32>(line) + (vec4<u32>(clamp(ix, vec4<i32>(), last)) >> vec4<u32>(p.zoom));
      let tap = (((first + o) * KH + ky) * KW + kx) * inputs;
      let from_x = at * p.c1;
      for (var i = slice; i < p.c1; i += SLICES) {
        let v0 = x[from_x.x + i] * m.x;
        let v1 = x[from_x.y + i] * m.y;
        let v2 = x[from_x.z + i] * m.z;
        let v3 = x[from_x.w + i] * m.w;
        let u = block(tap + i);
        a0 += u * v0; a1 += u * v1; a2 += u * v2; a3 += u * v3;
        let v = block(tap + i + o_next);
        b0 += v * v0; b1 += v * v1; b2 += v * v2; b3 += v * v3;
      }
      if HAS_SKIP {
        let from_skip = at * p.c2;
        for (var i = slice; i < p.c2; i += SLICES) {
          let v0 = skip[from_skip.x + i] * m.x;
          let v1 = skip[from_skip.y + i] * m.y;
          let v2 = skip[from_skip.z + i] * m.z;
          let v3 = skip[from_skip.w + i] * m.w;
          let u = block(tap + p.c1 + i);
          a0 += u * v0; a1 += u * v1; a2 += u * v2; a3 += u * v3;
          let v = block(tap + p.c1 + i + o_next);
          b0 += v * v0; b1 += v * v1; b2 += v * v2; b3 += v * v3;
        }
      }
    }
  }

  let at = row * p.ow + ox;
  let both = o + 1u < p.o4;
  // The invocation of slice s adds up the s-th of its strip's 8 vec4s.
  let mine = local.y * 64u + slice * 8u;
  sums[mine] = a0; sums[mine + 1u] = a1; sums[mine + 2u] = a2; sums[mine + 3u] = a3;
  sums[mine + 4u] = b0; sums[mine + 5u] = b1; sums[mine + 6u] = b2; sums[mine + 7u] = b3;
  workgroupBarrier();
  var sum = vec4<f32>();
  for (var s = 0u; s < SLICES; s++) { sum += sums[local.y * 64u + s * 8u + slice]; }
  let px = slice % 4u;
  if inside && ox + px < p.ow && (slice < 4u || both) { finish(sum, first, o + slice / 4u, n, at + px); }
}
