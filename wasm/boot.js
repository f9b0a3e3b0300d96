// Starts the Go program. All else is in it.
const wasm = document.querySelector('meta[name="mcdm-wasm"]').content;
const fail = (status, text) => {
  document.getElementById("studio").dataset.state = "failed";
  document.getElementById("status").textContent = status;
  document.getElementById("notice-text").textContent = text;
  const retry = document.getElementById("retry");
  document.getElementById("notice-close").hidden = true; // the program's
  retry.hidden = document.getElementById("notice").hidden = false;
  retry.onclick = () => location.reload();
};
// A page of one file holds the program in itself: gzip in base64 (server/cmd/offline).
const oneFile = document.querySelector('meta[name="mcdm-one-file"]');
const inside = (element) => {
  const bytes = Uint8Array.from(atob(element.textContent), (c) => c.charCodeAt(0));
  element.remove();
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream, { headers: { "Content-Type": "application/wasm" } });
};
const load = async () => {
  for (const name of ["Go", "mcdmReplay"]) if (!globalThis[name]) throw new Error(`${name} is missing`); // of other scripts
  const go = new Go();
  const response = oneFile ? inside(document.getElementById(wasm)) : await fetch(wasm);
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  const { instance } = await WebAssembly.instantiateStreaming(response, go.importObject);
  return () => go.run(instance);
};
const start = () => load().then(
  (run) => run().finally(() => fail("The program has stopped.",
    "The program has stopped by a fault of its own, which the browser's console tells. Try again loads the page anew.")),
  (error) => fail("The program could not be started.",
    oneFile ? `This file is not whole: save it again. (${error.message ?? error})`
      : `The program (${wasm}) could not be loaded: ${error.message ?? error}. Check the connection and try again.`));
document.addEventListener("DOMContentLoaded", start);
