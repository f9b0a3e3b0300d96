// The page that the driver talks to. Every peer has a frame of its own, so that
// nothing that one loads or sets reaches another; their URLs differ in the
// first folder, by which the server counts what each of them downloads.
const frames = {};

// use opens a peer's frame and loads the peer in it.
globalThis.use = async (name) => {
  const frame = document.createElement("iframe");
  frame.src = `/${name}/frame.html`;
  document.body.append(frame);
  await new Promise((resolve) => { frame.onload = resolve; });
  frames[name] = frame.contentWindow;
  return frames[name].use(name);
};

globalThis.step = (name) => frames[name].step();

// drop ends a peer, its device and its workers.
globalThis.drop = (name) => {
  frames[name].frameElement.remove();
  delete frames[name];
};

globalThis.adapter = async () => {
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) throw new Error("the browser offers no WebGPU adapter");
  const { vendor, architecture, device, description } = adapter.info;
  return [vendor, architecture, device, description].filter(Boolean).join(" ");
};
