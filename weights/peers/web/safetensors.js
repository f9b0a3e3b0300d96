// read gives a safetensors file's tensors by name, all of them f32.
export function read(bytes) {
  const length = Number(new DataView(bytes).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 8, length)));
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: [from, to] }] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    if (dtype !== "F32") throw new Error(`${name} is ${dtype}, want F32`);
    tensors[name] = { shape, data: new Float32Array(bytes.slice(8 + length + from, 8 + length + to)) };
  }
  return tensors;
}

// script loads a classic script, whose globals then are there.
export const script = (src) => new Promise((resolve, reject) => {
  const element = document.createElement("script");
  element.src = src;
  element.onload = resolve;
  element.onerror = () => reject(new Error(`${src} did not load`));
  document.head.append(element);
});
