// The whole of a sampling step after the networks:
//
//   eps_c = eps_out f out_c + eps_z z                         out_c of merge.wgsl, (12)
//   x0    = clamp((z - sqrt_one_minus_abar eps_c) / sqrt_abar, -s, s) clip / s
//   x0    = x0 + lock (known - x0)                            where a given picture stays
//   z'    = c_x0 x0 + c_x0_prev x0_prev + c_z z + c_eps eps_c + c_noise eta    (13) and other samplers
//   eta   ~ N(0, I)
//
// and x0 as pixels. f and s come from merge_stats; without STATS f = 1, s = clip.
// x0_prev is the x0 of the last step without keep, for multistep samplers.
// Networks that predict eps have eps_out = 1 and eps_z = 0; those that predict v (Salimans
// and Ho 2022) sqrt_abar and sqrt_one_minus_abar, as weights that sum to 1 merge v as they
// merge eps; those that predict x0 -sqrt_abar / sqrt_one_minus_abar and
// 1 / sqrt_one_minus_abar. The paper prints sigma_t^2 eta in (13); sigma_t^2 is the variance
// of (2), so c_noise is sigma_t, as in Ho et al. 2020. x0 is clipped here, after the
// merge: the errors of M networks add up, and 1 / sqrt_abar is up to 157 early on.
//
// With INIT, z' = c_x0 known + c_z eta: where the run starts, z_T or a noised picture, and
// x0_prev = 0.

override INIT: bool = false;
override CHANNELS: u32 = 12u;  // of z
override UNSHUFFLE: u32 = 2u;  // r: CHANNELS = colours r r
override STATS: bool = false;

@group(0) @binding(0) var<storage, read> outputs: array<f32>;          // [M, N, HW, stride] of the networks
@group(0) @binding(1) var<storage, read_write> z: array<f32>;          // [N, HW, stride]
@group(0) @binding(2) var<storage, read_write> x0_prev: array<f32>;    // [N, HW, stride]
@group(0) @binding(3) var<storage, read> known: array<f32>;            // [2, HW, stride]: a picture, and lock, 0 to 1; with MAPS [2 + M, HW, stride], then m_j
@group(0) @binding(4) var<storage, read_write> merged: array<f32>;     // [N, HW, stride] eps_c
@group(0) @binding(5) var<storage, read_write> preview: array<u32>;    // [N, H r, W r] RGBA8, red in the low byte
@group(0) @binding(6) var<storage, read> step: Step;
@group(0) @binding(7) var<storage, read> stats: array<f32>;            // [N, 4]: f, s, 0, 0
@group(0) @binding(8) var<uniform> p: Params;

struct Params {
  networks: u32,
  n: u32,
  h: u32,
  w: u32,
  stride: u32, // of all but the preview
  size: u32,   // of one network's eps: N HW stride
}

// normals makes four N(0, 1) of four words (Box and Muller 1958).
fn normals(v: vec4<u32>) -> vec4<f32> {
  // log may come out above 0 near 1, and the root of that would be NaN.
  let r = sqrt(max(-2.0 * log(vec2<f32>(unit(v.x), unit(v.z))), vec2<f32>()));
  let a = sine_cosine(6.283185307179586 * unit(v.y));
  let b = sine_cosine(6.283185307179586 * unit(v.w));
  return vec4<f32>(r.x * a.yx, r.y * b.yx);
}

fn byte(v: f32) -> u32 { return u32(clamp(v * 127.5 + 127.5, 0.0, 255.0) + 0.5); }

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = (id.y * groups.x + id.x) * 64u + lane;
  let hw = p.h * p.w;
  if i >= p.n * hw { return; }
  let n = i / hw;
  let pixel = i % hw;
  let lo = step.seed_lo + n; // the seed of sample n is seed + n
  let seed = vec2<u32>(lo, step.seed_hi + u32(lo < n));

  var f = 1.0;
  var s = step.clip;
  if STATS {
    f = stats[n * 4u];
    s = stats[n * 4u + 1u];
  }
  var x0: array<f32, CHANNELS>;
  var eta = vec4<f32>();
  for (var c = 0u; c < CHANNELS; c++) {
    if c % 4u == 0u { eta = normals(philox(vec4<u32>(pixel, c / 4u, step.index, 0u), seed)); }
    let at = i * p.stride + c;
    let same = pixel * p.stride + c; // in the picture that all samples share
    if INIT {
      z[at] = step.c_x0 * known[same] + step.c_z * eta[c % 4u];
      x0_prev[at] = 0.0;
      continue;
    }
    let old = z[at];
    let e = step.eps_out * f * merge(at, same, hw * p.stride) + step.eps_z * old;
    var x = (old - step.sqrt_one_minus_abar * e) / step.sqrt_abar;
    if step.clip > 0.0 { x = clamp(x, -s, s) * (step.clip / s); }
    x += known[hw * p.stride + same] * (known[same] - x);
    x0[c] = x;
    merged[at] = e;
    z[at] = step.c_x0 * x + step.c_x0_prev * x0_prev[at] + step.c_z * old + step.c_eps * e + step.c_noise * eta[c % 4u];
    if step.keep == 0u { x0_prev[at] = x; }
  }
  for (var c = CHANNELS; c < p.stride; c++) {
    let at = i * p.stride + c;
    z[at] = 0.0;
    x0_prev[at] = 0.0;
    merged[at] = 0.0;
  }
  if INIT { return; }

  let r = UNSHUFFLE;
  let colours = CHANNELS / (r * r);
  for (var dy = 0u; dy < r; dy++) {
    for (var dx = 0u; dx < r; dx++) {
      let k = dy * r + dx; // torch's pixel_unshuffle: channel colour r r + dy r + dx
      let red = byte(x0[k]);
      var green = red;
      var blue = red;
      if colours >= 3u {
        green = byte(x0[min(1u, colours - 1u) * r * r + k]);
        blue = byte(x0[min(2u, colours - 1u) * r * r + k]);
      }
      let row = (n * p.h + pixel / p.w) * r + dy;
      preview[(row * p.w + pixel % p.w) * r + dx] = red | (green << 8u) | (blue << 16u) | 0xff000000u;
    }
  }
}
