// y[r, c] = (x[r, c] - mean_r) / sqrt(variance_r + eps) gamma[c] + beta[c], over the
// channels of every row r.
//
// One workgroup per row, two passes.

@group(0) @binding(0) var<storage, read> x: array<f32>;           // [R, stride]
@group(0) @binding(1) var<storage, read> gamma: array<f32>;       // [C]
@group(0) @binding(2) var<storage, read> beta: array<f32>;        // [C]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;     // [R, stride]
@group(0) @binding(4) var<uniform> p: Params;

struct Params {
  rows: u32,
  c: u32,
  stride: u32,
  eps: f32,
}

const LANES = 64u;
var<workgroup> partial: array<f32, LANES>;

fn total(lane: u32, v: f32) -> f32 {
  partial[lane] = v;
  workgroupBarrier();
  var sum = 0.0;
  for (var i = 0u; i < LANES; i++) { sum += partial[i]; }
  workgroupBarrier();
  return sum;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = id.y * groups.x + id.x;
  if row >= p.rows { return; }
  let at = row * p.stride;
  var sum = 0.0;
  for (var c = lane; c < p.c; c += LANES) { sum += x[at + c]; }
  let mean = total(lane, sum) / f32(p.c);
  sum = 0.0;
  for (var c = lane; c < p.c; c += LANES) {
    let d = x[at + c] - mean;
    sum += d * d;
  }
  let inv = inverseSqrt(total(lane, sum) / f32(p.c) + p.eps);
  for (var c = lane; c < p.stride; c += LANES) {
    var v = 0.0;
    if c < p.c { v = (x[at + c] - mean) * inv * gamma[c] + beta[c]; }
    y[at + c] = v;
  }
}
