// The form for GPUs with much to do: two strips in an invocation, so that weights are read
// and decoded once for 8 pixels. See conv2d_strips.wgsl.

const SLICES = 8u; // of each tap's input channels

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let o = 2u * group.x;
  let strip0 = strip_of((2u * group.y) * STRIPS + lane / SLICES, group.z);
  let strip1 = strip_of((2u * group.y + 1u) * STRIPS + lane / SLICES, group.z);
  let first = first_output(group.z);
  let inputs = p.c1 + p.c2;
  let o_next = select(0u, KH * KW * inputs, o + 1u < p.o4); // from block o to o + 1

  var sums0: Sums;
  var sums1: Sums;
  for (var tap = 0u; tap < KH * KW; tap++) {
    let p0 = pixels_of(strip0, tap);
    let p1 = pixels_of(strip1, tap);
    let row = ((first + o) * KH * KW + tap) * inputs; // of blocks
    let x0 = p0.at * p.c1;
    let x1 = p1.at * p.c1;
    for (var i = lane % SLICES; i < p.c1; i += SLICES) {
      let a = block(row + i);
      let b = block(row + i + o_next);
      multiply_add(&sums0, mat4x4<f32>(x[x0.x + i] * p0.times.x, x[x0.y + i] * p0.times.y, x[x0.z + i] * p0.times.z, x[x0.w + i] * p0.times.w), a, b);
      multiply_add(&sums1, mat4x4<f32>(x[x1.x + i] * p1.times.x, x[x1.y + i] * p1.times.y, x[x1.z + i] * p1.times.z, x[x1.w + i] * p1.times.w), a, b);
    }
    if HAS_SKIP {
      let k0 = p0.at * p.c2;
      let k1 = p1.at * p.c2;
      for (var i = lane % SLICES; i < p.c2; i += SLICES) {
        let a = block(row + p.c1 + i);
        let b = block(row + p.c1 + i + o_next);
        multiply_add(&sums0, mat4x4<f32>(skip[k0.x + i] * p0.times.x, skip[k0.y + i] * p0.times.y, skip[k0.z + i] * p0.times.z, skip[k0.w + i] * p0.times.w), a, b);
        multiply_add(&sums1, mat4x4<f32>(skip[k1.x + i] * p1.times.x, skip[k1.y + i] * p1.times.y, skip[k1.z + i] * p1.times.z, skip[k1.w + i] * p1.times.w), a, b);
      }
    }
  }
  add_up(sums0, lane, strip0, first, o);
  add_up(sums1, lane, strip1, first, o);
}
