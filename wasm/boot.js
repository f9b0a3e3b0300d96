// Starts the Go program. All else is in it.
const go = new Go();
const wasm = document.querySelector('meta[name="mcdm-wasm"]').content;
const fail = (error) => {
  document.getElementById("studio").dataset.state = "failed";
  document.getElementById("status").textContent = "The program could not be started.";
  document.getElementById("notice-text").textContent =
    `The program (${wasm}) could not be loaded: ${error.message ?? error}. Check the connection and try again.`;
  const retry = document.getElementById("retry");
  retry.hidden = document.getElementById("notice").hidden = false;
  retry.onclick = () => location.reload();
};
fetch(wasm)
  .then((response) => {
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    return WebAssembly.instantiateStreaming(response, go.importObject);
  })
  .then(({ instance }) => go.run(instance))
  .then(() => { throw new Error("it has stopped"); })
  .catch(fail);
