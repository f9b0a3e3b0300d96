// y[n] = [sin(t f_0), sin(t f_1), ..., cos(t f_0), ...], or the cosines first with FLIP
// (Ho et al. 2020, after Vaswani et al. 2017). f_i comes from the host: t f_i is up to
// 1000 radians, which a GPU's own exp could miss by a thousandth; and its sin and cos
// are rough outside [-pi, pi], so the angle is reduced here and the functions are ours.

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

// sine and cosine of an angle of up to some thousand radians, within 1e-6: quarter
// turns are taken off in three parts (Cody and Waite), the rest is in [-pi/4, pi/4].
fn sine_cosine(a: f32) -> vec2<f32> {
  let k = round(a * 0.636619772);
  let r = ((a - k * 1.5703125) - k * 4.837512969970703125e-4) - k * 7.54978995489188216e-8;
  let z = r * r;
  let s = r + r * z * (-0.16666654611 + z * (8.3321608736e-3 - z * 1.9515295891e-4));
  let c = 1.0 - 0.5 * z + z * z * (4.166664568298827e-2 + z * (-1.388731625493765e-3 + z * 2.443315711809948e-5));
  let quarter = i32(k) & 3;
  if quarter == 0 { return vec2<f32>(s, c); }
  if quarter == 1 { return vec2<f32>(c, -s); }
  if quarter == 2 { return vec2<f32>(-s, -c); }
  return vec2<f32>(-c, s);
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
  if i + 2u * p.half < p.stride { y[at + i + 2u * p.half] = 0.0; } // padding stays zero
}
