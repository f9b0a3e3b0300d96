// Ours: package engine, compiled from ../ours.
import { script } from "./safetensors.js";

export async function load() {
  await Promise.all([script("wasm_exec.js"), script("replay.js")]);
  const go = new Go();
  const { instance } = await WebAssembly.instantiateStreaming(fetch("ours.wasm"), go.importObject);
  go.run(instance);
  return { note: await globalThis.ours.load(), step: globalThis.ours.step };
}
