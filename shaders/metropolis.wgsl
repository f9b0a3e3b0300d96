// Accepts or rejects the Langevin step that led to z (Metropolis-adjusted Langevin, Roberts and Tweedie
// 1996). With h = size (1 - abar) the step was z = y + h s(y) + sqrt(2 h) eta, where s = -eps / sqrt(1 - abar) is the
// score, known at both ends. Its line integral between them, by the trapezoid rule, is the difference in
// log density:
//
//   log p(z) - log p(y) = 1/2 (s(y) + s(z)) (z - y) + O(|z - y|^3)
//
// and with the densities of going there and back most of it cancels, so that
//
//   log alpha = h / 4 (|s(y)|^2 - |s(z)|^2) = size / 4 (|eps(y)|^2 - |eps(z)|^2)
//
// A picture is accepted if log u < log alpha, u uniform on (0, 1). A rejected one goes back: z = y, and all
// networks are made to say what the merge of theirs was at y, so that what follows (weights that sum to 1) sees
// eps(y). eps is what the clipped x0 stands for, with kept values in their places, as in the step itself.
//
// With size = 0 nothing is to be judged: every picture is where it shall be.
//
// One workgroup per picture.

@group(0) @binding(0) var<storage, read_write> outputs: array<f32>; // [M, N, HW, stride] of the networks
@group(0) @binding(1) var<storage, read_write> z: array<f32>;       // [N, HW, stride]
@group(0) @binding(2) var<storage, read> known: array<f32>;         // [2, HW, stride], with MAPS [2 + M, HW, stride]
@group(0) @binding(3) var<storage, read_write> last: array<f32>;    // [2, N, HW, stride]: y, the merge of the outputs there
@group(0) @binding(4) var<storage, read_write> energy: array<f32>;  // [N, 4]: |eps(y)|^2, judged, accepted, 0
@group(0) @binding(5) var<storage, read> step: Step;
@group(0) @binding(6) var<uniform> p: Params;

struct Params {
  networks: u32,
  hw: u32,
  channels: u32,
  stride: u32,
  size: u32, // of one network's eps: N HW stride
}

const LANES = 256u;
var<workgroup> partial: array<f32, LANES>;
var<workgroup> rejected: u32;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let n = id.x;
  let count = p.hw * p.channels;
  let base = n * p.hw * p.stride;
  var sum = 0.0;
  for (var i = lane; i < count; i += LANES) {
    let same = i / p.channels * p.stride + i % p.channels;
    let here = z[base + same];
    let e = step.eps_out * merge(base + same, same, p.hw * p.stride) + step.eps_z * here;
    var x = (here - step.sqrt_one_minus_abar * e) / step.sqrt_abar;
    if step.clip > 0.0 { x = clamp(x, -step.clip, step.clip); }
    x += known[p.hw * p.stride + same] * (known[same] - x);
    let eps = (here - step.sqrt_abar * x) / step.sqrt_one_minus_abar;
    sum += eps * eps;
  }
  partial[lane] = sum;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if lane < half { partial[lane] += partial[lane + half]; }
    workgroupBarrier();
  }
  if lane == 0u {
    rejected = 0u;
    if step.judge > 0.0 {
      let lo = step.seed_lo + n; // the seed of sample n is seed + n
      let word = philox(vec4<u32>(0u, 0u, step.index, 1u), vec2<u32>(lo, step.seed_hi + u32(lo < n))).x;
      energy[n * 4u + 1u] += 1.0;
      if log(unit(word)) < step.judge / 4.0 * (energy[n * 4u] - partial[0]) {
        energy[n * 4u + 2u] += 1.0;
      } else {
        rejected = 1u;
      }
    }
    if rejected == 0u { energy[n * 4u] = partial[0]; }
  }
  workgroupBarrier();
  for (var i = lane; i < count; i += LANES) {
    let same = i / p.channels * p.stride + i % p.channels;
    let at = base + same;
    if rejected == 0u {
      last[at] = z[at];
      last[p.size + at] = merge(at, same, p.hw * p.stride);
      continue;
    }
    z[at] = last[at];
    for (var j = 0u; j < p.networks; j++) { outputs[j * p.size + at] = last[p.size + at]; }
  }
}
