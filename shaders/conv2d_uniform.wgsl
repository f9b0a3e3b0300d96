// The form for software adapters, but for 3x3 convolutions of stride 1: an invocation
// makes 16 output channels of 8 pixels of a row in registers. As conv2d_winograd it leaves
// and skips nothing before the end, and writes in a loop.

// A workgroup's invocations make as many tiles of the same channels, or of few tiles different ones.
const LANES = 8u;

// Line is where 8 pixels of a row lie, STRIDE apart: their numbers, and 1, or 0 for those
// outside; instead of them the border is read.
struct Line { a: vec4<u32>, b: vec4<u32>, in_a: vec4<f32>, in_b: vec4<f32> }

// Tile is 4 channels of 8 pixels.
struct Tile { a: mat4x4<f32>, b: mat4x4<f32> }

// Sums are the tiles of four output blocks.
struct Sums { a: Tile, b: Tile, c: Tile, d: Tile }

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let per_row = (p.ow + 7u) / 8u;
  let tiles = p.samples * p.oh * per_row;
  let outs = outs_of_group(tiles, LANES);
  let index = group.y * LANES / outs + lane / outs;
  let tile = min(index, tiles - 1u);
  let ox = 8u * (tile % per_row);
  let oy = tile / per_row % p.oh;
  let n = group.z * p.samples + tile / per_row / p.oh;
  let o = 4u * (group.x * outs + lane % outs);
  let first = first_output(group.z);
  let inputs = p.c1 + p.c2;
  // Outputs beyond the last are made from its weights and dropped.
  let w_at = (vec4<u32>(first) + min(vec4<u32>(o, o + 1u, o + 2u, o + 3u), vec4<u32>(p.o4 - 1u))) * KH * KW * inputs;

  var sums = Sums();
  for (var ky = 0u; ky < KH; ky++) {
    for (var kx = 0u; kx < KW; kx++) {
      let pixels = line(n, i32(oy * STRIDE + ky) - p.pad_top, i32(ox * STRIDE + kx) - p.pad_left);
      let tap = w_at + vec4<u32>((ky * KW + kx) * inputs);
      let in_x = Line(pixels.a * p.c1, pixels.b * p.c1, pixels.in_a, pixels.in_b);
      for (var i = 0u; i < p.c1; i++) {
        sums = add(sums, tap + vec4<u32>(i), of_x(in_x, i));
      }
      if HAS_SKIP {
        let in_skip = Line(pixels.a * p.c2, pixels.b * p.c2, pixels.in_a, pixels.in_b);
        for (var i = 0u; i < p.c2; i++) {
          sums = add(sums, tap + vec4<u32>(p.c1 + i), of_skip(in_skip, i));
        }
      }
    }
  }

  if index != tile { return; }
  var all = array<mat4x4<f32>, 8>(sums.a.a, sums.a.b, sums.b.a, sums.b.b, sums.c.a, sums.c.b, sums.d.a, sums.d.b);
  for (var k = 0u; k < 32u; k++) {
    let block = o + k / 8u;
    let column = ox + k % 8u;
    if block < p.o4 && column < p.ow {
      finish(all[k / 4u][k % 4u], first, block, n, (n * p.oh + oy) * p.ow + column);
    }
  }
}

fn line(n: u32, iy: i32, ix: i32) -> Line {
  let bottom = i32(p.gh) - 1;
  let right = i32(p.gw) - 1;
  let start = (n * p.h + (u32(clamp(iy, 0, bottom)) >> p.zoom)) * p.w;
  let y_in = iy >= 0 && iy <= bottom;
  let a = vec4<i32>(ix) + i32(STRIDE) * vec4<i32>(0, 1, 2, 3);
  let b = a + vec4<i32>(4 * i32(STRIDE));
  return Line(
    vec4<u32>(start) + (vec4<u32>(clamp(a, vec4<i32>(), vec4<i32>(right))) >> vec4<u32>(p.zoom)),
    vec4<u32>(start) + (vec4<u32>(clamp(b, vec4<i32>(), vec4<i32>(right))) >> vec4<u32>(p.zoom)),
    select(vec4<f32>(), vec4<f32>(1.0), (a >= vec4<i32>()) & (a <= vec4<i32>(right)) & vec4<bool>(y_in)),
    select(vec4<f32>(), vec4<f32>(1.0), (b >= vec4<i32>()) & (b <= vec4<i32>(right)) & vec4<bool>(y_in)));
}

fn of_x(l: Line, i: u32) -> Tile {
  return Tile(
    mat4x4<f32>(l.in_a.x * x[l.a.x + i], l.in_a.y * x[l.a.y + i], l.in_a.z * x[l.a.z + i], l.in_a.w * x[l.a.w + i]),
    mat4x4<f32>(l.in_b.x * x[l.b.x + i], l.in_b.y * x[l.b.y + i], l.in_b.z * x[l.b.z + i], l.in_b.w * x[l.b.w + i]));
}

fn of_skip(l: Line, i: u32) -> Tile {
  return Tile(
    mat4x4<f32>(l.in_a.x * skip[l.a.x + i], l.in_a.y * skip[l.a.y + i], l.in_a.z * skip[l.a.z + i], l.in_a.w * skip[l.a.w + i]),
    mat4x4<f32>(l.in_b.x * skip[l.b.x + i], l.in_b.y * skip[l.b.y + i], l.in_b.z * skip[l.b.z + i], l.in_b.w * skip[l.b.w + i]));
}

// add adds a tap from the blocks at `at`.
fn add(s: Sums, at: vec4<u32>, v: Tile) -> Sums {
  return Sums(multiply_add(s.a, block(at.x), v), multiply_add(s.b, block(at.y), v), multiply_add(s.c, block(at.z), v), multiply_add(s.d, block(at.w), v));
}

fn multiply_add(s: Tile, w: mat4x4<f32>, v: Tile) -> Tile { return Tile(s.a + w * v.a, s.b + w * v.b); }
