// A form for GPUs, where a grid is too small to fill them: a workgroup makes SIDE
// strips of 4 pixels x 8 SIDE output channels, and its SLICES share the sum over taps
// and input channels. A slice takes every SLICES-th chunk of DEEP vec4s of a tap's
// channels through its own part of workgroup memory, while the next is on its way to
// registers; an invocation makes 4 pixels x 8 outputs of it. At the end the slices'
// sums are added through the same memory.
//
// What lanes read at once lies side by side in workgroup memory: outputs in rows of 2
// SIDE vec4s, of which an invocation makes the x-th and the one SIDE further.

override SIDE: u32 = 8u; // 8 or 4

const INVOCATIONS = 256u;
const LANES = SIDE * SIDE; // of a slice
const SLICES = INVOCATIONS / LANES;
const DEEP = SIDE / 4u;
const XS = 0u;             // [DEEP, 4 pixels, SIDE strips] of a slice
const WS = LANES;          // [DEEP, 4 inputs, 2 SIDE outputs] of it
const OF_SLICE = 3u * LANES;
var<workgroup> memory: array<vec4<f32>, 1024>; // [SLICES, OF_SLICE], then sums: [4 pixels, SLICES, LANES]

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
  let lane = index % LANES;
  let slice = index / LANES;
  let at_x = lane % SIDE;
  let at_y = lane / SIDE;
  let first = first_output(group.z);
  let per_row = (p.ow + 3u) / 4u;

  // This invocation loads a vec4 of a pixel, and half of them a block of weights.
  let px = lane / DEEP % 4u;
  let strip = group.y * SIDE + lane / DEEP / 4u;
  let row = group.z * p.samples * p.oh + strip / per_row;
  let iy0 = i32(row % p.oh * STRIDE) - p.pad_top;
  let ix0 = i32((4u * (strip % per_row) + px) * STRIDE) - p.pad_left;
  let line0 = row / p.oh * p.h;
  let loads = lane < LANES / 2u;
  let o_load = min(group.x * 2u * SIDE + lane / DEEP % (2u * SIDE), p.o4 - 1u);
  let deep = lane % DEEP;
  let base = slice * OF_SLICE;

  let inputs = p.c1 + p.c2;
  let chunks_x = (p.c1 + DEEP - 1u) / DEEP;
  let chunks = chunks_x + (p.c2 + DEEP - 1u) / DEEP;
  let rounds = (KH * KW * chunks + SLICES - 1u) / SLICES;

  var a0 = vec4<f32>(); var a1 = vec4<f32>(); var a2 = vec4<f32>(); var a3 = vec4<f32>();
  var b0 = vec4<f32>(); var b1 = vec4<f32>(); var b2 = vec4<f32>(); var b3 = vec4<f32>();
  var chunk = slice;
  var v: vec4<f32>;
  var u: Words;
  for (var round = 0u; round <= rounds; round++) {
    if round > 0u {
      workgroupBarrier(); // the last chunk is used up
      memory[base + XS + (deep * 4u + px) * SIDE + lane / DEEP / 4u] = v;
      if loads {
        let block = decoded(u);
        let to = base + WS + deep * 8u * SIDE + lane / DEEP;
        memory[to] = block[0];
        memory[to + 2u * SIDE] = block[1];
        memory[to + 4u * SIDE] = block[2];
        memory[to + 6u * SIDE] = block[3];
      }
      workgroupBarrier();
    }
    // Beyond the last chunk and the last channel the inputs are zero and the weights
    // don't matter.
    v = vec4<f32>();
    if round < rounds {
      let tap = min(chunk / chunks, KH * KW - 1u);
      let k = chunk - tap * chunks;
      let of_x = k < chunks_x;
      let c = select(k - chunks_x, k, of_x) * DEEP + deep;
      let iy = iy0 + i32(tap / KW);
      let ix = ix0 + i32(tap % KW);
      if strip < p.strips && k < chunks && iy >= 0 && iy < i32(p.gh) && ix >= 0 && ix < i32(p.gw) {
        let pixel = (line0 + (u32(iy) >> p.zoom)) * p.w + (u32(ix) >> p.zoom);
        if of_x {
          if c < p.c1 { v = x[pixel * p.c1 + c]; }
        } else if HAS_SKIP {
          if c < p.c2 { v = skip[pixel * p.c2 + c]; }
        }
      }
      if loads { u = words(((first + o_load) * KH * KW + tap) * inputs + select(p.c1, 0u, of_x) + c); }
      chunk += SLICES;
    }
    if round > 0u {
      for (var i = 0u; i < DEEP; i++) {
        let xs = base + XS + i * 4u * SIDE + at_y;
        let v0 = memory[xs];
        let v1 = memory[xs + SIDE];
        let v2 = memory[xs + 2u * SIDE];
        let v3 = memory[xs + 3u * SIDE];
        let ws = base + WS + i * 8u * SIDE + at_x;
        let of_a = mat4x4<f32>(memory[ws], memory[ws + 2u * SIDE], memory[ws + 4u * SIDE], memory[ws + 6u * SIDE]);
        a0 += of_a * v0; a1 += of_a * v1; a2 += of_a * v2; a3 += of_a * v3;
        let of_b = mat4x4<f32>(memory[ws + SIDE], memory[ws + 3u * SIDE], memory[ws + 5u * SIDE], memory[ws + 7u * SIDE]);
        b0 += of_b * v0; b1 += of_b * v1; b2 += of_b * v2; b3 += of_b * v3;
      }
    }
  }

  // An invocation adds up a pixel's vec4 of outputs, and then that SIDE further on.
  let sums = index / LANES; // of which pixel
  let strip_y = group.y * SIDE + at_y;
  let ox = 4u * (strip_y % per_row) + sums;
  let row_y = group.z * p.samples * p.oh + strip_y / per_row;
  for (var half = 0u; half < 2u; half++) {
    workgroupBarrier();
    memory[index] = select(b0, a0, half == 0u);
    memory[256u + index] = select(b1, a1, half == 0u);
    memory[512u + index] = select(b2, a2, half == 0u);
    memory[768u + index] = select(b3, a3, half == 0u);
    workgroupBarrier();
    let o = group.x * 2u * SIDE + at_x + half * SIDE;
    if sums < 4u && strip_y < p.strips && ox < p.ow && o < p.o4 {
      var sum = vec4<f32>();
      for (var s = 0u; s < SLICES; s++) { sum += memory[(sums * SLICES + s) * LANES + lane]; }
      finish(sum, first, o, row_y / p.oh, row_y * p.ow + ox);
    }
  }
}
