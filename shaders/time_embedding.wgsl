// y[n] = [sin(t f_0), sin(t f_1), ..., cos(t f_0), ...], or the cosines first with FLIP
// (Ho et al. 2020, after Vaswani et al. 2017). f_i comes from the host: t f_i is up to
// 1000 radians, which a GPU's own exp could miss by a thousandth.

override FLIP: bool = false;

@group(0) @binding(0) var<storage, read> t: array<vec4<f32>>;         // [N], t first
@group(0) @binding(1) var<storage, read> frequency: array<f32>;       // [half]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;         // [N, stride]
@group(0) @binding(3) var<uniform> p: Params;

struct Params {
  n: u32,
  half: u32,
  stride: u32,
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = id.x * 64u + lane;
  let n = id.y;
  if i >= p.half { return; }
  let v = sine_cosine(t[n].x * frequency[i]);
  let at = n * p.stride;
  if FLIP {
    y[at + i] = v.y;
    y[at + p.half + i] = v.x;
  } else {
    y[at + i] = v.x;
    y[at + p.half + i] = v.y;
  }
  if i > 0u { return; }
  for (var c = 2u * p.half; c < p.stride; c++) { y[at + c] = 0.0; } // padding stays zero
}
