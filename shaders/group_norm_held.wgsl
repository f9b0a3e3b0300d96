// A group norm, see group.wgsl, that reads its values once: they stay in the lanes'
// registers. For GPUs, where groups are few and each waits for memory.

override HELD: u32 = 1u; // vec4s of a lane, at least its share of a group

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let s = share(id, lane, p.per_group / 4u);
  var held: array<vec4<f32>, HELD>;
  var sum = vec4<f32>();
  var i = s.start;
  for (var k = 0u; k < HELD; k++) {
    held[k] = vec4<f32>();
    if i.pixel < s.end { held[k] = at(i.pixel, s.first + i.c); }
    sum += held[k];
    i = next(i, s);
  }
  let mean = total(lane, sum.x + sum.y + sum.z + sum.w) / s.count;
  sum = vec4<f32>();
  i = s.start;
  for (var k = 0u; k < HELD; k++) {
    let d = select(vec4<f32>(), held[k] - mean, i.pixel < s.end);
    sum += d * d;
    i = next(i, s);
  }
  let inv = inverseSqrt(total(lane, sum.x + sum.y + sum.z + sum.w) / s.count + p.eps);

  i = s.start;
  for (var k = 0u; k < HELD; k++) {
    if i.pixel < s.end { finish(i.pixel, s.first + i.c, (held[k] - mean) * inv, id.y, s.net); }
    i = next(i, s);
  }
}
