// y[r, c] = x[r, c] gelu(x[r, C + c]), gelu(v) = v (1 + erf(v / sqrt 2)) / 2

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;         // [R, 2 C/4]
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;   // [R, C/4]
@group(0) @binding(2) var<uniform> p: Params;

struct Params {
  c4: u32,    // vec4s of a row of y
  count: u32, // R c4
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = (id.y * groups.x + id.x) * 64u + lane;
  if i >= p.count { return; }
  let at = i + i / p.c4 * p.c4; // rows of x are twice as wide
  let gate = x[at + p.c4];
  y[i] = 0.5 * x[at] * gate * (1.0 + erf(gate * 0.7071067811865476));
}
