// What conv2d_direct and conv2d_ahead share, the forms for GPUs: an invocation makes strips of 4
// pixels of a row x 8 output channels in registers, of a part of the sum, and the SLICES
// invocations that share a strip add theirs at the end. None waits for another before: on
// an H200 forms that shared their loads through workgroup memory were slower in nearly
// all layers, and it made no difference whether a workgroup's invocations read the same
// inputs or the same weights.

const INVOCATIONS = 64u;
const STRIPS = INVOCATIONS / SLICES; // at a time, of a workgroup
const STEP = 9u; // of 8 vec4s, and one by which lanes write to different banks
var<workgroup> partial: array<vec4<f32>, 576>; // [STRIPS, SLICES, STEP]

// Sums are of a strip's 4 pixels x the outputs of two blocks.
struct Sums {
  a0: vec4<f32>, a1: vec4<f32>, a2: vec4<f32>, a3: vec4<f32>,
  b0: vec4<f32>, b1: vec4<f32>, b2: vec4<f32>, b3: vec4<f32>,
}

fn multiply_add(s: ptr<function, Sums>, v: mat4x4<f32>, a: mat4x4<f32>, b: mat4x4<f32>) {
  (*s).a0 = fma4(a, v[0], (*s).a0); (*s).a1 = fma4(a, v[1], (*s).a1); (*s).a2 = fma4(a, v[2], (*s).a2); (*s).a3 = fma4(a, v[3], (*s).a3);
  (*s).b0 = fma4(b, v[0], (*s).b0); (*s).b1 = fma4(b, v[1], (*s).b1); (*s).b2 = fma4(b, v[2], (*s).b2); (*s).b3 = fma4(b, v[3], (*s).b3);
}

fn fma4(m: mat4x4<f32>, v: vec4<f32>, sum: vec4<f32>) -> vec4<f32> {
  return fma(m[3], vec4<f32>(v.w), fma(m[2], vec4<f32>(v.z), fma(m[1], vec4<f32>(v.y), fma(m[0], vec4<f32>(v.x), sum))));
}

// Strip is of 4 pixels from ox on.
struct Strip { inside: bool, ox: u32, oy: u32, row: u32, n: u32 }

fn strip_of(index: u32, z: u32) -> Strip {
  let strip = min(index, p.strips - 1u);
  let per_row = (p.ow + 3u) / 4u;
  let row = z * p.samples * p.oh + strip / per_row;
  return Strip(index < p.strips, 4u * (strip % per_row), row % p.oh, row, row / p.oh);
}

// Pixels are where a tap finds a strip's 4. Those outside are read at the border and multiplied by zero.
struct Pixels { at: vec4<u32>, times: vec4<f32> }

fn pixels_of(s: Strip, tap: u32) -> Pixels {
  let iy = i32(s.oy * STRIDE + tap / KW) - p.pad_top;
  let ix = vec4<i32>(i32(s.ox * STRIDE + tap % KW) - p.pad_left) + vec4<i32>(0, i32(STRIDE), 2 * i32(STRIDE), 3 * i32(STRIDE));
  let last = vec4<i32>(i32(p.gw) - 1);
  let line = (s.n * p.h + (u32(clamp(iy, 0, i32(p.gh) - 1)) >> p.zoom)) * p.w;
  let inside = (ix >= vec4<i32>()) & (ix <= last) & vec4<bool>(iy >= 0 && iy < i32(p.gh));
  return Pixels(vec4<u32>(line) + (vec4<u32>(clamp(ix, vec4<i32>(), last)) >> vec4<u32>(p.zoom)), select(vec4<f32>(), vec4<f32>(1.0), inside));
}

// add_up writes a strip's outputs from block o on; the invocation of slice s adds up the s-th of its 8 vec4s.
fn add_up(s: Sums, lane: u32, strip: Strip, first: u32, o: u32) {
  let slice = lane % SLICES;
  let mine = lane * STEP;
  workgroupBarrier(); // what was added up before is used up
  partial[mine] = s.a0; partial[mine + 1u] = s.a1; partial[mine + 2u] = s.a2; partial[mine + 3u] = s.a3;
  partial[mine + 4u] = s.b0; partial[mine + 5u] = s.b1; partial[mine + 6u] = s.b2; partial[mine + 7u] = s.b3;
  workgroupBarrier();
  let ox = strip.ox + slice % 4u;
  if slice >= 8u || !strip.inside || ox >= p.ow || o + slice / 4u >= p.o4 { return; }
  var sum = vec4<f32>();
  for (var k = 0u; k < SLICES; k++) { sum += partial[(lane / SLICES * SLICES + k) * STEP + slice]; }
  finish(sum, first, o + slice / 4u, strip.n, strip.row * p.ow + ox);
}
