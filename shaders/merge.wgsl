// The merge of the networks' outputs, for merge_step, merge_stats and metropolis:
//
//   out_c = sum_j w_j (m_j out_j + (1 - m_j) out_0)           (12)
//
// m_j, 0 to 1 (1 without MAPS), says where network j counts; what it leaves goes to network 0, the
// unconditional one, so that the weights, which sum to 1, do so in every pixel. Those of an upscaler's two
// outputs are 1 and 1: their sum is x0. A network of weight 0 is not read: it need not have run.

override MAPS: bool = false; // known holds m_j too

struct Step {
  sqrt_abar: f32,
  sqrt_one_minus_abar: f32,
  c_x0: f32,
  c_x0_prev: f32,
  c_z: f32,
  c_eps: f32,
  c_noise: f32,
  clip: f32, // 0: none
  eps_out: f32,
  eps_z: f32,
  seed_lo: u32,
  seed_hi: u32,
  index: u32, // of the step: 0 draws z_T
  keep: u32,  // not 0: x0_prev stays as it is
  rescale: f32, // of merge_stats; 0: f = 1
  rank: u32,    // of merge_stats, from 1; 0: s = clip
  judge: f32,   // of metropolis: size of the Langevin step that led here; 0: none did
  weights: array<f32, 16>, // of the networks
}

// merge is out_c of a value: at in a network's outputs, same in the picture that all samples share, of plane
// values.
fn merge(at: u32, same: u32, plane: u32) -> f32 {
  var e = 0.0;
  var left = step.weights[0];
  for (var j = u32(MAPS); j < p.networks; j++) {
    let w = step.weights[j];
    if w == 0.0 { continue; }
    if !MAPS { e += w * outputs[j * p.size + at]; continue; }
    let m = known[(2u + j) * plane + same];
    e += w * m * outputs[j * p.size + at];
    left += w * (1.0 - m);
  }
  if MAPS && left != 0.0 { e += left * outputs[at]; }
  return e;
}
