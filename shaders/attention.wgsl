// y[n, l, head, d] = sum_m softmax_m(scale sum_d q[n, l, head, d] k[n, m, head, d]) v[n, m, head, d]
//
// One workgroup per (query, head, n). Keys are visited 64 at a time with an online
// softmax (Milakov and Gimelshein 2018): lane j scores key j of the chunk, then
// lane d gathers output channel d (and d + 64, ...).

override HEAD_DIM: u32 = 32u;

@group(0) @binding(0) var<storage, read> q: array<f32>;         // [N, L, q_stride], heads from channel q_offset
@group(0) @binding(1) var<storage, read> k: array<f32>;         // [N, M, k_stride], from k_offset
@group(0) @binding(2) var<storage, read> v: array<f32>;         // [N, M, v_stride], from v_offset
@group(0) @binding(3) var<storage, read_write> y: array<f32>;   // [N, L, y_stride]
@group(0) @binding(4) var<uniform> p: Params;

struct Params {
  l: u32,
  m: u32,
  heads: u32,
  q_stride: u32,
  k_stride: u32,
  v_stride: u32,
  y_stride: u32,
  q_offset: u32,
  k_offset: u32,
  v_offset: u32,
  scale: f32,
}

const LANES = 64u;
const PER_LANE = (HEAD_DIM + LANES - 1u) / LANES; // output channels of a lane
const NONE = -3.0e38;                             // below any score

var<workgroup> query: array<f32, HEAD_DIM>;
var<workgroup> score: array<f32, LANES>;
var<workgroup> weight: array<f32, LANES>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let l = id.x;
  let head = id.y;
  let n = id.z;
  let q_at = (n * p.l + l) * p.q_stride + p.q_offset + head * HEAD_DIM;
  for (var d = lane; d < HEAD_DIM; d += LANES) { query[d] = q[q_at + d] * p.scale; }

  var acc: array<f32, PER_LANE>;
  for (var i = 0u; i < PER_LANE; i++) { acc[i] = 0.0; }
  var top = NONE;
  var sum = 0.0;
  for (var first = 0u; first < p.m; first += LANES) {
    workgroupBarrier(); // the query is there; the last chunk's scores are used up
    let key = first + lane;
    var s = NONE;
    if key < p.m {
      let k_at = (n * p.m + key) * p.k_stride + p.k_offset + head * HEAD_DIM;
      s = 0.0;
      for (var d = 0u; d < HEAD_DIM; d++) { s += query[d] * k[k_at + d]; }
    }
    score[lane] = s;
    workgroupBarrier();
    let count = min(LANES, p.m - first);
    var top_now = top;
    for (var j = 0u; j < count; j++) { top_now = max(top_now, score[j]); }
    weight[lane] = exp(max(s - top_now, -100.0)) * f32(key < p.m);
    workgroupBarrier();
    let fade = exp(max(top - top_now, -100.0)) * f32(first > 0u);
    top = top_now;
    var part = 0.0;
    for (var j = 0u; j < count; j++) { part += weight[j]; }
    sum = sum * fade + part;
    for (var i = 0u; i < PER_LANE; i++) {
      let d = lane + i * LANES;
      if d < HEAD_DIM {
        var a = acc[i] * fade;
        var v_at = (n * p.m + first) * p.v_stride + p.v_offset + head * HEAD_DIM + d;
        for (var j = 0u; j < count; j++) {
          a += weight[j] * v[v_at];
          v_at += p.v_stride;
        }
        acc[i] = a;
      }
    }
  }
  let y_at = (n * p.l + l) * p.y_stride + head * HEAD_DIM;
  for (var i = 0u; i < PER_LANE; i++) {
    let d = lane + i * LANES;
    if d < HEAD_DIM { y[y_at + d] = acc[i] / sum; }
  }
  // The last head also clears the row's padding.
  let c = p.heads * HEAD_DIM;
  if head + 1u == p.heads && lane < p.y_stride - c { y[(n * p.l + l) * p.y_stride + c + lane] = 0.0; }
}
