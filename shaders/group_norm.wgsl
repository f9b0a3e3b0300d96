// y[n, i, c] = act((x[n, i, c] - mean) / sqrt(variance + eps) gamma[c] + beta[c]), mean and
// variance over the pixels and channels of the group of c; with HAS_SCALE_SHIFT that
// times (1 + scale[n, c]) plus shift[n, c] before the activation. x is followed by
// skip along the channels.
//
// One workgroup per (group, n), three passes over its values, which caches hold: a
// sum of squares instead of the second would lose the variance of features with a
// large mean.

override QUADS: bool = true; // groups and x are multiples of 4 channels wide
override HAS_SKIP: bool = false;
override HAS_SCALE_SHIFT: bool = false;
override SILU: bool = false;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;           // [N, HW, stride1]
@group(0) @binding(1) var<storage, read> skip: array<vec4<f32>>;        // [N, HW, stride2]
@group(0) @binding(2) var<storage, read> gamma: array<vec4<f32>>;       // [C/4]
@group(0) @binding(3) var<storage, read> beta: array<vec4<f32>>;        // [C/4]
@group(0) @binding(4) var<storage, read> scale_shift: array<vec4<f32>>; // [N, stride_ss]: C scales, then C shifts
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;     // [N, HW, stride]
@group(0) @binding(6) var<uniform> p: Params;

struct Params { // strides in vec4s
  hw: u32,
  c: u32,
  c1: u32, // of x
  stride1: u32,
  stride2: u32,
  stride_ss: u32,
  stride: u32,
  per_group: u32, // channels
  eps: f32,
}

const LANES = 128u;
const STRIPES = 16u; // partial sums of the first level of a total
const SPAN = 8u;     // lanes of a stripe
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

// quad reads the 4 channels from c of a pixel.
fn quad(pixel: u32, c: u32) -> vec4<f32> {
  if HAS_SKIP {
    if c >= p.c1 { return skip[pixel * p.stride2 + (c - p.c1) / 4u]; }
  }
  return x[pixel * p.stride1 + c / 4u];
}

fn single(pixel: u32, c: u32) -> f32 {
  if HAS_SKIP {
    if c >= p.c1 { return skip[pixel * p.stride2 + (c - p.c1) / 4u][(c - p.c1) % 4u]; }
  }
  return x[pixel * p.stride1 + c / 4u][c % 4u];
}

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let first = id.x * p.per_group;
  let pixels = id.y * p.hw;
  var width = p.per_group; // items of a pixel: channels, or quads of them
  if QUADS { width /= 4u; }
  let items = p.hw * width;
  let count = f32(p.hw * p.per_group);

  var sum = vec4<f32>();
  for (var i = lane; i < items; i += LANES) {
    if QUADS { sum += quad(pixels + i / width, first + i % width * 4u); } else { sum.x += single(pixels + i / width, first + i % width); }
  }
  let mean = total(lane, sum.x + sum.y + sum.z + sum.w) / count;
  sum = vec4<f32>();
  for (var i = lane; i < items; i += LANES) {
    if QUADS {
      let d = quad(pixels + i / width, first + i % width * 4u) - mean;
      sum += d * d;
    } else {
      let d = single(pixels + i / width, first + i % width) - mean;
      sum.x += d * d;
    }
  }
  let inv = inverseSqrt(total(lane, sum.x + sum.y + sum.z + sum.w) / count + p.eps);

  for (var i = lane; i < items; i += LANES) {
    let pixel = pixels + i / width;
    if QUADS {
      let c = first / 4u + i % width;
      var v = (quad(pixel, 4u * c) - mean) * inv * gamma[c] + beta[c];
      if HAS_SCALE_SHIFT {
        let at = id.y * p.stride_ss + c;
        v = v * (1.0 + scale_shift[at]) + scale_shift[at + p.c / 4u];
      }
      if SILU { v = v / (1.0 + exp(-v)); }
      y[pixel * p.stride + c] = v;
    } else {
      let c = first + i % width;
      var v = (single(pixel, c) - mean) * inv * gamma[c / 4u][c % 4u] + beta[c / 4u][c % 4u];
      if HAS_SCALE_SHIFT {
        let at = 4u * id.y * p.stride_ss + c;
        v = v * (1.0 + scale_shift[at / 4u][at % 4u]) + scale_shift[(at + p.c) / 4u][(at + p.c) % 4u];
      }
      if SILU { v = v / (1.0 + exp(-v)); }
      y[pixel * p.stride + c / 4u][c % 4u] = v;
    }
  }
  // The last group clears the padding.
  if !QUADS && first + p.per_group == p.c {
    for (var i = lane; i < p.hw; i += LANES) {
      for (var c = p.c; c < 4u * p.stride; c++) { y[(pixels + i) * p.stride + c / 4u][c % 4u] = 0.0; }
    }
  }
}
