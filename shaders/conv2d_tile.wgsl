// The form for GPUs: a workgroup makes 8 strips of 4 pixels x 64 output channels. It
// loads 16 input channels of a tap at a time into workgroup memory, weights
// dequantized; an invocation makes 4 pixels x 8 outputs of them in registers.

const DEEP = 4u;                              // vec4s of input channels at a time
var<workgroup> xs: array<vec4<f32>, 128>;     // [8 strips, 4 pixels, DEEP]
var<workgroup> ws: array<mat4x4<f32>, 64>;    // [16 vec4s of outputs, DEEP]

// pixel is the input pixel of an output's tap, or -1 outside. Strips count within
// network z.
fn pixel(z: u32, strip: u32, px: u32, ky: u32, kx: u32) -> i32 {
  let per_row = (p.ow + 3u) / 4u;
  let row = z * p.samples * p.oh + strip / per_row;
  let iy = i32(row % p.oh * STRIDE + ky) - p.pad_top;
  let ix = i32((4u * (strip % per_row) + px) * STRIDE + kx) - p.pad_left;
  if strip >= p.strips || iy < 0 || iy >= i32(p.gh) || ix < 0 || ix >= i32(p.gw) { return -1; }
  return i32((row / p.oh * p.h + (u32(iy) >> p.zoom)) * p.w + (u32(ix) >> p.zoom));
}

// load reads vec4 c of a pixel of x or skip, zero outside.
fn load(at: i32, c: u32, of_x: bool) -> vec4<f32> {
  if at < 0 { return vec4<f32>(); }
  if of_x {
    if c < p.c1 { return x[u32(at) * p.c1 + c]; }
  } else if HAS_SKIP {
    if c < p.c2 { return skip[u32(at) * p.c2 + c]; }
  }
  return vec4<f32>();
}

@compute @workgroup_size(8, 8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
  let lane = local.y * 8u + local.x;
  let strip = group.y * 8u + local.y;
  let first = first_output(group.z);
  let o = group.x * 16u + 2u * local.x;
  // This invocation loads channel vec4 lane % DEEP of a pixel of each half of the
  // strips, and of one vec4 of outputs.
  let deep = lane % DEEP;
  let px = lane / DEEP % 4u;
  let strip0 = group.y * 8u + lane / 16u;
  let o_load = min(group.x * 16u + lane / DEEP, p.o4 - 1u);
  let inputs = p.c1 + p.c2;
  let chunks_x = (p.c1 + DEEP - 1u) / DEEP;
  let chunks = chunks_x + (p.c2 + DEEP - 1u) / DEEP;

  var a0 = vec4<f32>(); var a1 = vec4<f32>(); var a2 = vec4<f32>(); var a3 = vec4<f32>();
  var b0 = vec4<f32>(); var b1 = vec4<f32>(); var b2 = vec4<f32>(); var b3 = vec4<f32>();
  for (var ky = 0u; ky < KH; ky++) {
    for (var kx = 0u; kx < KW; kx++) {
      let at0 = pixel(group.z, strip0, px, ky, kx);
      let at1 = pixel(group.z, strip0 + 4u, px, ky, kx);
      let tap = (((first + o_load) * KH + ky) * KW + kx) * inputs;
      for (var k = 0u; k < chunks; k++) {
        let of_x = k < chunks_x;
        var c = k * DEEP + deep;
        var b = tap + c;
        if !of_x {
          c -= chunks_x * DEEP;
          b = tap + p.c1 + c;
        }
        // Beyond the last channel the inputs are zero and the weights don't matter.
        let x0 = load(at0, c, of_x);
        let x1 = load(at1, c, of_x);
        let w0 = block(b);
        workgroupBarrier(); // the last chunk is used up
        xs[lane] = x0;
        xs[lane + 64u] = x1;
        ws[lane] = w0;
        workgroupBarrier();
        for (var i = 0u; i < DEEP; i++) {
          let v0 = xs[local.y * 16u + i];
          let v1 = xs[local.y * 16u + 4u + i];
          let v2 = xs[local.y * 16u + 8u + i];
          let v3 = xs[local.y * 16u + 12u + i];
          let u = ws[local.x * 8u + i];
          a0 += u * v0; a1 += u * v1; a2 += u * v2; a3 += u * v3;
          let v = ws[local.x * 8u + 4u + i];
          b0 += v * v0; b1 += v * v1; b2 += v * v2; b3 += v * v3;
        }
      }
    }
  }

  if strip >= p.strips || o >= p.o4 { return; }
  let per_row = (p.ow + 3u) / 4u;
  let row = group.z * p.samples * p.oh + strip / per_row;
  let ox = 4u * (strip % per_row);
  let n = row / p.oh;
  let at = row * p.ow + ox;
  let both = o + 1u < p.o4;
  finish(a0, first, o, n, at);
  if both { finish(b0, first, o + 1u, n, at); }
  if ox + 1u < p.ow { finish(a1, first, o, n, at + 1u); if both { finish(b1, first, o + 1u, n, at + 1u); } }
  if ox + 2u < p.ow { finish(a2, first, o, n, at + 2u); if both { finish(b2, first, o + 1u, n, at + 2u); } }
  if ox + 3u < p.ow { finish(a3, first, o, n, at + 3u); if both { finish(b3, first, o + 1u, n, at + 3u); } }
}
