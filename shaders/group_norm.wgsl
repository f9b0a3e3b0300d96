// y[n, i, c] = act((x[n, i, c] - mean) / sqrt(variance + eps) gamma[c] + beta[c]), mean and
// variance over the pixels and channels of the group of c; with HAS_SCALE_SHIFT that
// times (1 + scale[n, c]) plus shift[n, c] before the activation. x is followed by
// skip along the channels.
//
// One workgroup per (group, n), three passes over its values, which caches hold: a
// sum of squares instead of the second would lose the variance of features with a
// large mean.

override LANES: u32 = 32u;   // of a workgroup, a multiple of 8
override QUADS: bool = true; // groups and x are multiples of 4 channels wide
override HAS_SKIP: bool = false;
override HAS_SCALE_SHIFT: bool = false;
override SILU: bool = false;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;           // [N, HW, stride1]
@group(0) @binding(1) var<storage, read> skip: array<vec4<f32>>;        // [N, HW, stride2]
@group(0) @binding(2) var<storage, read> gamma: array<vec4<f32>>;       // [networks, C/4]
@group(0) @binding(3) var<storage, read> beta: array<vec4<f32>>;        // [networks, C/4]
@group(0) @binding(4) var<storage, read> scale_shift: array<vec4<f32>>; // [N, stride_ss], from offset_ss: C scales, then C shifts
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;     // [N, HW, stride]
@group(0) @binding(6) var<uniform> p: Params;

struct Params { // strides in vec4s
  hw: u32,
  c: u32,
  c1: u32, // of x
  stride1: u32,
  stride2: u32,
  stride_ss: u32,
  offset_ss: u32,
  stride: u32,
  per_group: u32, // channels
  eps: f32,
  samples: u32, // of a network
  nets: u32,    // 4 bits each: the launch's networks among those of gamma and beta
}

const SPAN = 8u;              // lanes whose values the first level of a total adds up
const STRIPES = LANES / SPAN;
var<workgroup> partial: array<f32, LANES>;
var<workgroup> stripe: array<f32, STRIPES>;

// total adds up the values of all lanes.
fn total(lane: u32, v: f32) -> f32 {
  partial[lane] = v;
  workgroupBarrier();
  if lane < STRIPES {
    var sum = 0.0;
    for (var i = 0u; i < SPAN; i++) { sum += partial[lane * SPAN + i]; }
    stripe[lane] = sum;
  }
  workgroupBarrier();
  var sum = 0.0;
  for (var i = 0u; i < STRIPES; i++) { sum += stripe[i]; }
  return sum;
}

// quad reads channels 4c to 4c + 3 of a pixel, single reads channel c.
fn quad(pixel: u32, c: u32) -> vec4<f32> {
  if HAS_SKIP {
    if c >= p.stride1 { return skip[pixel * p.stride2 + c - p.stride1]; }
  }
  return x[pixel * p.stride1 + c];
}

fn single(pixel: u32, c: u32) -> f32 {
  if HAS_SKIP {
    if c >= p.c1 { return skip[pixel * p.stride2 + (c - p.c1) / 4u][(c - p.c1) % 4u]; }
  }
  return x[pixel * p.stride1 + c / 4u][c % 4u];
}

// Item is a pixel and a channel of the group, or a quad of them. next is that
// LANES further on, without a division.
struct Item {
  pixel: u32,
  c: u32,
}

fn next(i: Item, stride: Item, width: u32) -> Item {
  let to = Item(i.pixel + stride.pixel, i.c + stride.c);
  if to.c >= width { return Item(to.pixel + 1u, to.c - width); }
  return to;
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  var width = p.per_group; // items of a pixel
  if QUADS { width /= 4u; }
  let first = id.x * width;
  let start = Item(id.y * p.hw + lane / width, lane % width);
  let stride = Item(LANES / width, LANES % width);
  let end = (id.y + 1u) * p.hw;
  let count = f32(p.hw * p.per_group);
  let net = ((p.nets >> (4u * (id.y / p.samples))) & 15u) * p.stride; // of gamma and beta

  var sum = vec4<f32>();
  for (var i = start; i.pixel < end; i = next(i, stride, width)) {
    if QUADS { sum += quad(i.pixel, first + i.c); } else { sum.x += single(i.pixel, first + i.c); }
  }
  let mean = total(lane, sum.x + sum.y + sum.z + sum.w) / count;
  sum = vec4<f32>();
  for (var i = start; i.pixel < end; i = next(i, stride, width)) {
    if QUADS {
      let d = quad(i.pixel, first + i.c) - mean;
      sum += d * d;
    } else {
      let d = single(i.pixel, first + i.c) - mean;
      sum.x += d * d;
    }
  }
  let inv = inverseSqrt(total(lane, sum.x + sum.y + sum.z + sum.w) / count + p.eps);

  for (var i = start; i.pixel < end; i = next(i, stride, width)) {
    let c = first + i.c;
    if QUADS {
      var v = (quad(i.pixel, c) - mean) * inv * gamma[net + c] + beta[net + c];
      if HAS_SCALE_SHIFT {
        let at = id.y * p.stride_ss + p.offset_ss + c;
        v = v * (1.0 + scale_shift[at]) + scale_shift[at + p.c / 4u];
      }
      if SILU { v = v / (1.0 + exp(-v)); }
      y[i.pixel * p.stride + c] = v;
    } else {
      var v = (single(i.pixel, c) - mean) * inv * gamma[net + c / 4u][c % 4u] + beta[net + c / 4u][c % 4u];
      if HAS_SCALE_SHIFT {
        let at = 4u * (id.y * p.stride_ss + p.offset_ss) + c;
        v = v * (1.0 + scale_shift[at / 4u][at % 4u]) + scale_shift[(at + p.c) / 4u][(at + p.c) % 4u];
      }
      if SILU { v = v / (1.0 + exp(-v)); }
      y[i.pixel * p.stride + c / 4u][c % 4u] = v;
    }
  }
  // The last group clears the padding.
  if !QUADS && first + width == p.c {
    for (var i = id.y * p.hw + lane; i < end; i += LANES) {
      for (var c = p.c; c < 4u * p.stride; c++) { y[i * p.stride + c / 4u][c % 4u] = 0.0; }
    }
  }
}
