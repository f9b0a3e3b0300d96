// A group norm, see group.wgsl, in three passes over its values, which caches hold.

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let width = p.per_group / 4u; // items of a pixel
  let first = id.x * width;
  let start = Item(id.y * p.hw + lane / width, lane % width);
  let stride = Item(LANES / width, LANES % width);
  let end = (id.y + 1u) * p.hw;
  let count = f32(p.hw * p.per_group);
  let net = ((p.nets >> (4u * (id.y / p.samples))) & 15u) * p.stride; // of gamma and beta

  var sum = vec4<f32>();
  for (var i = start; i.pixel < end; i = next(i, stride, width)) { sum += at(i.pixel, first + i.c); }
  let mean = total(lane, sum.x + sum.y + sum.z + sum.w) / count;
  sum = vec4<f32>();
  for (var i = start; i.pixel < end; i = next(i, stride, width)) {
    let d = at(i.pixel, first + i.c) - mean;
    sum += d * d;
  }
  let inv = inverseSqrt(total(lane, sum.x + sum.y + sum.z + sum.w) / count + p.eps);

  for (var i = start; i.pixel < end; i = next(i, stride, width)) {
    finish(i.pixel, first + i.c, (at(i.pixel, first + i.c) - mean) * inv, id.y, net);
  }
}
