// The form for software adapters, where loads cost more than arithmetic: one
// invocation makes 8 pixels of a row x 8 output channels as products of 4x4
// matrices.

// columns are the same 4 channels of 4 pixels.
fn columns(at: vec4<u32>, i: u32, m: vec4<f32>) -> mat4x4<f32> {
  return mat4x4<f32>(x[at.x + i] * m.x, x[at.y + i] * m.y, x[at.z + i] * m.z, x[at.w + i] * m.w);
}

fn skip_columns(at: vec4<u32>, i: u32, m: vec4<f32>) -> mat4x4<f32> {
  return mat4x4<f32>(skip[at.x + i] * m.x, skip[at.y + i] * m.y, skip[at.z + i] * m.z, skip[at.w + i] * m.w);
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let o = 2u * gid.x;
  let per_row = (p.ow + 7u) / 8u;
  let strip = gid.z * groups.y * 8u + gid.y;
  let row = strip / per_row;
  let oy = row % p.oh;
  let n = row / p.oh;
  let ox = 8u * (strip % per_row);
  if o >= p.o4 || n >= p.n { return; }

  var gh = p.h; // the grid that is convolved
  var gw = p.w;
  if UPSAMPLE == 2u { gh = p.oh; gw = p.ow; }
  let inputs = p.c1 + p.c2;
  let o_next = select(0u, KH * KW * inputs, o + 1u < p.o4); // from block o to o + 1
  let last = vec4<i32>(i32(gw) - 1);
  let apart = vec4<i32>(0, i32(STRIDE), 2 * i32(STRIDE), 3 * i32(STRIDE));

  // a and c are the left and right 4 pixels of outputs o, b and d of o + 1.
  var a = mat4x4<f32>(); var b = mat4x4<f32>(); var c = mat4x4<f32>(); var d = mat4x4<f32>();
  for (var ky = 0u; ky < KH; ky++) {
    let iy = i32(oy * STRIDE + ky) - p.pad_top;
    if iy < 0 || iy >= i32(gh) { continue; }
    let line = vec4<u32>((n * p.h + u32(iy) / UPSAMPLE) * p.w);
    for (var kx = 0u; kx < KW; kx++) {
      // Pixels outside are read at the border and multiplied by zero.
      let left = vec4<i32>(i32(ox * STRIDE + kx) - p.pad_left) + apart;
      let right = left + vec4<i32>(4 * i32(STRIDE));
      let m_left = select(vec4<f32>(), vec4<f32>(1.0), (left >= vec4<i32>()) & (left <= last));
      let m_right = select(vec4<f32>(), vec4<f32>(1.0), (right >= vec4<i32>()) & (right <= last));
      let at_left = line + vec4<u32>(clamp(left, vec4<i32>(), last)) / UPSAMPLE;
      let at_right = line + vec4<u32>(clamp(right, vec4<i32>(), last)) / UPSAMPLE;
      var w_at = ((o * KH + ky) * KW + kx) * inputs;
      for (var i = 0u; i < p.c1; i++) {
        let l = columns(at_left * p.c1, i, m_left);
        let r = columns(at_right * p.c1, i, m_right);
        let u = block(w_at);
        a += u * l; c += u * r;
        let v = block(w_at + o_next);
        b += v * l; d += v * r;
        w_at++;
      }
      if HAS_SKIP {
        for (var i = 0u; i < p.c2; i++) {
          let l = skip_columns(at_left * p.c2, i, m_left);
          let r = skip_columns(at_right * p.c2, i, m_right);
          let u = block(w_at);
          a += u * l; c += u * r;
          let v = block(w_at + o_next);
          b += v * l; d += v * r;
          w_at++;
        }
      }
    }
  }

  four(a, b, o, n, row, ox);
  four(c, d, o, n, row, ox + 4u);
}

// four finishes 4 pixels of two outputs.
fn four(a: mat4x4<f32>, b: mat4x4<f32>, o: u32, n: u32, row: u32, ox: u32) {
  let at = row * p.ow + ox;
  let both = o + 1u < p.o4;
  if ox < p.ow { finish(a[0], o, n, at); if both { finish(b[0], o + 1u, n, at); } }
  if ox + 1u < p.ow { finish(a[1], o, n, at + 1u); if both { finish(b[1], o + 1u, n, at + 1u); } }
  if ox + 2u < p.ow { finish(a[2], o, n, at + 2u); if both { finish(b[2], o + 1u, n, at + 2u); } }
  if ox + 3u < p.ow { finish(a[3], o, n, at + 3u); if both { finish(b[3], o + 1u, n, at + 3u); } }
}
