// y[n, oy, ox, o] = act((scale[o] sum_{ky, kx, i} w[o, i, ky, kx] x[n, iy, ix, i]
//                        + bias[o] + timebias[n, o] + residual[n, oy, ox, o]) out_scale)
// iy = oy STRIDE + ky - pad_top, ix = ox STRIDE + kx - pad_left, zero outside.
//
// Several networks of the same shapes in one launch: samples are followed by those of
// the next network, which has weights, scales and biases of its own.
//
// Convolution and linear layer (KH = KW = 1) in one. i runs over the channels of
// x, then of skip: a concatenation that is never written. With upsample 2 the
// input is the nearest-neighbour enlargement of x to the size of y.
//
// This file stands in front of each of the kernel's forms, which differ in who
// computes what: conv2d_winograd and conv2d_uniform for software adapters,
// conv2d_direct and conv2d_ahead for GPUs.

override KH: u32 = 3u;
override KW: u32 = 3u;
override STRIDE: u32 = 1u;
override WEIGHTS: u32 = 0u;      // 0 f32, 1 f16, 2 int8 with scale
override ACTIVATION: u32 = 0u;   // 0 none, 1 SiLU, 2 GELU (erf)
override HAS_SKIP: bool = false;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;         // [N, H, W, C1/4]
@group(0) @binding(1) var<storage, read> skip: array<vec4<f32>>;      // [N, H, W, C2/4]
@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;         // [networks, O/4, KH, KW, C1/4 + C2/4] blocks, see PackWeights
@group(0) @binding(3) var<storage, read> scale: array<vec4<f32>>;     // [networks, O/4]
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;      // [networks, O/4]
@group(0) @binding(5) var<storage, read> timebias: array<vec4<f32>>;  // [N, time_stride], from time_offset
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
  strips: u32, // of 4 pixels of a row of a network: samples OH ceil(OW / 4)
  time_stride: u32, // vec4s of a row of timebias
  time_offset: u32,
  samples: u32, // of a network
  nets: u32,    // 4 bits each: the launch's networks among those of w
  zoom: u32, // binary logarithm of upsample
  gh: u32, // the grid that is convolved: x's, or with upsample 2 y's
  gw: u32,
  adds: u32, // 1 bias, 2 timebias, 4 residual
}

// int8s are the four weights of a word, times 1, 256, 256^2 and 256^3; all but the highest
// byte are stored with 128 added. Each becomes the low bits of 2^23 in such units, without
// conversions (a GPU has fewer units for these; alone it changed no time on an H200) and
// with few shifts, which are slow on SwiftShader.
fn int8s(q: u32) -> vec4<f32> {
  return vec4<f32>(
    bitcast<f32>((q & 0xffu) | 0x4b000000u) - 8388736.0,
    bitcast<f32>((q & 0xff00u) | 0x4b000000u) - 8421376.0,
    bitcast<f32>(((q >> 16u) & 0xffu) | 0x53000000u) - 549764202496.0,
    bitcast<f32>(((q >> 24u) ^ 0x80u) | 0x57000000u) - 140739635838976.0);
}
const INT8_UNITS = vec4<f32>(1.0, 0.00390625, 0.0000152587890625, 0.000000059604644775390625);

// Words are a block as it is stored, 4 inputs x 4 outputs: int8 needs only a, f16 a and b.
struct Words { a: vec4<u32>, b: vec4<u32>, c: vec4<u32>, d: vec4<u32> }

fn words(b: u32) -> Words {
  if WEIGHTS == 2u { return Words(w[b], vec4<u32>(), vec4<u32>(), vec4<u32>()); }
  if WEIGHTS == 1u { return Words(w[2u * b], w[2u * b + 1u], vec4<u32>(), vec4<u32>()); }
  return Words(w[4u * b], w[4u * b + 1u], w[4u * b + 2u], w[4u * b + 3u]);
}

// decoded makes columns of a block's inputs and rows of its outputs.
fn decoded(q: Words) -> mat4x4<f32> {
  if WEIGHTS == 2u { return mat4x4<f32>(int8s(q.a.x), int8s(q.a.y), int8s(q.a.z), int8s(q.a.w)); }
  if WEIGHTS == 1u {
    return mat4x4<f32>(
      vec4<f32>(unpack2x16float(q.a.x), unpack2x16float(q.a.y)), vec4<f32>(unpack2x16float(q.a.z), unpack2x16float(q.a.w)),
      vec4<f32>(unpack2x16float(q.b.x), unpack2x16float(q.b.y)), vec4<f32>(unpack2x16float(q.b.z), unpack2x16float(q.b.w)));
  }
  return mat4x4<f32>(bitcast<vec4<f32>>(q.a), bitcast<vec4<f32>>(q.b), bitcast<vec4<f32>>(q.c), bitcast<vec4<f32>>(q.d));
}

fn block(b: u32) -> mat4x4<f32> { return decoded(words(b)); }

// first_output is where a network's outputs begin among all networks'.
fn first_output(z: u32) -> u32 { return ((p.nets >> (4u * z)) & 15u) * p.o4; }

// outs_of_group is how many invocations of a workgroup make the same tile's outputs, a power of two: few where there are many tiles.
fn outs_of_group(tiles: u32, lanes: u32) -> u32 { return 1u << firstLeadingBit(lanes / min(tiles, lanes)); }

// finish writes vec4 o of sample n's outputs at a pixel; its network's begin at first.
fn finish(acc: vec4<f32>, first: u32, o: u32, n: u32, at: u32) {
  var v = acc;
  if WEIGHTS == 2u { v *= scale[first + o] * INT8_UNITS; }
  if (p.adds & 1u) != 0u { v += bias[first + o]; }
  if (p.adds & 2u) != 0u { v += timebias[n * p.time_stride + p.time_offset + o]; }
  if (p.adds & 4u) != 0u { v += residual[at * p.o4 + o]; }
  v *= p.out_scale;
  if ACTIVATION == 1u { v = v / (1.0 + exp(-v)); }
  if ACTIVATION == 2u { v = 0.5 * v * (1.0 + erf(v * 0.7071067811865476)); }
  y[at * p.o4 + o] = v;
}
