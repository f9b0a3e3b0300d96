// The form for 3x3 convolutions of stride 1 on software adapters, which are mostly bound
// by arithmetic: 4 pixels of a row and 3 taps in 6 multiplications instead of 12, F(4, 3)
// of Lavin and Gray 2016 ("Fast Algorithms for Convolutional Neural Networks"); the three
// rows of taps are added as they are. For inputs d[6], taps g[3] and outputs y[4]
//
//   y = A^T [(G g) * (B^T d)]
//
// with the points 0, 1, -1, 2, -2 and infinity. B^T d and G g are made in registers of what
// was loaded, A^T is applied once, to the sums. What the rows of G are divided by (4, -6,
// -6, 24, 24, 1) is left until then: of int8 weights G g is exact.
//
// An invocation makes 8 output channels of 8 pixels of each of 4 rows, so that what was
// loaded serves often. Nothing is left or skipped before the end, and what is written
// there is written in a loop: written out, it made these adapters' compilers take more
// than twice as long.
//
// Beside taps added one by one, for 16 channels of 8 pixels of 2 rows, it is 1.4 times as
// fast on SwiftShader and 1.2 on lavapipe, where a third of the time are loads: of a vec4
// a loop over lanes, 35 instructions each.

const LANES = 8u; // invocations of a workgroup
const ROWS = 4u;  // of a tile, of 8 pixels each

// Columns are where the 10 pixels of a row lie that 8 outputs are made of, in vec4s after
// the row's first, and 1, or 0 for those outside; instead of them the border is read.
struct Columns {
  a: vec4<u32>, b: vec4<u32>, c: vec2<u32>,
  in_a: vec4<f32>, in_b: vec4<f32>, in_c: vec2<f32>,
}

// Rows are where the 6 rows begin that 4 rows of outputs are made of, as Columns.
struct Rows { a: vec4<u32>, b: vec2<u32>, in_a: vec4<f32>, in_b: vec2<f32> }

// Points are 4 channels of a row at the six points, of its left and right 4 outputs:
// B^T d, or sums.
struct Points { a: mat2x4<f32>, b: mat2x4<f32>, c: mat2x4<f32>, d: mat2x4<f32>, e: mat2x4<f32>, f: mat2x4<f32> }

// Inputs are B^T d of the 6 rows.
struct Inputs { a: Points, b: Points, c: Points, d: Points, e: Points, f: Points }

// Taps are G g of a row of taps, of 4 inputs and 4 outputs.
struct Taps { a: mat4x4<f32>, b: mat4x4<f32>, c: mat4x4<f32>, d: mat4x4<f32>, e: mat4x4<f32>, f: mat4x4<f32> }

// Sums are of 4 rows.
struct Sums { a: Points, b: Points, c: Points, d: Points }

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let per_row = (p.ow + 7u) / 8u;
  let per_sample = per_row * ((p.oh + ROWS - 1u) / ROWS);
  let tiles = p.samples * per_sample;
  let outs = outs_of_group(tiles, LANES);
  let index = group.y * LANES / outs + lane / outs;
  let tile = min(index, tiles - 1u);
  let ox = 8u * (tile % per_row);
  let oy = ROWS * (tile % per_sample / per_row);
  let n = group.z * p.samples + tile / per_sample;
  let o = 2u * (group.x * outs + lane % outs);
  let first = first_output(group.z);
  let inputs = p.c1 + p.c2;
  // Outputs beyond the last are made from its weights and dropped.
  let w_at = (vec2<u32>(first) + min(vec2<u32>(o, o + 1u), vec2<u32>(p.o4 - 1u))) * 9u * inputs;
  let columns = columns_from(i32(ox) - p.pad_left);
  let rows = rows_from(n, i32(oy) - p.pad_top);

  let columns_x = Columns(columns.a * p.c1, columns.b * p.c1, columns.c * p.c1, columns.in_a, columns.in_b, columns.in_c);
  let columns_skip = Columns(columns.a * p.c2, columns.b * p.c2, columns.c * p.c2, columns.in_a, columns.in_b, columns.in_c);
  let rows_x = Rows(rows.a * p.c1, rows.b * p.c1, rows.in_a, rows.in_b);
  let rows_skip = Rows(rows.a * p.c2, rows.b * p.c2, rows.in_a, rows.in_b);

  var lower = Sums(); // of block o
  var upper = Sums();
  for (var i = 0u; i < inputs; i++) {
    var v: Inputs;
    if HAS_SKIP && i >= p.c1 { // no second loop: this one is most of what is compiled
      v = of_skip(columns_skip, rows_skip, i - p.c1);
    } else {
      v = of_x(columns_x, rows_x, i);
    }
    lower = add(lower, w_at.x + i, v);
    upper = add(upper, w_at.y + i, v);
  }

  if index != tile { return; }
  var sums = array<Points, 8>(lower.a, lower.b, lower.c, lower.d, upper.a, upper.b, upper.c, upper.d);
  for (var k = 0u; k < 16u; k++) {
    let block = o + k / 8u;
    let row = oy + k / 2u % 4u;
    let half = k % 2u;
    // A^T, with what the rows of G are divided by.
    var m = sums[k / 2u];
    let ones = (m.b[half] + m.c[half]) / -6.0;
    let ones_odd = (m.b[half] - m.c[half]) / -6.0;
    let twos = (m.d[half] + m.e[half]) / 24.0;
    let twos_odd = (m.d[half] - m.e[half]) / 24.0;
    var outputs = mat4x4<f32>(
      m.a[half] / 4.0 + ones + twos, ones_odd + 2.0 * twos_odd,
      ones + 4.0 * twos, ones_odd + 8.0 * twos_odd + m.f[half]);
    for (var j = 0u; j < 4u; j++) {
      let column = ox + 4u * half + j;
      if block < p.o4 && row < p.oh && column < p.ow {
        finish(outputs[j], first, block, n, (n * p.oh + row) * p.ow + column);
      }
    }
  }
}

fn columns_from(ix: i32) -> Columns {
  let right = i32(p.gw) - 1;
  let a = vec4<i32>(ix) + vec4<i32>(0, 1, 2, 3);
  let b = a + vec4<i32>(4);
  let c = b.zw + vec2<i32>(2);
  return Columns(
    vec4<u32>(clamp(a, vec4<i32>(), vec4<i32>(right))) >> vec4<u32>(p.zoom),
    vec4<u32>(clamp(b, vec4<i32>(), vec4<i32>(right))) >> vec4<u32>(p.zoom),
    vec2<u32>(clamp(c, vec2<i32>(), vec2<i32>(right))) >> vec2<u32>(p.zoom),
    select(vec4<f32>(), vec4<f32>(1.0), (a >= vec4<i32>()) & (a <= vec4<i32>(right))),
    select(vec4<f32>(), vec4<f32>(1.0), (b >= vec4<i32>()) & (b <= vec4<i32>(right))),
    select(vec2<f32>(), vec2<f32>(1.0), (c >= vec2<i32>()) & (c <= vec2<i32>(right))));
}

fn rows_from(n: u32, iy: i32) -> Rows {
  let bottom = i32(p.gh) - 1;
  let a = vec4<i32>(iy) + vec4<i32>(0, 1, 2, 3);
  let b = a.zw + vec2<i32>(2);
  return Rows(
    (vec4<u32>(n * p.h) + (vec4<u32>(clamp(a, vec4<i32>(), vec4<i32>(bottom))) >> vec4<u32>(p.zoom))) * p.w,
    (vec2<u32>(n * p.h) + (vec2<u32>(clamp(b, vec2<i32>(), vec2<i32>(bottom))) >> vec2<u32>(p.zoom))) * p.w,
    select(vec4<f32>(), vec4<f32>(1.0), (a >= vec4<i32>()) & (a <= vec4<i32>(bottom))),
    select(vec2<f32>(), vec2<f32>(1.0), (b >= vec2<i32>()) & (b <= vec2<i32>(bottom))));
}

fn of_x(c: Columns, r: Rows, i: u32) -> Inputs {
  return Inputs(
    row_of_x(c, r.a.x + i, r.in_a.x), row_of_x(c, r.a.y + i, r.in_a.y), row_of_x(c, r.a.z + i, r.in_a.z),
    row_of_x(c, r.a.w + i, r.in_a.w), row_of_x(c, r.b.x + i, r.in_b.x), row_of_x(c, r.b.y + i, r.in_b.y));
}

fn row_of_x(c: Columns, row: u32, in_row: f32) -> Points {
  let a = in_row * c.in_a;
  let b = in_row * c.in_b;
  let e = in_row * c.in_c;
  return of_row(
    mat4x4<f32>(a.x * x[row + c.a.x], a.y * x[row + c.a.y], a.z * x[row + c.a.z], a.w * x[row + c.a.w]),
    mat4x4<f32>(b.x * x[row + c.b.x], b.y * x[row + c.b.y], b.z * x[row + c.b.z], b.w * x[row + c.b.w]),
    mat2x4<f32>(e.x * x[row + c.c.x], e.y * x[row + c.c.y]));
}

fn of_skip(c: Columns, r: Rows, i: u32) -> Inputs {
  return Inputs(
    row_of_skip(c, r.a.x + i, r.in_a.x), row_of_skip(c, r.a.y + i, r.in_a.y), row_of_skip(c, r.a.z + i, r.in_a.z),
    row_of_skip(c, r.a.w + i, r.in_a.w), row_of_skip(c, r.b.x + i, r.in_b.x), row_of_skip(c, r.b.y + i, r.in_b.y));
}

fn row_of_skip(c: Columns, row: u32, in_row: f32) -> Points {
  let a = in_row * c.in_a;
  let b = in_row * c.in_b;
  let e = in_row * c.in_c;
  return of_row(
    mat4x4<f32>(a.x * skip[row + c.a.x], a.y * skip[row + c.a.y], a.z * skip[row + c.a.z], a.w * skip[row + c.a.w]),
    mat4x4<f32>(b.x * skip[row + c.b.x], b.y * skip[row + c.b.y], b.z * skip[row + c.b.z], b.w * skip[row + c.b.w]),
    mat2x4<f32>(e.x * skip[row + c.c.x], e.y * skip[row + c.c.y]));
}

// of_row is B^T d of the left and the right half of a row of pixels.
fn of_row(a: mat4x4<f32>, b: mat4x4<f32>, c: mat2x4<f32>) -> Points {
  let d0 = mat2x4<f32>(a[0], b[0]);
  let d1 = mat2x4<f32>(a[1], b[1]);
  let d2 = mat2x4<f32>(a[2], b[2]);
  let d3 = mat2x4<f32>(a[3], b[3]);
  let d4 = mat2x4<f32>(b[0], c[0]);
  let d5 = mat2x4<f32>(b[1], c[1]);
  let ones = d4 - 4.0 * d2;
  let ones_odd = d3 - 4.0 * d1;
  let twos = d4 - d2;
  let twos_odd = 2.0 * (d3 - d1);
  return Points(4.0 * d0 - 5.0 * d2 + d4, ones + ones_odd, ones - ones_odd, twos + twos_odd, twos - twos_odd, 4.0 * d1 - 5.0 * d3 + d5);
}

// of_taps is G g of the row of taps whose first block lies at `at`.
fn of_taps(at: u32) -> Taps {
  let inputs = p.c1 + p.c2;
  let g0 = block(at);
  let g1 = block(at + inputs);
  let g2 = block(at + 2u * inputs);
  let ones = g0 + g2;
  let twos = g0 + 4.0 * g2;
  let twos_odd = 2.0 * g1;
  return Taps(g0, ones + g1, ones - g1, twos + twos_odd, twos - twos_odd, g2);
}

// add adds the nine taps whose first block lies at `at`.
fn add(s: Sums, at: u32, v: Inputs) -> Sums {
  let row = 3u * (p.c1 + p.c2);
  let first = add_row(s, of_taps(at), v.a, v.b, v.c, v.d);
  let second = add_row(first, of_taps(at + row), v.b, v.c, v.d, v.e);
  return add_row(second, of_taps(at + 2u * row), v.c, v.d, v.e, v.f);
}

fn add_row(s: Sums, u: Taps, a: Points, b: Points, c: Points, d: Points) -> Sums {
  return Sums(multiply_add(s.a, u, a), multiply_add(s.b, u, b), multiply_add(s.c, u, c), multiply_add(s.d, u, d));
}

fn multiply_add(s: Points, u: Taps, v: Points) -> Points {
  return Points(s.a + u.a * v.a, s.b + u.b * v.b, s.c + u.c * v.c, s.d + u.d * v.d, s.e + u.e * v.e, s.f + u.f * v.f);
}
