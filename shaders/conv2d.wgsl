// y[n, oy, ox, o] = act((scale[o] sum_{ky, kx, i} w[o, i, ky, kx] x[n, iy, ix, i]
//                        + bias[o] + timebias[n, o] + residual[n, oy, ox, o]) out_scale)
// iy = oy STRIDE + ky - pad_top, ix = ox STRIDE + kx - pad_left, zero outside.
//
// Convolution and linear layer (KH = KW = 1) in one. i runs over the channels of
// x, then of skip: a concatenation that is never written. With UPSAMPLE 2 the
// input is the nearest-neighbour enlargement of x to the size of y.
//
// Direct implicit GEMM without workgroup memory or barriers: one invocation makes
// 4 pixels of a row x 8 output channels in registers.

override KH: u32 = 3u;
override KW: u32 = 3u;
override STRIDE: u32 = 1u;
override UPSAMPLE: u32 = 1u;
override WEIGHTS: u32 = 0u;      // 0 f32, 1 f16, 2 int8 with scale
override ACTIVATION: u32 = 0u;   // 0 none, 1 SiLU, 2 GELU (erf)
override HAS_SKIP: bool = false;
override HAS_BIAS: bool = false;
override HAS_TIMEBIAS: bool = false;
override HAS_RESIDUAL: bool = false;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;         // [N, H, W, C1/4]
@group(0) @binding(1) var<storage, read> skip: array<vec4<f32>>;      // [N, H, W, C2/4]
@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;         // [O/4, KH, KW, C1/4 + C2/4] blocks, see PackWeights
@group(0) @binding(3) var<storage, read> scale: array<vec4<f32>>;     // [O/4]
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;      // [O/4]
@group(0) @binding(5) var<storage, read> timebias: array<vec4<f32>>;  // [N, O/4]
@group(0) @binding(6) var<storage, read> residual: array<vec4<f32>>;  // [N, OH, OW, O/4]
@group(0) @binding(7) var<storage, read_write> y: array<vec4<f32>>;   // [N, OH, OW, O/4]
@group(0) @binding(8) var<uniform> p: Params;

struct Params {
  n: u32,
  h: u32,
  w: u32,
  oh: u32,
  ow: u32,
  c1: u32, // vec4s of x
  c2: u32, // vec4s of skip
  o4: u32, // vec4s of y
  pad_top: i32,
  pad_left: i32,
  out_scale: f32,
  strips: u32, // of 4 pixels, in all: N OH ceil(OW / 4)
}

// block reads 4 inputs (columns) x 4 outputs (rows).
fn block(b: u32) -> mat4x4<f32> {
  if WEIGHTS == 2u {
    let q = w[b];
    return mat4x4<f32>(unpack4x8snorm(q.x), unpack4x8snorm(q.y), unpack4x8snorm(q.z), unpack4x8snorm(q.w));
  }
  if WEIGHTS == 1u {
    let u = w[2u * b];
    let v = w[2u * b + 1u];
    return mat4x4<f32>(
      vec4<f32>(unpack2x16float(u.x), unpack2x16float(u.y)), vec4<f32>(unpack2x16float(u.z), unpack2x16float(u.w)),
      vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)), vec4<f32>(unpack2x16float(v.z), unpack2x16float(v.w)));
  }
  return mat4x4<f32>(
    bitcast<vec4<f32>>(w[4u * b]), bitcast<vec4<f32>>(w[4u * b + 1u]),
    bitcast<vec4<f32>>(w[4u * b + 2u]), bitcast<vec4<f32>>(w[4u * b + 3u]));
}

// erf by Abramowitz and Stegun 7.1.26, absolute error below 1.5e-7.
fn erf(v: vec4<f32>) -> vec4<f32> {
  let a = abs(v);
  let t = 1.0 / (1.0 + 0.3275911 * a);
  let poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return sign(v) * (1.0 - poly * exp(-a * a));
}

fn finish(acc: vec4<f32>, o: u32, n: u32, at: u32) {
  var v = acc;
  if WEIGHTS == 2u { v = v * (scale[o] * 127.0); }
  if HAS_BIAS { v += bias[o]; }
  if HAS_TIMEBIAS { v += timebias[n * p.o4 + o]; }
  if HAS_RESIDUAL { v += residual[at * p.o4 + o]; }
  v *= p.out_scale;
  if ACTIVATION == 1u { v = v / (1.0 + exp(-v)); }
  if ACTIVATION == 2u { v = 0.5 * v * (1.0 + erf(v * 0.7071067811865476)); }
  y[at * p.o4 + o] = v;
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let o = 2u * gid.x;
  let strip = gid.z * groups.y * 8u + gid.y;
  if o >= p.o4 || strip >= p.strips { return; }
  let per_row = (p.ow + 3u) / 4u;
  let ox = 4u * (strip % per_row);
  let row = strip / per_row;
  let oy = row % p.oh;
  let n = row / p.oh;

  var gh = p.h; // the grid that is convolved
  var gw = p.w;
  if UPSAMPLE == 2u { gh = p.oh; gw = p.ow; }
  let inputs = p.c1 + p.c2;
  let o_next = select(0u, KH * KW * inputs, o + 1u < p.o4); // from block o to o + 1

  var a0 = vec4<f32>(); var a1 = vec4<f32>(); var a2 = vec4<f32>(); var a3 = vec4<f32>();
  var b0 = vec4<f32>(); var b1 = vec4<f32>(); var b2 = vec4<f32>(); var b3 = vec4<f32>();
  for (var ky = 0u; ky < KH; ky++) {
    let iy = i32(oy * STRIDE + ky) - p.pad_top;
    if iy < 0 || iy >= i32(gh) { continue; }
    let line = (n * p.h + u32(iy) / UPSAMPLE) * p.w;
    for (var kx = 0u; kx < KW; kx++) {
      // Pixels outside are read at the border and multiplied by zero.
      let ix = vec4<i32>(i32(ox * STRIDE + kx) - p.pad_left) + vec4<i32>(0, i32(STRIDE), 2 * i32(STRIDE), 3 * i32(STRIDE));
      let last = vec4<i32>(i32(gw) - 1);
      let m = select(vec4<f32>(), vec4<f32>(1.0), (ix >= vec4<i32>()) & (ix <= last));
      let at = vec4<u32>(line) + vec4<u32>(clamp(ix, vec4<i32>(), last)) / UPSAMPLE;
      var b = ((o * KH + ky) * KW + kx) * inputs;
      let from_x = at * p.c1;
      for (var i = 0u; i < p.c1; i++) {
        let v0 = x[from_x.x + i] * m.x;
        let v1 = x[from_x.y + i] * m.y;
        let v2 = x[from_x.z + i] * m.z;
        let v3 = x[from_x.w + i] * m.w;
        let u = block(b);
        a0 += u * v0; a1 += u * v1; a2 += u * v2; a3 += u * v3;
        let v = block(b + o_next);
        b0 += v * v0; b1 += v * v1; b2 += v * v2; b3 += v * v3;
        b++;
      }
      if HAS_SKIP {
        let from_skip = at * p.c2;
        for (var i = 0u; i < p.c2; i++) {
          let v0 = skip[from_skip.x + i] * m.x;
          let v1 = skip[from_skip.y + i] * m.y;
          let v2 = skip[from_skip.z + i] * m.z;
          let v3 = skip[from_skip.w + i] * m.w;
          let u = block(b);
          a0 += u * v0; a1 += u * v1; a2 += u * v2; a3 += u * v3;
          let v = block(b + o_next);
          b0 += v * v0; b1 += v * v1; b2 += v * v2; b3 += v * v3;
          b++;
        }
      }
    }
  }

  let at = row * p.ow + ox;
  let pair = o + 1u < p.o4;
  finish(a0, o, n, at);
  if pair { finish(b0, o + 1u, n, at); }
  if ox + 1u < p.ow { finish(a1, o, n, at + 1u); if pair { finish(b1, o + 1u, n, at + 1u); } }
  if ox + 2u < p.ow { finish(a2, o, n, at + 2u); if pair { finish(b2, o + 1u, n, at + 2u); } }
  if ox + 3u < p.ow { finish(a3, o, n, at + 3u); if pair { finish(b3, o + 1u, n, at + 3u); } }
}
