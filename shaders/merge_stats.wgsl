// What merge_step needs to know about a whole picture before it can change a value of it: stats[n] = (f, s), from out_c of
// merge.wgsl:
//
//   f     = 1 + rescale (sum_j w_j std(out_j) / (std(out_c) sum_j w_j) - 1)   over the conditions with w_j > 0
//   s     = max(clip, the rank-th smallest |x0|)               of x0 = (z - sqrt_one_minus_abar eps_c) / sqrt_abar
//   eps_c = eps_out f out_c + eps_z z
//
// f is guidance rescale (Lin et al. 2024, "Common diffusion noise schedules and sample steps are flawed", (15)
// and (16)): strong weights make the merge's deviation larger than that of any network's prediction, and
// pictures overexposed. With one condition it is theirs; several count by their weights. s is dynamic
// thresholding (Saharia et al. 2022, section 2.3), the rank a percentile of the picture's values.
//
// One workgroup per picture. The rank-th value is found by its bits, eight at a time: positive floats are in
// the order of their bits.

@group(0) @binding(0) var<storage, read> outputs: array<f32>;      // [M, N, HW, stride] of the networks
@group(0) @binding(1) var<storage, read> z: array<f32>;            // [N, HW, stride]
@group(0) @binding(2) var<storage, read> known: array<f32>;        // [2, HW, stride], with MAPS [2 + M, HW, stride]
@group(0) @binding(3) var<storage, read_write> stats: array<f32>;  // [N, 4]: f, s, 0, 0
@group(0) @binding(4) var<storage, read> step: Step;
@group(0) @binding(5) var<uniform> p: Params;

struct Params {
  networks: u32,
  first: u32, // of the conditions: 1 after an unconditional network, else 0
  hw: u32,
  channels: u32,
  stride: u32,
  size: u32, // of one network's eps: N HW stride
}

const LANES = 256u;
var<workgroup> partial: array<f32, LANES>;
var<workgroup> bins: array<atomic<u32>, 256>;
var<workgroup> prefix: u32;
var<workgroup> wanted: u32;

// total adds up the values of all lanes.
fn total(lane: u32, v: f32) -> f32 {
  partial[lane] = v;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if lane < half { partial[lane] += partial[lane + half]; }
    workgroupBarrier();
  }
  let sum = partial[0];
  workgroupBarrier();
  return sum;
}

// value is the i-th of a picture, whose first is at base, from network j or, after the last, of the merge.
fn value(j: u32, base: u32, i: u32) -> f32 {
  let same = i / p.channels * p.stride + i % p.channels;
  if j == p.networks { return merge(base + same, same, p.hw * p.stride); }
  return outputs[j * p.size + base + same];
}

// deviation of all these values. The mean comes first: a sum of squares would lose what is small beside it.
fn deviation(j: u32, base: u32, lane: u32) -> f32 {
  let count = p.hw * p.channels;
  var sum = 0.0;
  for (var i = lane; i < count; i += LANES) { sum += value(j, base, i); }
  let mean = total(lane, sum) / f32(count);
  sum = 0.0;
  for (var i = lane; i < count; i += LANES) {
    let d = value(j, base, i) - mean;
    sum += d * d;
  }
  return sqrt(total(lane, sum) / f32(count));
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let n = id.x;
  let count = p.hw * p.channels;
  let base = n * p.hw * p.stride;

  var of_weight = 0.0;
  var of_conditions = 0.0;
  for (var j = p.first; j < p.networks; j++) {
    let w = max(step.weights[j], 0.0);
    if w > 0.0 {
      of_conditions += w * deviation(j, base, lane);
      of_weight += w;
    }
  }
  let of_merge = deviation(p.networks, base, lane);
  var f = 1.0;
  if of_weight > 0.0 && of_merge > 0.0 { f += step.rescale * (of_conditions / (of_weight * of_merge) - 1.0); }

  if lane == 0u { prefix = 0u; wanted = step.rank; }
  var mask = 0u;
  for (var shift = 24u; shift < 32u; shift -= 8u) { // 24, 16, 8, 0; then it wraps around
    atomicStore(&bins[lane], 0u);
    workgroupBarrier();
    for (var i = lane; i < count; i += LANES) {
      let same = i / p.channels * p.stride + i % p.channels;
      let old = z[base + same];
      let e = step.eps_out * f * merge(base + same, same, p.hw * p.stride) + step.eps_z * old;
      let bits = bitcast<u32>(abs((old - step.sqrt_one_minus_abar * e) / step.sqrt_abar));
      if (bits & mask) == prefix { atomicAdd(&bins[(bits >> shift) & 255u], 1u); }
    }
    workgroupBarrier();
    if lane == 0u {
      var b = 0u;
      while b < 255u && atomicLoad(&bins[b]) < wanted {
        wanted -= atomicLoad(&bins[b]);
        b++;
      }
      prefix |= b << shift;
    }
    mask |= 255u << shift;
    workgroupBarrier();
  }
  if lane == 0u {
    var s = step.clip;
    if step.rank > 0u { s = max(s, bitcast<f32>(prefix)); }
    stats[n * 4u] = f;
    stats[n * 4u + 1u] = s;
    stats[n * 4u + 2u] = 0.0;
    stats[n * 4u + 3u] = 0.0;
  }
}
