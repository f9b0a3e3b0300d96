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
  let s = share(id, lane, p.per_group);
  var sum = 0.0;
  for (var i = s.start; i.pixel < s.end; i = next(i, s)) { sum += at(i.pixel, s.first + i.c); }
  let mean = total(lane, sum) / s.count;
  sum = 0.0;
  for (var i = s.start; i.pixel < s.end; i = next(i, s)) {
    let d = at(i.pixel, s.first + i.c) - mean;
    sum += d * d;
  }
  let inv = inverseSqrt(total(lane, sum) / s.count + p.eps);

  for (var i = s.start; i.pixel < s.end; i = next(i, s)) {
    let c = s.first + i.c;
    var v = (at(i.pixel, c) - mean) * inv * gamma[4u * s.net + c] + beta[4u * s.net + c];
    if HAS_SCALE_SHIFT {
      let scale = 4u * (id.y * p.stride_ss + p.offset_ss) + c;
      v = v * (1.0 + scale_shift[scale]) + scale_shift[scale + p.c];
    }
    if SILU { v = v / (1.0 + exp(-v)); }
    y[4u * i.pixel * p.stride + c] = v;
  }
  // The last group clears the padding.
  if s.first + s.width == p.c {
    for (var i = id.y * p.hw + lane; i < s.end; i += LANES) {
      for (var c = p.c; c < 4u * p.stride; c++) { y[4u * i * p.stride + c] = 0.0; }
    }
  }
}
