// Lets the page open with its server gone. What the page loaded lies in a cache
// that the Go program fills (ui/studio/install.go); names that carry a hash never
// change, everything else is asked for first. Weights are the program's own matter.
const hashed = /[.-][0-9a-f]{16}\.[a-z]+$/;
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  const { pathname, origin } = new URL(event.request.url);
  if (event.request.method !== "GET" || origin !== location.origin || pathname.endsWith(".safetensors")) return;
  const same = hashed.test(pathname);
  const page = event.request.mode === "navigate" && !same; // kept once, whatever name and query it is opened by
  const kept = () => caches.match(page ? "./" : event.request, { ignoreVary: true }).catch(() => undefined); // a damaged cache keeps nothing
  event.respondWith(same
    ? kept().then((response) => response ?? fetch(event.request))
    : fetch(event.request).then(async (response) => response.status < 500 ? response : (await kept()) ?? response, // its proxy may be there
      async (error) => (await kept()) ?? Promise.reject(error)));
});
