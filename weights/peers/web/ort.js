// onnxruntime-web. All four networks and their merge are one graph, so that a
// step is one run.
const DIST = new URL("node_modules/onnxruntime-web/dist/", location.href).href;

const FEEDS = { z: "sample", t: "timestep", sketch: "cond.sketch", mask: "cond.mask", text: "encoder_hidden_states.text" };

export const load = (inputs, provider) => (provider === "wasm" ? onWASM(inputs) : onWebGPU(inputs));

// The WASM provider with SIMD, on as many threads as there are processors.
async function onWASM(inputs) {
  const ort = await import(`${DIST}ort.wasm.min.mjs`);
  ort.env.wasm.wasmPaths = DIST;
  ort.env.wasm.numThreads = crossOriginIsolated ? navigator.hardwareConcurrency : 1;
  const session = await ort.InferenceSession.create("step.onnx", { executionProviders: ["wasm"], graphOptimizationLevel: "all" });
  const feeds = {};
  for (const [name, from] of Object.entries(FEEDS)) feeds[name] = new ort.Tensor("float32", inputs[from].data, inputs[from].shape);
  return {
    note: `SIMD, ${ort.env.wasm.numThreads} threads`,
    step: async () => (await session.run(feeds)).eps.data,
  };
}

// The WebGPU provider with inputs and output bound to buffers on the GPU. Two
// faster forms do not work in 1.30.0: it has no kernel for com.microsoft.GroupNorm
// ("Provider type for GroupNorm node is not set"; added later by its pull request
// 32463), and a captured graph fails when it is replayed ("createBindGroup: buffer:
// Required member is undefined"), since bound buffers are unregistered after
// every run.
async function onWebGPU(inputs) {
  const ort = await import(`${DIST}ort.webgpu.min.mjs`);
  ort.env.wasm.wasmPaths = DIST;
  ort.env.wasm.numThreads = 1; // of the CPU, which then only encodes
  ort.env.webgpu.powerPreference = "high-performance";
  const session = await ort.InferenceSession.create("step.onnx", { executionProviders: ["webgpu"], graphOptimizationLevel: "all" });
  const device = await ort.env.webgpu.device;
  const tensor = ({ data, shape }) => {
    const buffer = device.createBuffer({
      size: Math.ceil(data.byteLength / 16) * 16, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
    });
    device.queue.writeBuffer(buffer, 0, data);
    return ort.Tensor.fromGpuBuffer(buffer, { dataType: "float32", dims: shape });
  };
  const feeds = {};
  for (const [name, from] of Object.entries(FEEDS)) feeds[name] = tensor(inputs[from]);
  const eps = tensor({ data: new Float32Array(inputs.eps.data.length), shape: inputs.eps.shape });
  return {
    note: "buffers bound on the GPU",
    step: async () => {
      device.queue.writeBuffer(feeds.z.gpuBuffer, 0, inputs.sample.data);
      device.queue.writeBuffer(feeds.t.gpuBuffer, 0, inputs.timestep.data);
      await session.run(feeds, { eps });
      return read(device, eps.gpuBuffer, inputs.eps.data.byteLength);
    },
  };
}

let staging; // made once

async function read(device, buffer, size) {
  staging ??= device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, size);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const values = new Float32Array(staging.getMappedRange().slice(0));
  staging.unmap();
  return values;
}
