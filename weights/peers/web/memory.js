// countBuffers watches every GPUBuffer of this frame from now on, whoever makes
// it; one that is never destroyed counts until it is collected. What a driver
// keeps besides (pipelines, staging of its own) is not seen.
export function countBuffers() {
  const count = { live: 0, peak: 0 };
  if (!globalThis.GPUDevice) return count;
  const { createBuffer } = GPUDevice.prototype, { destroy } = GPUBuffer.prototype;
  const sizes = new WeakMap(); // of buffers that live
  const free = (size) => { count.live -= size; };
  const collected = new FinalizationRegistry(free);
  GPUDevice.prototype.createBuffer = function (descriptor) {
    const buffer = createBuffer.call(this, descriptor);
    sizes.set(buffer, buffer.size);
    collected.register(buffer, buffer.size, buffer);
    count.live += buffer.size;
    count.peak = Math.max(count.peak, count.live);
    return buffer;
  };
  GPUBuffer.prototype.destroy = function () {
    if (sizes.has(this)) {
      free(sizes.get(this));
      sizes.delete(this);
      collected.unregister(this);
    }
    return destroy.call(this);
  };
  return count;
}
