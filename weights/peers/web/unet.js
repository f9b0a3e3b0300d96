// diffusers' UNet2DModel and UNet2DConditionModel in TensorFlow.js, channels
// last, as far as the avatars need them. unet returns (z, t, context) -> v;
// tensors made meanwhile are the caller's to tidy up.
export function unet(tf, config, weights) {
  const groups = config.norm_num_groups;
  const conditional = config._class_name === "UNet2DConditionModel";

  // Weights go to the GPU in the layouts that tfjs takes: filters [kh, kw, I, O],
  // matrices [I, O].
  const w = {};
  tf.tidy(() => {
    for (const [name, { shape, data }] of Object.entries(weights)) {
      const x = tf.tensor(data, shape);
      w[name] = tf.keep(shape.length === 4 ? tf.transpose(x, [2, 3, 1, 0]) : shape.length === 2 ? tf.transpose(x) : x);
    }
  });
  const has = (name) => `${name}.weight` in w;

  const conv = (name, x, strides = 1) => {
    const filter = w[`${name}.weight`], p = (filter.shape[0] - 1) / 2;
    return tf.fused.conv2d({
      x, filter, strides, pad: [[0, 0], [p, p], [p, p], [0, 0]], dimRoundingMode: "floor", bias: w[`${name}.bias`],
    });
  };
  const linear = (name, x) => {
    const [rows, inputs] = [x.shape.slice(0, -1), x.shape.at(-1)];
    const y = tf.fused.matMul({ a: tf.reshape(x, [-1, inputs]), b: w[`${name}.weight`], bias: w[`${name}.bias`] });
    return tf.reshape(y, [...rows, -1]);
  };
  const silu = (x) => tf.mul(x, tf.sigmoid(x));

  // Statistics of each group, then one batch norm with a mean and a variance per channel.
  const groupNorm = (name, x, eps = config.norm_eps) => {
    const c = x.shape[3], each = c / groups;
    const { mean, variance } = tf.moments(tf.reshape(x, [-1, groups, each]), [0, 2]);
    const perChannel = (v) => tf.reshape(tf.tile(tf.reshape(v, [groups, 1]), [1, each]), [c]);
    return tf.batchNorm(x, perChannel(mean), perChannel(variance), w[`${name}.bias`], w[`${name}.weight`], eps);
  };
  const layerNorm = (name, x) => {
    const { mean, variance } = tf.moments(x, -1, true);
    return tf.add(tf.mul(tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5))), w[`${name}.weight`]), w[`${name}.bias`]);
  };

  const resnet = (name, x, emb) => {
    let h = conv(`${name}.conv1`, silu(groupNorm(`${name}.norm1`, x)));
    h = tf.add(h, tf.reshape(linear(`${name}.time_emb_proj`, emb), [1, 1, 1, -1]));
    h = conv(`${name}.conv2`, silu(groupNorm(`${name}.norm2`, h)));
    return tf.add(has(`${name}.conv_shortcut`) ? conv(`${name}.conv_shortcut`, x) : x, h);
  };

  // Attention of x [L, C] to context [M, D].
  const attend = (name, x, context, heads) => {
    const split = (v) => tf.transpose(tf.reshape(v, [v.shape[0], heads, -1]), [1, 0, 2]); // [heads, L, dim]
    const [q, k, v] = [split(linear(`${name}.to_q`, x)), split(linear(`${name}.to_k`, context)), split(linear(`${name}.to_v`, context))];
    const scores = tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(q.shape[2]));
    const y = tf.transpose(tf.matMul(tf.softmax(scores), v), [1, 0, 2]);
    return linear(`${name}.to_out.0`, tf.reshape(y, [x.shape[0], -1]));
  };
  const selfAttention = (name, x) => {
    const c = x.shape[3], h = tf.reshape(groupNorm(`${name}.group_norm`, x), [-1, c]);
    return tf.add(x, tf.reshape(attend(name, h, h, c / config.attention_head_dim), x.shape));
  };
  const transformer = (name, x, context) => {
    const block = `${name}.transformer_blocks.0`, heads = config.attention_head_dim; // their number, whatever its name says
    let h = tf.reshape(conv(`${name}.proj_in`, groupNorm(`${name}.norm`, x, 1e-6)), [-1, x.shape[3]]);
    let n = layerNorm(`${block}.norm1`, h);
    h = tf.add(h, attend(`${block}.attn1`, n, n, heads));
    h = tf.add(h, attend(`${block}.attn2`, layerNorm(`${block}.norm2`, h), context, heads));
    const [value, gate] = tf.split(linear(`${block}.ff.net.0.proj`, layerNorm(`${block}.norm3`, h)), 2, -1);
    const gelu = tf.mul(tf.mul(gate, .5), tf.add(tf.erf(tf.mul(gate, Math.SQRT1_2)), 1));
    h = tf.add(h, linear(`${block}.ff.net.2`, tf.mul(value, gelu)));
    return tf.add(x, conv(`${name}.proj_out`, tf.reshape(h, x.shape)));
  };
  const attention = (name, x, context) => (conditional ? transformer(name, x, context) : selfAttention(name, x));

  const timeEmbedding = (t) => {
    const half = config.block_out_channels[0] / 2;
    const angles = Array.from({ length: half }, (_, i) => t * Math.exp(-Math.log(10000) * i / half));
    const wave = tf.tensor2d([...angles.map(Math.cos), ...angles.map(Math.sin)], [1, 2 * half]);
    const emb = linear("time_embedding.linear_2", silu(linear("time_embedding.linear_1", wave)));
    return silu(emb); // every block takes it so
  };

  return (z, t, context) => {
    const emb = timeEmbedding(t), c = context && tf.reshape(context, [-1, config.cross_attention_dim]);
    let x = conv("conv_in", z);
    const skips = [x];
    config.down_block_types.forEach((_, i) => {
      const block = `down_blocks.${i}`;
      for (let k = 0; has(`${block}.resnets.${k}.conv1`); k++) {
        x = resnet(`${block}.resnets.${k}`, x, emb);
        if (/Attn/.test(config.down_block_types[i])) x = attention(`${block}.attentions.${k}`, x, c);
        skips.push(x);
      }
      if (has(`${block}.downsamplers.0.conv`)) skips.push(x = conv(`${block}.downsamplers.0.conv`, x, 2));
    });
    x = resnet("mid_block.resnets.0", x, emb);
    x = attention("mid_block.attentions.0", x, c);
    x = resnet("mid_block.resnets.1", x, emb);
    config.up_block_types.forEach((_, i) => {
      const block = `up_blocks.${i}`;
      for (let k = 0; has(`${block}.resnets.${k}.conv1`); k++) {
        x = resnet(`${block}.resnets.${k}`, tf.concat([x, skips.pop()], 3), emb);
        if (/Attn/.test(config.up_block_types[i])) x = attention(`${block}.attentions.${k}`, x, c);
      }
      if (has(`${block}.upsamplers.0.conv`)) {
        x = conv(`${block}.upsamplers.0.conv`, tf.image.resizeNearestNeighbor(x, [2 * x.shape[1], 2 * x.shape[2]]));
      }
    });
    return conv("conv_out", silu(groupNorm("conv_norm_out", x)));
  };
}
