// y[r, c] = x[r, c] gelu(x[r, C + c]), gelu(v) = v (1 + erf(v / sqrt 2)) / 2

@group(0) @binding(0) var<storage, read> x: array<f32>;               // [R, x_stride], 2C channels
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;   // [R, C/4]
@group(0) @binding(2) var<uniform> p: Params;

struct Params {
  c: u32,
  c4: u32, // vec4s of y
  x_stride: u32,
  count: u32, // R c4
}

// erf by Abramowitz and Stegun 7.1.26, absolute error below 1.5e-7.
fn erf(v: f32) -> f32 {
  let a = abs(v);
  let t = 1.0 / (1.0 + 0.3275911 * a);
  let poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return sign(v) * (1.0 - poly * exp(-a * a));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = (id.y * groups.x + id.x) * 64u + lane;
  if i >= p.count { return; }
  let at = i / p.c4 * p.x_stride;
  var out = vec4<f32>();
  for (var j = 0u; j < 4u; j++) {
    let c = 4u * (i % p.c4) + j;
    if c >= p.c { break; } // padding stays zero
    let g = x[at + p.c + c];
    out[j] = x[at + c] * 0.5 * g * (1.0 + erf(g * 0.7071067811865476));
  }
  y[i] = out;
}
