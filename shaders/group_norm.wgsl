// A group norm, see group.wgsl, whose groups and x are multiples of 4 channels wide.
// With HELD the values are read once, so many vec4s by every lane, and stay in its
// registers: for GPUs, where groups are few and each waits for memory.

override HELD: u32 = 0u; // at least a lane's share of a group; 0: read anew in each pass
const ROOM = HELD + 1u;   // an array has an element

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

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let width = p.per_group / 4u; // items of a pixel
  let first = id.x * width;
  let start = Item(id.y * p.hw + lane / width, lane % width);
  let stride = Item(LANES / width, LANES % width);
  let end = (id.y + 1u) * p.hw;
  let count = f32(p.hw * p.per_group);
  let net = ((p.nets >> (4u * (id.y / p.samples))) & 15u) * p.stride; // of gamma and beta

  var held: array<vec4<f32>, ROOM>;
  var sum = vec4<f32>();
  var i = start;
  if HELD > 0u {
    for (var k = 0u; k < HELD; k++) {
      held[k] = vec4<f32>();
      if i.pixel < end { held[k] = at(i.pixel, first + i.c); }
      sum += held[k];
      i = next(i, stride, width);
    }
  } else {
    for (; i.pixel < end; i = next(i, stride, width)) { sum += at(i.pixel, first + i.c); }
  }
  let mean = total(lane, sum.x + sum.y + sum.z + sum.w) / count;
  sum = vec4<f32>();
  i = start;
  if HELD > 0u {
    for (var k = 0u; k < HELD; k++) {
      let d = select(vec4<f32>(), held[k] - mean, i.pixel < end);
      sum += d * d;
      i = next(i, stride, width);
    }
  } else {
    for (; i.pixel < end; i = next(i, stride, width)) {
      let d = at(i.pixel, first + i.c) - mean;
      sum += d * d;
    }
  }
  let inv = inverseSqrt(total(lane, sum.x + sum.y + sum.z + sum.w) / count + p.eps);

  i = start;
  if HELD > 0u {
    for (var k = 0u; k < HELD; k++) {
      if i.pixel < end { finish(i.pixel, first + i.c, (held[k] - mean) * inv, id.y, net); }
      i = next(i, stride, width);
    }
  } else {
    for (; i.pixel < end; i = next(i, stride, width)) {
      finish(i.pixel, first + i.c, (at(i.pixel, first + i.c) - mean) * inv, id.y, net);
    }
  }
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
