// stats[n, g] = (mean, 1 / sqrt(variance + eps)) over the pixels and the channels
// of group g of the concatenation of x and skip.
//
// One workgroup per (n, g); two passes, since a sum of squares loses the
// variance of features with a large mean.

override HAS_SKIP: bool = false;

@group(0) @binding(0) var<storage, read> x: array<f32>;             // [N, HW, stride1]
@group(0) @binding(1) var<storage, read> skip: array<f32>;          // [N, HW, stride2]
@group(0) @binding(2) var<storage, read_write> stats: array<f32>;   // [N, stride_stats], mean and inverse deviation by turns
@group(0) @binding(3) var<uniform> p: Params;

struct Params {
  n: u32,
  hw: u32,
  c1: u32,
  stride1: u32,
  stride2: u32,
  groups: u32,
  per_group: u32, // channels
  stride_stats: u32,
  eps: f32,
}

const LANES = 64u;
var<workgroup> partial: array<f32, LANES>;

fn value(n: u32, pixel: u32, c: u32) -> f32 {
  if HAS_SKIP {
    if c >= p.c1 { return skip[(n * p.hw + pixel) * p.stride2 + c - p.c1]; }
  }
  return x[(n * p.hw + pixel) * p.stride1 + c];
}

fn total(lane: u32, v: f32) -> f32 {
  partial[lane] = v;
  workgroupBarrier();
  var sum = 0.0;
  for (var i = 0u; i < LANES; i++) { sum += partial[i]; }
  workgroupBarrier();
  return sum;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let g = id.x;
  let n = id.y;
  let first = g * p.per_group;
  var sum = 0.0;
  for (var i = lane; i < p.hw; i += LANES) {
    for (var c = first; c < first + p.per_group; c++) { sum += value(n, i, c); }
  }
  let count = f32(p.hw * p.per_group);
  let mean = total(lane, sum) / count;
  sum = 0.0;
  for (var i = lane; i < p.hw; i += LANES) {
    for (var c = first; c < first + p.per_group; c++) {
      let d = value(n, i, c) - mean;
      sum += d * d;
    }
  }
  let variance = total(lane, sum) / count;
  if lane == 0u {
    stats[n * p.stride_stats + 2u * g] = mean;
    stats[n * p.stride_stats + 2u * g + 1u] = inverseSqrt(variance + p.eps);
  }
}
