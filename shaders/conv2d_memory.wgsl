// The form for SwiftShader, found by reading the machine code that it makes. Its compiler
// gives 13 of the 16 registers to the values that a whole loop uses most, and loads and
// stores all others at every use; and a loop with hundreds of sums in it is so long that
// fetching its instructions is what takes the time. Here sums, pixels and weights lie in
// memory, and only the four sums of one pixel in registers, for all products of an
// iteration: half the instructions of conv2d_uniform. Branches would be run on both sides.
//
// An invocation makes 32 output channels of 8 pixels of each of ROWS rows.

override ROWS: u32 = 1u;  // 1 or 2
override TAPS: u32 = 1u;  // taps of a row in an iteration: KW where that is 3 and STRIDE is 1, else 1
override DEPTH: u32 = 1u; // vec4s of inputs in an iteration: 2 where TAPS is 1 and both sources have an even number

// A workgroup's invocations make as many tiles of the same channels, or of a single tile
// different ones. They are SwiftShader's SIMD lanes.
const LANES = 4u;

var<private> sums: array<vec4<f32>, 128>;   // [block][row][pixel]
var<private> pixels: array<vec4<f32>, 40>;  // [vec4 of inputs][row][pixel]
var<private> weights: array<vec4<f32>, 12>; // [tap or vec4 of inputs][input]

// Line is where the 8 or, for 3 taps, 10 pixels of a row lie, STRIDE apart: their numbers,
// and 1 or for pixels outside 0. Those are read at the border.
struct Line {
  a: vec4<u32>, b: vec4<u32>, c: vec2<u32>,
  in_a: vec4<f32>, in_b: vec4<f32>, in_c: vec2<f32>,
}

@compute @workgroup_size(4)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let per_row = (p.ow + 7u) / 8u;
  let per_sample = per_row * ((p.oh + ROWS - 1u) / ROWS);
  let outs = select(1u, LANES, p.samples * per_sample == 1u); // of a workgroup, times 32 channels
  let index = group.y * LANES / outs + lane / outs;
  let tile = min(index, p.samples * per_sample - 1u);
  let ox = 8u * (tile % per_row);
  let oy = ROWS * (tile % per_sample / per_row);
  let n = group.z * p.samples + tile / per_sample;
  let o = 8u * (group.x * outs + lane % outs);
  let first = first_output(group.z);
  let inputs = p.c1 + p.c2;

  // An index that is not known keeps an array in memory.
  pixels[p.n & 7u] = vec4<f32>();
  weights[p.n & 7u] = vec4<f32>();
  for (var ky = 0u; ky < KH; ky++) {
    for (var kx = 0u; kx < KW; kx += TAPS) {
      let upper = line(n, i32(oy * STRIDE + ky) - p.pad_top, i32(ox * STRIDE + kx) - p.pad_left);
      var lower = upper;
      if ROWS == 2u { lower = line(n, i32((oy + 1u) * STRIDE + ky) - p.pad_top, i32(ox * STRIDE + kx) - p.pad_left); }
      let at = ((first + o) * KH * KW + ky * KW + kx) * inputs;
      for (var i = 0u; i < p.c1; i += DEPTH) {
        of_x(0u, upper, i);
        if ROWS == 2u { of_x(10u, lower, i); }
        if DEPTH == 2u { of_x(20u, upper, i + 1u); }
        if DEPTH == 2u && ROWS == 2u { of_x(30u, lower, i + 1u); }
        add(0u, o, at + i);
        add(1u, o, at + i);
        add(2u, o, at + i);
        add(3u, o, at + i);
        add(4u, o, at + i);
        add(5u, o, at + i);
        add(6u, o, at + i);
        add(7u, o, at + i);
      }
      if HAS_SKIP {
        for (var i = 0u; i < p.c2; i += DEPTH) {
          of_skip(0u, upper, i);
          if ROWS == 2u { of_skip(10u, lower, i); }
          if DEPTH == 2u { of_skip(20u, upper, i + 1u); }
          if DEPTH == 2u && ROWS == 2u { of_skip(30u, lower, i + 1u); }
          add(0u, o, at + p.c1 + i);
          add(1u, o, at + p.c1 + i);
          add(2u, o, at + p.c1 + i);
          add(3u, o, at + p.c1 + i);
          add(4u, o, at + p.c1 + i);
          add(5u, o, at + p.c1 + i);
          add(6u, o, at + p.c1 + i);
          add(7u, o, at + p.c1 + i);
        }
      }
    }
  }

  if index != tile { return; }
  for (var k = 0u; k < 128u; k++) {
    let block = o + k / 16u;
    let row = k / 8u % 2u;
    let column = ox + k % 8u;
    if block < p.o4 && row < ROWS && oy + row < p.oh && column < p.ow {
      finish(sums[k], first, block, n, (n * p.oh + oy + row) * p.ow + column);
    }
  }
}

fn line(n: u32, iy: i32, ix: i32) -> Line {
  let bottom = i32(p.gh) - 1;
  let right = i32(p.gw) - 1;
  let start = (n * p.h + (u32(clamp(iy, 0, bottom)) >> p.zoom)) * p.w;
  let y_in = iy >= 0 && iy <= bottom;
  let s = i32(STRIDE);
  let a = vec4<i32>(ix) + vec4<i32>(0, s, 2 * s, 3 * s);
  let b = a + vec4<i32>(4 * s);
  let c = b.zw + vec2<i32>(2 * s);
  return Line(
    vec4<u32>(start) + (vec4<u32>(clamp(a, vec4<i32>(), vec4<i32>(right))) >> vec4<u32>(p.zoom)),
    vec4<u32>(start) + (vec4<u32>(clamp(b, vec4<i32>(), vec4<i32>(right))) >> vec4<u32>(p.zoom)),
    vec2<u32>(start) + (vec2<u32>(clamp(c, vec2<i32>(), vec2<i32>(right))) >> vec2<u32>(p.zoom)),
    select(vec4<f32>(), vec4<f32>(1.0), (a >= vec4<i32>()) & (a <= vec4<i32>(right)) & vec4<bool>(y_in)),
    select(vec4<f32>(), vec4<f32>(1.0), (b >= vec4<i32>()) & (b <= vec4<i32>(right)) & vec4<bool>(y_in)),
    select(vec2<f32>(), vec2<f32>(1.0), (c >= vec2<i32>()) & (c <= vec2<i32>(right)) & vec2<bool>(y_in)),
  );
}

// of_x reads vec4 i of a line's pixels.
fn of_x(to: u32, l: Line, i: u32) {
  let a = l.a * p.c1 + vec4<u32>(i);
  let b = l.b * p.c1 + vec4<u32>(i);
  pixels[to] = x[a.x] * l.in_a.x;
  pixels[to + 1u] = x[a.y] * l.in_a.y;
  pixels[to + 2u] = x[a.z] * l.in_a.z;
  pixels[to + 3u] = x[a.w] * l.in_a.w;
  pixels[to + 4u] = x[b.x] * l.in_b.x;
  pixels[to + 5u] = x[b.y] * l.in_b.y;
  pixels[to + 6u] = x[b.z] * l.in_b.z;
  pixels[to + 7u] = x[b.w] * l.in_b.w;
  if TAPS == 3u {
    pixels[to + 8u] = x[l.c.x * p.c1 + i] * l.in_c.x;
    pixels[to + 9u] = x[l.c.y * p.c1 + i] * l.in_c.y;
  }
}

fn of_skip(to: u32, l: Line, i: u32) {
  let a = l.a * p.c2 + vec4<u32>(i);
  let b = l.b * p.c2 + vec4<u32>(i);
  pixels[to] = skip[a.x] * l.in_a.x;
  pixels[to + 1u] = skip[a.y] * l.in_a.y;
  pixels[to + 2u] = skip[a.z] * l.in_a.z;
  pixels[to + 3u] = skip[a.w] * l.in_a.w;
  pixels[to + 4u] = skip[b.x] * l.in_b.x;
  pixels[to + 5u] = skip[b.y] * l.in_b.y;
  pixels[to + 6u] = skip[b.z] * l.in_b.z;
  pixels[to + 7u] = skip[b.w] * l.in_b.w;
  if TAPS == 3u {
    pixels[to + 8u] = skip[l.c.x * p.c2 + i] * l.in_c.x;
    pixels[to + 9u] = skip[l.c.y * p.c2 + i] * l.in_c.y;
  }
}

// add takes the pixels into the sums of block o + k, whose weights are as far at block
// o's, which begin at block at.
fn add(k: u32, o: u32, at: u32) {
  if o + k >= p.o4 { return; }
  let inputs = p.c1 + p.c2;
  let w = at + k * KH * KW * inputs;
  weigh(0u, w);
  if TAPS == 3u {
    weigh(4u, w + inputs);
    weigh(8u, w + 2u * inputs);
  }
  if DEPTH == 2u { weigh(4u, w + 1u); }
  row(16u * k, 0u);
  if ROWS == 2u { row(16u * k + 8u, 10u); }
}

fn weigh(to: u32, at: u32) {
  let w = block(at);
  weights[to] = w[0];
  weights[to + 1u] = w[1];
  weights[to + 2u] = w[2];
  weights[to + 3u] = w[3];
}

fn row(to: u32, at: u32) {
  pixel(to, at);
  pixel(to + 1u, at + 1u);
  pixel(to + 2u, at + 2u);
  pixel(to + 3u, at + 3u);
  pixel(to + 4u, at + 4u);
  pixel(to + 5u, at + 5u);
  pixel(to + 6u, at + 6u);
  pixel(to + 7u, at + 7u);
}

fn pixel(to: u32, at: u32) {
  var s = product(sums[to], 0u, at);
  if TAPS == 3u { s = product(product(s, 4u, at + 1u), 8u, at + 2u); }
  if DEPTH == 2u { s = product(s, 4u, at + 20u); }
  sums[to] = s;
}

fn product(s: vec4<f32>, w: u32, v: u32) -> vec4<f32> {
  var t = s;
  t += pixels[v].x * weights[w];
  t += pixels[v].y * weights[w + 1u];
  t += pixels[v].z * weights[w + 2u];
  t += pixels[v].w * weights[w + 3u];
  return t;
}
