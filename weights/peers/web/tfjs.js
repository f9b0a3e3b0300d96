// TensorFlow.js on its WebGPU backend.
import { read, script } from "./safetensors.js";
import { unet } from "./unet.js";

const DIST = "node_modules/@tensorflow";

export async function load(inputs) {
  await script(`${DIST}/tfjs-core/dist/tf-core.es2017.min.js`);
  await script(`${DIST}/tfjs-backend-cpu/dist/tf-backend-cpu.es2017.min.js`);
  await script(`${DIST}/tfjs-backend-webgpu/dist/tf-backend-webgpu.es2017.min.js`);
  const tf = globalThis.tf;
  if (!(await tf.setBackend("webgpu"))) throw new Error("the backend webgpu could not be initialized");
  await tf.ready();

  const networks = {};
  await Promise.all(["none", "sketch", "mask", "text"].map(async (name) => {
    const config = await (await fetch(`networks/${name}/config.json`)).json();
    const weights = await (await fetch(`networks/${name}/diffusion_pytorch_model.safetensors`)).arrayBuffer();
    networks[name] = unet(tf, config, read(weights));
  }));
  const last = ({ data, shape }) => tf.tidy(() => tf.transpose(tf.tensor(data, shape), [0, 2, 3, 1])); // channels last
  const sketch = last(inputs["cond.sketch"]), mask = last(inputs["cond.mask"]);
  const text = tf.tensor(inputs["encoder_hidden_states.text"].data, inputs["encoder_hidden_states.text"].shape);

  // (12) with every weight 1, of networks that predict v; then eps.
  const merged = () => {
    const z = last(inputs.sample), t = inputs.timestep.data[0], abar = inputs.abar.data[t];
    const conditioned = [
      networks.sketch(tf.concat([z, sketch], 3), t), networks.mask(tf.concat([z, mask], 3), t), networks.text(z, t, text),
    ];
    const v = tf.sub(tf.addN(conditioned), tf.mul(networks.none(z, t), 2));
    return tf.transpose(tf.add(tf.mul(v, Math.sqrt(abar)), tf.mul(z, Math.sqrt(1 - abar))), [0, 3, 1, 2]);
  };
  return {
    note: `tfjs ${tf.version_core}`,
    step: async () => {
      const eps = tf.tidy(merged);
      const values = await eps.data();
      eps.dispose();
      return values;
    },
  };
}
