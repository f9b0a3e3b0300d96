// One call from Go encodes whole programs: crossing into JavaScript for every
// launch would cost 12 to 20 microseconds each.
globalThis.mcdmReplay = (device, ...programs) => {
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  for (const { pipelines, groups, counts } of programs) {
    for (let i = 0, c = 0; i < pipelines.length; i++, c += 3) {
      pass.setPipeline(pipelines[i]);
      pass.setBindGroup(0, groups[i]);
      pass.dispatchWorkgroups(counts[c], counts[c + 1], counts[c + 2]);
    }
  }
  pass.end();
  device.queue.submit([encoder.finish()]);
};
