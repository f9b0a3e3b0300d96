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

// Item is a pixel and a channel of the group, or a quad of them. next is that
// LANES further on, without a division.
struct Item {
  pixel: u32,
  c: u32,
}

fn next(i: Item, stride: Item, width: u32) -> Item {
  let to = Item(i.pixel + stride.pixel, i.c + stride.c);
  if to.c >= width { return Item(to.pixel + 1u, to.c - width); }
  return to;
}
