// The form for software adapters, which are bound by loads: an invocation makes 16
// output channels of 8 pixels of each of ROWS rows in registers, and a pixel that was
// loaded serves all three taps of a row. Nothing is left or skipped before the end, and
// what is written at the end is written in a loop: written out 64 times, it made these
// adapters' compilers take more than twice as long.
//
// lavapipe loads a vec4 in a loop over lanes, 35 instructions each: a third of the time.
// An invocation of 32 channels is 1.15 times as fast (SwiftShader: 1.1), and takes three
// times as long to compile, half a minute there.

override ROWS: u32 = 1u; // 1 or 2
override TAPS: u32 = 1u; // taps of a row made of one window: KW where that is 3 and STRIDE is 1, else 1

// A workgroup's invocations make as many tiles of the same channels, or of a single tile different ones.
const LANES = 8u;

// Line is where 8 pixels of a row lie, STRIDE apart, and the two to their right: their
// numbers, and 1 or for pixels outside 0. Those are read at the border.
struct Line {
  a: vec4<u32>, b: vec4<u32>, c: vec2<u32>,
  in_a: vec4<f32>, in_b: vec4<f32>, in_c: vec2<f32>,
}

// Window is 4 channels of a line's pixels.
struct Window { a: mat4x4<f32>, b: mat4x4<f32>, c: mat2x4<f32> }

// Tile is 4 channels of 8 pixels of the upper row, and of the lower.
struct Tile { a: mat4x4<f32>, b: mat4x4<f32>, c: mat4x4<f32>, d: mat4x4<f32> }

// Sums are the tiles of four output blocks.
struct Sums { a: Tile, b: Tile, c: Tile, d: Tile }

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let per_row = (p.ow + 7u) / 8u;
  let per_sample = per_row * ((p.oh + ROWS - 1u) / ROWS);
  let outs = select(1u, LANES, p.samples * per_sample == 1u); // of a workgroup, times 16 channels
  let index = group.y * LANES / outs + lane / outs;
  let tile = min(index, p.samples * per_sample - 1u);
  let ox = 8u * (tile % per_row);
  let oy = ROWS * (tile % per_sample / per_row);
  let n = group.z * p.samples + tile / per_sample;
  let o = 4u * (group.x * outs + lane % outs);
  let first = first_output(group.z);
  let inputs = p.c1 + p.c2;
  let o_step = KH * KW * inputs; // from block o to o + 1
  // Outputs beyond the last are made from its weights and dropped.
  let w_at = (vec4<u32>(first) + min(vec4<u32>(o, o + 1u, o + 2u, o + 3u), vec4<u32>(p.o4 - 1u))) * o_step;

  var sums = Sums();
  for (var ky = 0u; ky < KH; ky++) {
    for (var kx = 0u; kx < KW; kx += TAPS) {
      let upper = line(n, i32(oy * STRIDE + ky) - p.pad_top, i32(ox * STRIDE + kx) - p.pad_left);
      var lower = upper;
      if ROWS == 2u { lower = line(n, i32((oy + 1u) * STRIDE + ky) - p.pad_top, i32(ox * STRIDE + kx) - p.pad_left); }
      let tap = w_at + vec4<u32>((ky * KW + kx) * inputs);
      let upper_x = vectors(upper, p.c1);
      let lower_x = vectors(lower, p.c1);
      for (var i = 0u; i < p.c1; i++) {
        let u = of_x(upper_x, i);
        var v = u;
        if ROWS == 2u { v = of_x(lower_x, i); }
        sums = taps(sums, tap + vec4<u32>(i), u, v);
      }
      if HAS_SKIP {
        let upper_skip = vectors(upper, p.c2);
        let lower_skip = vectors(lower, p.c2);
        for (var i = 0u; i < p.c2; i++) {
          let u = of_skip(upper_skip, i);
          var v = u;
          if ROWS == 2u { v = of_skip(lower_skip, i); }
          sums = taps(sums, tap + vec4<u32>(p.c1 + i), u, v);
        }
      }
    }
  }

  if index != tile { return; }
  var all = array<mat4x4<f32>, 16>(
    sums.a.a, sums.a.b, sums.a.c, sums.a.d, sums.b.a, sums.b.b, sums.b.c, sums.b.d,
    sums.c.a, sums.c.b, sums.c.c, sums.c.d, sums.d.a, sums.d.b, sums.d.c, sums.d.d);
  for (var k = 0u; k < 64u; k++) {
    let block = o + k / 16u;
    let row = k / 8u % 2u;
    let column = ox + k % 8u;
    if block < p.o4 && row < ROWS && oy + row < p.oh && column < p.ow {
      finish(all[k / 4u][k % 4u], first, block, n, (n * p.oh + oy + row) * p.ow + column);
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

// vectors is a line of the vec4s, not the pixels, of a source that has so many a pixel.
fn vectors(l: Line, channels: u32) -> Line {
  return Line(l.a * channels, l.b * channels, l.c * channels, l.in_a, l.in_b, l.in_c);
}

fn of_x(l: Line, i: u32) -> Window {
  var w = Window();
  w.a = mat4x4<f32>(x[l.a.x + i], x[l.a.y + i], x[l.a.z + i], x[l.a.w + i]);
  w.b = mat4x4<f32>(x[l.b.x + i], x[l.b.y + i], x[l.b.z + i], x[l.b.w + i]);
  if TAPS == 3u { w.c = mat2x4<f32>(x[l.c.x + i], x[l.c.y + i]); }
  return inside(l, w);
}

fn of_skip(l: Line, i: u32) -> Window {
  var w = Window();
  w.a = mat4x4<f32>(skip[l.a.x + i], skip[l.a.y + i], skip[l.a.z + i], skip[l.a.w + i]);
  w.b = mat4x4<f32>(skip[l.b.x + i], skip[l.b.y + i], skip[l.b.z + i], skip[l.b.w + i]);
  if TAPS == 3u { w.c = mat2x4<f32>(skip[l.c.x + i], skip[l.c.y + i]); }
  return inside(l, w);
}

// inside is a window with zeros for the pixels outside.
fn inside(l: Line, w: Window) -> Window {
  return Window(
    mat4x4<f32>(w.a[0] * l.in_a.x, w.a[1] * l.in_a.y, w.a[2] * l.in_a.z, w.a[3] * l.in_a.w),
    mat4x4<f32>(w.b[0] * l.in_b.x, w.b[1] * l.in_b.y, w.b[2] * l.in_b.z, w.b[3] * l.in_b.w),
    mat2x4<f32>(w.c[0] * l.in_c.x, w.c[1] * l.in_c.y));
}

// taps adds the TAPS taps from the blocks at on.
fn taps(s: Sums, at: vec4<u32>, u: Window, v: Window) -> Sums {
  var t = tap(s, at, Tile(u.a, u.b, v.a, v.b));
  if TAPS == 3u {
    let next = vec4<u32>(p.c1 + p.c2);
    t = tap(t, at + next, Tile(
      mat4x4<f32>(u.a[1], u.a[2], u.a[3], u.b[0]), mat4x4<f32>(u.b[1], u.b[2], u.b[3], u.c[0]),
      mat4x4<f32>(v.a[1], v.a[2], v.a[3], v.b[0]), mat4x4<f32>(v.b[1], v.b[2], v.b[3], v.c[0])));
    t = tap(t, at + 2u * next, Tile(
      mat4x4<f32>(u.a[2], u.a[3], u.b[0], u.b[1]), mat4x4<f32>(u.b[2], u.b[3], u.c[0], u.c[1]),
      mat4x4<f32>(v.a[2], v.a[3], v.b[0], v.b[1]), mat4x4<f32>(v.b[2], v.b[3], v.c[0], v.c[1])));
  }
  return t;
}

fn tap(s: Sums, at: vec4<u32>, v: Tile) -> Sums {
  return Sums(add(s.a, block(at.x), v), add(s.b, block(at.y), v), add(s.c, block(at.z), v), add(s.d, block(at.w), v));
}

fn add(s: Tile, w: mat4x4<f32>, v: Tile) -> Tile {
  var t = s;
  t.a += w * v.a;
  t.b += w * v.b;
  if ROWS == 2u { t.c += w * v.c; t.d += w * v.d; }
  return t;
}
