// The form that reads keys and values the least: 16 queries of a workgroup share them. A
// lane scores 4 queries against 4 keys, a lane of the first 16 then turns one query's
// scores into weights, and a lane gathers 4 queries x 4 channels of v.

const QUERIES = 16u;
const ALL_QUADS = QUERIES * QUADS;

var<workgroup> weight: array<vec4<f32>, ALL_QUADS>; // [QUERIES, QUADS] scores, then weights
var<workgroup> fade: array<f32, QUERIES>;                     // what the sums so far are multiplied by
var<workgroup> total: array<f32, QUERIES>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let n = id.z / BLOCKS;
  let head = id.y * D4;
  let quad = lane / 16u; // of queries
  let column = lane % 16u; // quad of keys, then of channels
  let rows = vec4<u32>(id.x * QUERIES + 4u * quad) + vec4<u32>(0u, 1u, 2u, 3u);
  // Rows and keys outside are read at the last one inside; rows are not written,
  // keys get no weight.
  let q_at = (vec4<u32>(n * p.l) + min(rows, vec4<u32>(p.l - 1u))) * p.q_stride + p.q_offset + head;
  let d = id.z % BLOCKS * 16u + column;
  let v_at = p.v_offset + head + min(d, D4 - 1u);

  var a0 = vec4<f32>(); var a1 = vec4<f32>(); var a2 = vec4<f32>(); var a3 = vec4<f32>();
  var top = NONE;
  var sum = 0.0;
  for (var first = 0u; first < p.m; first += KEYS) {
    let keys = vec4<u32>(first + 4u * column) + vec4<u32>(0u, 1u, 2u, 3u);
    let k_at = (vec4<u32>(n * p.m) + min(keys, vec4<u32>(p.m - 1u))) * p.k_stride + p.k_offset + head;
    var s0 = vec4<f32>(); var s1 = vec4<f32>(); var s2 = vec4<f32>(); var s3 = vec4<f32>();
    for (var i = 0u; i < D4; i++) {
      let kk = mat4x4<f32>(k[k_at.x + i], k[k_at.y + i], k[k_at.z + i], k[k_at.w + i]);
      s0 += q[q_at.x + i] * kk;
      s1 += q[q_at.y + i] * kk;
      s2 += q[q_at.z + i] * kk;
      s3 += q[q_at.w + i] * kk;
    }
    if column < QUADS {
      let inside = keys < vec4<u32>(p.m);
      let at = quad * KEYS + column;
      weight[at] = select(vec4<f32>(NONE), s0 * p.scale, inside);
      weight[at + QUADS] = select(vec4<f32>(NONE), s1 * p.scale, inside);
      weight[at + 2u * QUADS] = select(vec4<f32>(NONE), s2 * p.scale, inside);
      weight[at + 3u * QUADS] = select(vec4<f32>(NONE), s3 * p.scale, inside);
    }
    workgroupBarrier();

    if lane < QUERIES {
      let row = lane * QUADS;
      var most = weight[row];
      for (var j = 1u; j < QUADS; j++) { most = max(most, weight[row + j]); }
      let now = max(max(top, max(most.x, most.y)), max(most.z, most.w));
      var part = vec4<f32>();
      for (var j = 0u; j < QUADS; j++) {
        let w = exp(max(weight[row + j] - now, vec4<f32>(-100.0)));
        weight[row + j] = w;
        part += w;
      }
      let f = exp(max(top - now, -100.0));
      sum = sum * f + part.x + part.y + part.z + part.w;
      top = now;
      fade[lane] = f;
      total[lane] = sum;
    }
    workgroupBarrier();

    let f = 4u * quad;
    a0 *= fade[f]; a1 *= fade[f + 1u]; a2 *= fade[f + 2u]; a3 *= fade[f + 3u];
    var w_at = quad * KEYS;
    for (var j = 0u; j < QUADS; j++) {
      let key = vec4<u32>(first + 4u * j) + vec4<u32>(0u, 1u, 2u, 3u);
      let from_v = (vec4<u32>(n * p.m) + min(key, vec4<u32>(p.m - 1u))) * p.v_stride + v_at;
      let vv = mat4x4<f32>(v[from_v.x], v[from_v.y], v[from_v.z], v[from_v.w]);
      a0 += vv * weight[w_at];
      a1 += vv * weight[w_at + QUADS];
      a2 += vv * weight[w_at + 2u * QUADS];
      a3 += vv * weight[w_at + 3u * QUADS];
      w_at++;
    }
    workgroupBarrier(); // the weights are used up
  }
  if d >= D4 { return; }
  let y_at = (vec4<u32>(n * p.l) + rows) * p.y_stride + head + d;
  let t = 4u * quad;
  if rows.x < p.l { y[y_at.x] = a0 / total[t]; }
  if rows.y < p.l { y[y_at.y] = a1 / total[t + 1u]; }
  if rows.z < p.l { y[y_at.z] = a2 / total[t + 2u]; }
  if rows.w < p.l { y[y_at.w] = a3 / total[t + 3u]; }
}
