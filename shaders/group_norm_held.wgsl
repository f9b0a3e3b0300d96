// A group norm, see group.wgsl, that reads its values once: they stay in the lanes'
// registers. For GPUs, where groups are few and each waits for memory.

override HELD: u32 = 1u; // vec4s of a lane, at least its share of a group

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let width = p.per_group / 4u; // items of a pixel
  let first = id.x * width;
  let start = Item(id.y * p.hw + lane / width, lane % width);
  let stride = Item(LANES / width, LANES % width);
  let end = (id.y + 1u) * p.hw;
  let count = f32(p.hw * p.per_group);
  let net = ((p.nets >> (4u * (id.y / p.samples))) & 15u) * p.stride; // of gamma and beta

  var held: array<vec4<f32>, HELD>;
  var sum = vec4<f32>();
  var i = start;
  for (var k = 0u; k < HELD; k++) {
    held[k] = vec4<f32>();
    if i.pixel < end { held[k] = at(i.pixel, first + i.c); }
    sum += held[k];
    i = next(i, stride, width);
  }
  let mean = total(lane, sum.x + sum.y + sum.z + sum.w) / count;
  sum = vec4<f32>();
  i = start;
  for (var k = 0u; k < HELD; k++) {
    let d = select(vec4<f32>(), held[k] - mean, i.pixel < end);
    sum += d * d;
    i = next(i, stride, width);
  }
  let inv = inverseSqrt(total(lane, sum.x + sum.y + sum.z + sum.w) / count + p.eps);

  i = start;
  for (var k = 0u; k < HELD; k++) {
    if i.pixel < end { finish(i.pixel, first + i.c, (held[k] - mean) * inv, id.y, net); }
    i = next(i, stride, width);
  }
}
