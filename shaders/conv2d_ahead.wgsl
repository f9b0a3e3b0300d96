// The form for GPUs with little to do: the sum over taps and input channels is shared by 16
// invocations, and what each multiplies next is on its way meanwhile. See conv2d_strips.wgsl.

const SLICES = 16u; // of all taps' input channels

struct Loaded {
  v0: vec4<f32>, v1: vec4<f32>, v2: vec4<f32>, v3: vec4<f32>,
  times: vec4<f32>, // of each of the pixels
  a: Words,
  b: Words,
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let o = 2u * group.x;
  let strip = strip_of(group.y * STRIPS + lane / SLICES, group.z);
  let first = first_output(group.z);
  let inputs = p.c1 + p.c2;
  let all = KH * KW * inputs;
  let row = (first + o) * all; // of blocks
  let o_next = select(0u, all, o + 1u < p.o4); // from block o to o + 1
  let rounds = (all + SLICES - 1u) / SLICES;

  var sums: Sums;
  var next: Loaded;
  var at = lane % SLICES; // of all taps' inputs
  var i = at;             // of those of tap
  var tap = 0u;
  for (var round = 0u; round <= rounds; round++) {
    let now = next;
    while i >= inputs {
      i -= inputs;
      tap++;
    }
    if round < rounds {
      let pixels = pixels_of(strip, tap);
      next.times = select(vec4<f32>(), pixels.times, at < all);
      let b = row + min(at, all - 1u);
      next.a = words(b);
      next.b = words(b + o_next);
      if !HAS_SKIP || i < p.c1 {
        let k = pixels.at * p.c1 + vec4<u32>(i);
        next.v0 = x[k.x]; next.v1 = x[k.y]; next.v2 = x[k.z]; next.v3 = x[k.w];
      } else {
        let k = pixels.at * p.c2 + vec4<u32>(i - p.c1);
        next.v0 = skip[k.x]; next.v1 = skip[k.y]; next.v2 = skip[k.z]; next.v3 = skip[k.w];
      }
      at += SLICES;
      i += SLICES;
    }
    if round > 0u {
      let t = now.times;
      multiply_add(&sums, mat4x4<f32>(now.v0 * t.x, now.v1 * t.y, now.v2 * t.z, now.v3 * t.w), decoded(now.a), decoded(now.b));
    }
  }
  add_up(sums, lane, strip, first, o);
}
