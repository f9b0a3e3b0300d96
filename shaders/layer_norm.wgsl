// y[r, c] = (x[r, c] - mean_r) / sqrt(variance_r + eps) gamma[c] + beta[c], over the
// channels of every row r.
//
// A workgroup takes 4 rows, 16 lanes each; two passes for the statistics.

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;       // [R, C/4]
@group(0) @binding(1) var<storage, read> gamma: array<vec4<f32>>;   // [networks, C/4]
@group(0) @binding(2) var<storage, read> beta: array<vec4<f32>>;    // [networks, C/4]
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>; // [R, C/4]
@group(0) @binding(4) var<uniform> p: Params;

struct Params {
  rows: u32,
  c: u32,
  c4: u32, // vec4s of a row
  eps: f32,
  samples: u32, // rows of a network
  nets: u32,    // 4 bits each: the launch's networks among those of gamma and beta
}

const LANES = 16u; // of a row
var<workgroup> partial: array<f32, 64>;

// total adds up the values of a row's lanes.
fn total(lane: u32, v: vec4<f32>) -> f32 {
  partial[lane] = v.x + v.y + v.z + v.w;
  workgroupBarrier();
  var sum = 0.0;
  for (var i = 0u; i < LANES; i++) { sum += partial[lane / LANES * LANES + i]; }
  workgroupBarrier();
  return sum;
}

// inside is 1 for channels and 0 for padding.
fn inside(i: u32) -> vec4<f32> {
  return select(vec4<f32>(), vec4<f32>(1.0), vec4<u32>(4u * i) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(p.c));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = (id.y * groups.x + id.x) * 4u + lane / LANES;
  let at = min(row, p.rows - 1u) * p.c4; // all lanes meet at the barriers
  let first = lane % LANES;
  var sum = vec4<f32>();
  for (var i = first; i < p.c4; i += LANES) { sum += x[at + i]; }
  let mean = total(lane, sum) / f32(p.c);
  sum = vec4<f32>();
  for (var i = first; i < p.c4; i += LANES) {
    let d = (x[at + i] - mean) * inside(i);
    sum += d * d;
  }
  let inv = inverseSqrt(total(lane, sum) / f32(p.c) + p.eps);
  if row >= p.rows { return; }
  let net = ((p.nets >> (4u * (row / p.samples))) & 15u) * p.c4; // of gamma and beta
  for (var i = first; i < p.c4; i += LANES) {
    y[at + i] = ((x[at + i] - mean) * inv * gamma[net + i] + beta[net + i]) * inside(i);
  }
}
