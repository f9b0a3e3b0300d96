// One peer: loading, steps, and the three figures that are the same for all of
// them: seconds, distance from PyTorch's prediction, bytes in GPU buffers.
import { read } from "./safetensors.js";
import { countBuffers } from "./memory.js";

const memory = countBuffers();
let peer, inputs;

async function timed(f) {
  const start = performance.now();
  const result = await f();
  return [(performance.now() - start) / 1000, result];
}

// use loads a peer: everything up to the first step, download included.
globalThis.use = async (name) => {
  inputs = read(await (await fetch("/step.safetensors")).arrayBuffer());
  const [file, ...options] = name.split("-");
  const { load } = await import(`./${file}.js`);
  const [seconds, loaded] = await timed(() => load(inputs, ...options));
  peer = loaded;
  return { seconds, note: peer.note };
};

// step makes one: z and t go in from JavaScript's memory, the merged
// prediction comes out to it.
globalThis.step = async () => {
  const [seconds, eps] = await timed(() => peer.step());
  return { seconds, error: distance(eps, inputs.eps.data), peak: memory.peak };
};

// distance is the root mean square of a - b, relative to that of b.
function distance(a, b) {
  if (a.length !== b.length) throw new Error(`${a.length} values, want ${b.length}`);
  let difference = 0, size = 0;
  for (let i = 0; i < b.length; i++) {
    difference += (a[i] - b[i]) ** 2;
    size += b[i] ** 2;
  }
  return Math.sqrt(difference / size);
}
