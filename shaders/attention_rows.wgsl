// The form for GPUs with little to do: a workgroup takes 4 queries, 16 lanes each. A lane
// scores 4 keys, makes weights of them and gathers 4 channels of v, and adds the weights
// up meanwhile: no lane works for another while that one waits.

const QUERIES = 4u;
const ALL_QUADS = QUERIES * QUADS;
var<workgroup> weight: array<vec4<f32>, ALL_QUADS>; // [QUERIES, QUADS]
var<workgroup> most: array<f32, 64>;                // [QUERIES, 16] of a lane's scores

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let n = id.z / BLOCKS;
  let head = id.y * D4;
  let query = lane / 16u;
  let column = lane % 16u; // quad of keys, then of channels
  let row = id.x * QUERIES + query;
  // Outside, what is last inside is read; it is not written, or gets no weight.
  let q_at = (n * p.l + min(row, p.l - 1u)) * p.q_stride + p.q_offset + head;
  let d = id.z % BLOCKS * 16u + column;
  let v_at = p.v_offset + head + min(d, D4 - 1u);

  var acc = vec4<f32>();
  var sum = vec4<f32>();
  var top = NONE;
  for (var first = 0u; first < p.m; first += KEYS) {
    let keys = vec4<u32>(first + 4u * column) + vec4<u32>(0u, 1u, 2u, 3u);
    let k_at = (vec4<u32>(n * p.m) + min(keys, vec4<u32>(p.m - 1u))) * p.k_stride + p.k_offset + head;
    var s = vec4<f32>();
    for (var i = 0u; i < D4; i++) {
      s += q[q_at + i] * mat4x4<f32>(k[k_at.x + i], k[k_at.y + i], k[k_at.z + i], k[k_at.w + i]);
    }
    s = select(vec4<f32>(NONE), s * p.scale, (keys < vec4<u32>(p.m)) & vec4<bool>(column < QUADS));
    most[lane] = max(max(s.x, s.y), max(s.z, s.w));
    workgroupBarrier();

    var now = top;
    for (var j = 0u; j < QUADS; j++) { now = max(now, most[query * 16u + j]); }
    if column < QUADS { weight[query * QUADS + column] = exp(max(s - now, vec4<f32>(-100.0))); }
    let fade = exp(max(top - now, -100.0));
    top = now;
    workgroupBarrier();

    acc *= fade;
    sum *= fade;
    for (var j = 0u; j < QUADS; j++) {
      let key = vec4<u32>(first + 4u * j) + vec4<u32>(0u, 1u, 2u, 3u);
      let from_v = (vec4<u32>(n * p.m) + min(key, vec4<u32>(p.m - 1u))) * p.v_stride + v_at;
      let w = weight[query * QUADS + j];
      acc += mat4x4<f32>(v[from_v.x], v[from_v.y], v[from_v.z], v[from_v.w]) * w;
      sum += w;
    }
    // The next scores' barrier comes before these weights are written over.
  }
  if row < p.l && d < D4 { y[(n * p.l + row) * p.y_stride + head + d] = acc / (sum.x + sum.y + sum.z + sum.w); }
}
