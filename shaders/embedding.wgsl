// y[n, l] = table[tokens[n, l]] + position[l]

@group(0) @binding(0) var<storage, read> tokens: array<vec4<u32>>;      // [N, L], id first
@group(0) @binding(1) var<storage, read> table: array<vec4<f32>>;       // [V, D/4]
@group(0) @binding(2) var<storage, read> position: array<vec4<f32>>;    // [L, D/4]
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;     // [N, L, D/4]
@group(0) @binding(4) var<uniform> p: Params;

struct Params {
  l: u32,
  v: u32,
  d4: u32,
  count: u32, // N L d4
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = (id.y * groups.x + id.x) * 64u + lane;
  if i >= p.count { return; }
  let row = i / p.d4;
  let d = i % p.d4;
  let id_of_row = min(tokens[row].x, p.v - 1u);
  y[i] = table[id_of_row * p.d4 + d] + position[row % p.l * p.d4 + d];
}
