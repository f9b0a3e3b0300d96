// A group norm, see group.wgsl, in three passes over its values, which caches hold.

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let s = share(id, lane, p.per_group / 4u);
  var sum = vec4<f32>();
  for (var i = s.start; i.pixel < s.end; i = next(i, s)) { sum += at(i.pixel, s.first + i.c); }
  let mean = total(lane, sum.x + sum.y + sum.z + sum.w) / s.count;
  sum = vec4<f32>();
  for (var i = s.start; i.pixel < s.end; i = next(i, s)) {
    let d = at(i.pixel, s.first + i.c) - mean;
    sum += d * d;
  }
  let inv = inverseSqrt(total(lane, sum.x + sum.y + sum.z + sum.w) / s.count + p.eps);

  for (var i = s.start; i.pixel < s.end; i = next(i, s)) {
    finish(i.pixel, s.first + i.c, (at(i.pixel, s.first + i.c) - mean) * inv, id.y, s.net);
  }
}
