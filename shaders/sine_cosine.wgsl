// An adapter's own sin and cos are rough, outside [-pi, pi] as rough as it likes. This file
// stands in front of the kernels that need the same from all of them.

// sine_cosine of an angle of up to some thousand radians, within 1e-6: quarter
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
