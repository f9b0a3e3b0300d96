// What group_norm, group_norm_held and group_norm_narrow share.
//
// y[n, i, c] = act((x[n, i, c] - mean) / sqrt(variance + eps) gamma[c] + beta[c]), mean and
// variance over the pixels and channels of the group of c; with HAS_SCALE_SHIFT that
// times (1 + scale[n, c]) plus shift[n, c] before the activation. x is followed by
// skip along the channels.
//
// One workgroup per (group, n). The mean comes before the variance: a sum of squares
// would lose what is small beside a large mean.

override LANES: u32 = 32u; // of a workgroup, a multiple of 8
override HAS_SKIP: bool = false;
override HAS_SCALE_SHIFT: bool = false;
override SILU: bool = false;

struct Params { // strides in vec4s
  hw: u32,
  c: u32,
  c1: u32, // of x
  stride1: u32,
  stride2: u32,
  stride_ss: u32,
  offset_ss: u32,
  stride: u32,
  per_group: u32, // channels
  eps: f32,
  samples: u32, // of a network
  nets: u32,    // 4 bits each: the launch's networks among those of gamma and beta
}

const SPAN = 8u;              // lanes whose values the first level of a total adds up
const STRIPES = LANES / SPAN;
var<workgroup> partial: array<f32, LANES>;
var<workgroup> stripe: array<f32, STRIPES>;

// total adds up the values of all lanes.
fn total(lane: u32, v: f32) -> f32 {
  partial[lane] = v;
  workgroupBarrier();
  if lane < STRIPES {
    var sum = 0.0;
    for (var i = 0u; i < SPAN; i++) { sum += partial[lane * SPAN + i]; }
    stripe[lane] = sum;
  }
  workgroupBarrier();
  var sum = 0.0;
  for (var i = 0u; i < STRIPES; i++) { sum += stripe[i]; }
  return sum;
}

// Item is a pixel and a channel of the group, or a quad of them.
struct Item {
  pixel: u32,
  c: u32,
}

// Share is a lane's of the items of group id.x in sample id.y.
struct Share {
  start: Item,
  stride: Item, // to its next item
  width: u32,   // items of a pixel
  end: u32,     // the pixel behind the last
  first: u32,   // item of the group among those of all channels
  count: f32,   // values of the group
  net: u32,     // where its network's gamma and beta begin, in vec4s
}

fn share(id: vec3<u32>, lane: u32, width: u32) -> Share {
  return Share(
    Item(id.y * p.hw + lane / width, lane % width), Item(LANES / width, LANES % width), width,
    (id.y + 1u) * p.hw, id.x * width, f32(p.hw * p.per_group), ((p.nets >> (4u * (id.y / p.samples))) & 15u) * p.stride);
}

// next is the item LANES further on, without a division.
fn next(i: Item, s: Share) -> Item {
  let to = Item(i.pixel + s.stride.pixel, i.c + s.stride.c);
  if to.c >= s.width { return Item(to.pixel + 1u, to.c - s.width); }
  return to;
}
