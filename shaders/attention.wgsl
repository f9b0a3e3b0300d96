// y[n, l, head, d] = sum_m softmax_m(scale sum_d q[n, l, head, d] k[n, m, head, d]) v[n, m, head, d]
//
// Flash attention (Dao et al. 2022): a workgroup takes some queries of one head and
// visits up to 64 keys at a time with an online softmax. A head wider than 64
// channels is gathered by several workgroups, which score again. This file stands in
// front of both forms, attention_tile and attention_rows.

override HEAD_DIM: u32 = 32u; // a multiple of 4
override KEYS: u32 = 64u;     // at a time, a multiple of 4: compilers can unroll loops of known length

@group(0) @binding(0) var<storage, read> q: array<vec4<f32>>;         // [N, L, q_stride], heads from q_offset
@group(0) @binding(1) var<storage, read> k: array<vec4<f32>>;         // [N, M, k_stride], from k_offset
@group(0) @binding(2) var<storage, read> v: array<vec4<f32>>;         // [N, M, v_stride], from v_offset
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;   // [N, L, y_stride]
@group(0) @binding(4) var<uniform> p: Params;

struct Params { // strides and offsets in vec4s
  l: u32,
  m: u32,
  q_stride: u32,
  k_stride: u32,
  v_stride: u32,
  y_stride: u32,
  q_offset: u32,
  k_offset: u32,
  v_offset: u32,
  scale: f32,
}

const QUADS = KEYS / 4u; // of a row of weights
const D4 = HEAD_DIM / 4u;
const BLOCKS = (D4 + 15u) / 16u; // workgroups that share a head's channels
const NONE = -3.0e38;            // below any score
