// What group_norm and group_norm_held share beyond group.wgsl: groups and x are multiples of 4
// channels wide, and an Item is a quad of channels.

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;           // [N, HW, stride1]
@group(0) @binding(1) var<storage, read> skip: array<vec4<f32>>;        // [N, HW, stride2]
@group(0) @binding(2) var<storage, read> gamma: array<vec4<f32>>;       // [networks, C/4]
@group(0) @binding(3) var<storage, read> beta: array<vec4<f32>>;        // [networks, C/4]
@group(0) @binding(4) var<storage, read> scale_shift: array<vec4<f32>>; // [N, stride_ss], from offset_ss: C scales, then C shifts
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;     // [N, HW, stride]
@group(0) @binding(6) var<uniform> p: Params;

// at reads channels 4c to 4c + 3 of a pixel.
fn at(pixel: u32, c: u32) -> vec4<f32> {
  if HAS_SKIP {
    if c >= p.stride1 { return skip[pixel * p.stride2 + c - p.stride1]; }
  }
  return x[pixel * p.stride1 + c];
}

// finish writes channels 4c to 4c + 3 of a pixel of sample n, whose network's gamma and beta begin at net.
fn finish(pixel: u32, c: u32, normal: vec4<f32>, n: u32, net: u32) {
  var v = normal * gamma[net + c] + beta[net + c];
  if HAS_SCALE_SHIFT {
    let scale = n * p.stride_ss + p.offset_ss + c;
    v = v * (1.0 + scale_shift[scale]) + scale_shift[scale + p.c / 4u];
  }
  if SILU { v = v / (1.0 + exp(-v)); }
  y[pixel * p.stride + c] = v;
}
