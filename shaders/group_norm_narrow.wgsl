// A group norm, see group.wgsl, of any width. Groups share vec4s, and a write to one
// component of a vec4 may write all of them (WGSL, "memory locations"; Metal does):
// here all is of single floats.

@group(0) @binding(0) var<storage, read> x: array<f32>;           // [N, HW, 4 stride1]
@group(0) @binding(1) var<storage, read> skip: array<f32>;        // [N, HW, 4 stride2]
@group(0) @binding(2) var<storage, read> gamma: array<f32>;       // [networks, 4 stride]
@group(0) @binding(3) var<storage, read> beta: array<f32>;        // [networks, 4 stride]
@group(0) @binding(4) var<storage, read> scale_shift: array<f32>; // [N, 4 stride_ss], from 4 offset_ss: C scales, then C shifts
@group(0) @binding(5) var<storage, read_write> y: array<f32>;     // [N, HW, 4 stride]
@group(0) @binding(6) var<uniform> p: Params;

fn at(pixel: u32, c: u32) -> f32 {
  if HAS_SKIP {
    if c >= p.c1 { return skip[4u * pixel * p.stride2 + c - p.c1]; }
  }
  return x[4u * pixel * p.stride1 + c];
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let width = p.per_group;
  let first = id.x * width;
  let start = Item(id.y * p.hw + lane / width, lane % width);
  let stride = Item(LANES / width, LANES % width);
  let end = (id.y + 1u) * p.hw;
  let count = f32(p.hw * width);
  let net = 4u * ((p.nets >> (4u * (id.y / p.samples))) & 15u) * p.stride; // of gamma and beta

  var sum = 0.0;
  for (var i = start; i.pixel < end; i = next(i, stride, width)) { sum += at(i.pixel, first + i.c); }
  let mean = total(lane, sum) / count;
  sum = 0.0;
  for (var i = start; i.pixel < end; i = next(i, stride, width)) {
    let d = at(i.pixel, first + i.c) - mean;
    sum += d * d;
  }
  let inv = inverseSqrt(total(lane, sum) / count + p.eps);

  for (var i = start; i.pixel < end; i = next(i, stride, width)) {
    let c = first + i.c;
    var v = (at(i.pixel, c) - mean) * inv * gamma[net + c] + beta[net + c];
    if HAS_SCALE_SHIFT {
      let scale = 4u * (id.y * p.stride_ss + p.offset_ss) + c;
      v = v * (1.0 + scale_shift[scale]) + scale_shift[scale + p.c];
    }
    if SILU { v = v / (1.0 + exp(-v)); }
    y[4u * i.pixel * p.stride + c] = v;
  }
  // The last group clears the padding.
  if first + width == p.c {
    for (var i = id.y * p.hw + lane; i < end; i += LANES) {
      for (var c = p.c; c < 4u * p.stride; c++) { y[4u * i * p.stride + c] = 0.0; }
    }
  }
}
