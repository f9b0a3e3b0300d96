// y[n, i, c] = act((x[n, i, c] - mean) inv gamma[c] + beta[c]), with mean and inv of
// the group of c; with HAS_SCALE_SHIFT that times (1 + scale[n, c]) plus shift[n, c]
// before the activation. x is followed by skip along the channels.

override HAS_SKIP: bool = false;
override HAS_SCALE_SHIFT: bool = false;
override SILU: bool = false;

@group(0) @binding(0) var<storage, read> x: array<f32>;             // [N, HW, stride1]
@group(0) @binding(1) var<storage, read> skip: array<f32>;          // [N, HW, stride2]
@group(0) @binding(2) var<storage, read> stats: array<f32>;         // [N, stride_stats]
@group(0) @binding(3) var<storage, read> gamma: array<vec4<f32>>;   // [C/4]
@group(0) @binding(4) var<storage, read> beta: array<vec4<f32>>;    // [C/4]
@group(0) @binding(5) var<storage, read> scale_shift: array<f32>;   // [N, stride_ss]: C scales, then C shifts
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>; // [N, HW, C/4]
@group(0) @binding(7) var<uniform> p: Params;

struct Params {
  n: u32,
  hw: u32,
  c: u32,
  c1: u32,
  stride1: u32,
  stride2: u32,
  per_group: u32,
  stride_stats: u32,
  stride_ss: u32,
  c4: u32,    // vec4s of y
  count: u32, // N HW c4
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = (id.y * groups.x + id.x) * 64u + lane;
  if i >= p.count { return; }
  let k = i % p.c4;
  let pixel = i / p.c4;
  let n = pixel / p.hw;
  let g = gamma[k];
  let b = beta[k];
  var v = vec4<f32>();
  for (var j = 0u; j < 4u; j++) {
    let c = 4u * k + j;
    if c >= p.c { break; } // padding stays zero
    var value = 0.0;
    if HAS_SKIP && c >= p.c1 {
      value = skip[pixel * p.stride2 + c - p.c1];
    } else {
      value = x[pixel * p.stride1 + c];
    }
    let s = n * p.stride_stats + 2u * (c / p.per_group);
    value = (value - stats[s]) * stats[s + 1u] * g[j] + b[j];
    if HAS_SCALE_SHIFT {
      value = value * (1.0 + scale_shift[n * p.stride_ss + c]) + scale_shift[n * p.stride_ss + p.c + c];
    }
    if SILU { value = value / (1.0 + exp(-value)); }
    v[j] = value;
  }
  y[i] = v;
}
