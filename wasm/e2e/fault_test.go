package e2e

import (
	"bytes"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/weights/bundle"
)

// rogue is the page's server, misbehaving with shards as a test asks.
type rogue struct {
	http.Handler
	files  fs.FS
	shards []bundle.Shard

	mu      sync.Mutex
	fault   func(w http.ResponseWriter, r *http.Request, name string) bool // of shards; true: it has answered
	garbled http.HandlerFunc                                               // answers for the manifest
	asked   map[string]int
	renamed string // the first shard, in a new version of the bundle
}

func newRogue(t *testing.T, files fs.FS) *rogue {
	folder, err := fs.Sub(files, "bundle")
	require.NoError(t, err)
	b, err := bundle.Open(folder)
	require.NoError(t, err)
	return &rogue{Handler: serve(t, files), files: folder, shards: b.Shards(), asked: map[string]int{}}
}

func (s *rogue) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := path.Base(r.URL.Path)
	s.mu.Lock()
	fault, garbled, renamed := s.fault, s.garbled, s.renamed
	if path.Ext(name) == ".safetensors" {
		s.asked[name]++
	}
	s.mu.Unlock()
	switch {
	case garbled != nil && name == bundle.ManifestName:
		garbled(w, r)
		return
	case renamed != "" && name == bundle.ManifestName:
		_, _ = w.Write(bytes.ReplaceAll(s.read(name), []byte(s.shards[0].Name), []byte(renamed)))
		return
	case renamed != "" && name == renamed:
		_, _ = w.Write(s.read(s.shards[0].Name))
		return
	case path.Ext(name) == ".safetensors" && fault != nil && fault(w, r, name):
		return
	}
	s.Handler.ServeHTTP(w, r)
}

// read gives a file of the bundle.
func (s *rogue) read(name string) []byte {
	data, err := fs.ReadFile(s.files, name)
	if err != nil {
		panic(err)
	}
	return data
}

// set changes what goes wrong, and forgets who asked.
func (s *rogue) set(fault func(w http.ResponseWriter, r *http.Request, name string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault, s.asked = fault, map[string]int{}
}

// hold keeps shards back, all or those of some names, until release is called or who
// asked is gone: a test that fails before it releases them ends all the same.
func (s *rogue) hold(names ...string) (release func()) {
	held := make(chan struct{})
	s.set(func(_ http.ResponseWriter, r *http.Request, name string) bool {
		if len(names) == 0 || slices.Contains(names, name) {
			select {
			case <-held:
			case <-r.Context().Done():
			}
		}
		return false
	})
	return func() { close(held) }
}

func (s *rogue) requests() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.asked)
}

// cut ends a connection after so many bytes of a body.
type cut struct {
	http.ResponseWriter
	left int
}

func (c *cut) Write(p []byte) (int, error) {
	if len(p) <= c.left {
		c.left -= len(p)
		return c.ResponseWriter.Write(p)
	}
	_, _ = c.ResponseWriter.Write(p[:c.left])
	_ = http.NewResponseController(c.ResponseWriter).Flush()
	time.Sleep(20 * time.Millisecond) // or the page sees nothing of it
	panic(http.ErrAbortHandler)
}

// kept are the SHA-256 of the shards in the browser's storage, hashed by the
// browser, by name.
func (p *page) kept() map[string]string {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[map[string]string](`(async () => {
		const cache = await caches.open("mcdm-weights"), out = {};
		for (const request of await cache.keys()) {
			const sum = await crypto.subtle.digest("SHA-256", await (await cache.match(request)).arrayBuffer());
			out[request.url.split("/").pop()] = [...new Uint8Array(sum)].map((b) => b.toString(16).padStart(2, "0")).join("");
		}
		return out;
	})()`, chromedp.EvalAwaitPromise))
	require.NoError(p.t, err)
	return v
}

// wanted is what kept must be: the page keeps what it uses.
func (s *rogue) wanted() map[string]string {
	out := map[string]string{}
	for _, h := range s.shards {
		out[h.Name] = h.SHA256
	}
	return out
}

// faster makes the page's clock run five times as fast: what it waits for passes
// sooner.
const faster = `{
	const now = performance.now.bind(performance), later = setTimeout;
	performance.now = () => now() * 5;
	globalThis.setTimeout = (f, ms, ...more) => later(f, ms / 5, ...more);
}`

// Every fault at a middle shard, one after the other in the same page, and a broken
// connection at the first and the last: words that name the shard, a button, and when
// the server is well again, the right weights, of which only the missing come over the
// network.
func TestFaults(t *testing.T) {
	t.Parallel()
	s := newRogue(t, small(t))
	type fault struct {
		words string
		do    func(w http.ResponseWriter, r *http.Request, name string)
	}
	broken := fault{"the connection broke after", func(http.ResponseWriter, *http.Request, string) { panic(http.ErrAbortHandler) }}
	all := []fault{
		broken,
		{"the server answered 404", func(w http.ResponseWriter, r *http.Request, _ string) { http.NotFound(w, r) }},
		{"the server answered 500 (tried 5 times)", func(w http.ResponseWriter, _ *http.Request, _ string) { w.WriteHeader(500) }},
		{"redirected elsewhere", func(w http.ResponseWriter, r *http.Request, _ string) {
			http.Redirect(w, r, "https://example.com/", 302)
		}},
		{"text/html came in place of weights", func(w http.ResponseWriter, _ *http.Request, name string) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write(s.read(name))
		}},
		{"its SHA-256 is not the manifest's", func(w http.ResponseWriter, _ *http.Request, name string) {
			data := s.read(name)
			data[len(data)/2] ^= 1
			w.Header().Set("Content-Type", "application/octet-stream")
			_, _ = w.Write(data)
		}},
		{"it ended after 100000 of", func(w http.ResponseWriter, _ *http.Request, name string) {
			w.Header().Set("Content-Type", "application/octet-stream")
			_, _ = w.Write(s.read(name)[:100_000])
		}},
		{"nothing came for 15s after", func(w http.ResponseWriter, r *http.Request, _ string) { <-r.Context().Done() }},
	}
	for _, at := range []struct {
		what   string
		bad    int
		faults []fault
	}{{"first", 0, []fault{broken}}, {"middle", len(s.shards) / 2, all}, {"last", len(s.shards) - 1, []fault{broken}}} {
		t.Run(at.what, func(t *testing.T) {
			p := openAt(t, s, 1280, 860, 5*time.Minute)
			bad, name := at.bad, s.shards[at.bad].Name
			for i, f := range at.faults {
				s.set(func(w http.ResponseWriter, r *http.Request, asked string) bool {
					if asked == name {
						f.do(w, r, asked)
					}
					return asked == name
				})
				if i == 0 {
					eval[bool](p, `caches.delete("mcdm-weights"), true`)
					p.before(faster)
				} else {
					p.click("#retry")
				}
				require.Eventually(t, func() bool {
					return p.state() == "failed" && strings.Contains(p.text("#notice-text"), f.words)
				}, 90*time.Second, 100*time.Millisecond, "shard %d: want %q", bad, f.words)
				assert.Contains(t, p.text("#notice-text"), "shard "+name)
				require.True(t, eval[bool](p, `document.getElementById("retry").checkVisibility()`))
				t.Logf("shard %d: %s", bad, p.text("#notice-text"))
				if i == 0 {
					p.screenshot("fault")
				}
			}
			assert.NotContains(t, p.kept(), name)
			s.set(nil)
			p.click("#retry")
			p.reach("ready", 2*time.Minute)
			assert.Equal(t, s.wanted(), p.kept())
			assert.Contains(t, s.requests(), name)
			assert.Less(t, len(s.requests()), len(s.shards), "what had arrived is fetched again")
		})
	}
}

// The manifest by the same rules: words that name it, a button, and the page
// goes on when the server is well again.
func TestManifestFaults(t *testing.T) {
	t.Parallel()
	s := newRogue(t, small(t))
	p := openAt(t, s, 1280, 860, 5*time.Minute)
	for i, f := range []struct {
		words string
		do    http.HandlerFunc
	}{
		{"the server answered 404", http.NotFound},
		{"the server answered 500 (tried 5 times)", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }},
		{"redirected elsewhere", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "https://example.com/", 302) }},
		{"text/html came in place of the bundle's manifest", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write(s.read(bundle.ManifestName))
		}},
		{"the file is torn", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(s.read(bundle.ManifestName)[:9999]) }},
		{"the connection broke after", func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }},
		{"nothing came for 15s after", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
	} {
		s.mu.Lock()
		s.garbled = f.do
		s.mu.Unlock()
		if i == 0 {
			p.before(faster)
		} else {
			p.click("#retry")
		}
		require.Eventually(t, func() bool {
			return p.state() == "failed" && strings.Contains(p.text("#notice-text"), f.words)
		}, 90*time.Second, 100*time.Millisecond, "want %q", f.words)
		assert.Contains(t, p.text("#notice-text"), "could not be loaded: manifest.json: ")
		require.True(t, eval[bool](p, `document.getElementById("retry").checkVisibility()`))
		t.Log(p.text("#notice-text"))
	}
	p.screenshot("manifest-fault")
	s.mu.Lock()
	s.garbled = nil
	s.mu.Unlock()
	p.click("#retry")
	p.reach("ready", 2*time.Minute)
}

// buffers has the page remember its GPU buffers.
const buffers = `{
	globalThis.made = [];
	const make = GPUDevice.prototype.createBuffer;
	GPUDevice.prototype.createBuffer = function (d) {
		const b = make.call(this, {...d, usage: d.usage | (d.usage & GPUBufferUsage.MAP_READ ? 0 : GPUBufferUsage.COPY_SRC)});
		if (d.usage & GPUBufferUsage.STORAGE) made.push([this, b]);
		return b;
	};
}`

// onGPU are the SHA-256 of what lies in the storage buffers of the page's last
// graphics card, in the order in which they were made, and their bytes in all. Before the first picture
// these are the weights.
func (p *page) onGPU() (sums []string, total int) {
	p.t.Helper()
	type read struct {
		Sums  []string `json:"sums"`
		Total int      `json:"total"`
	}
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[read](`(async () => {
		const sums = [];
		let total = 0;
		const last = made.at(-1)[0]; // of a load that failed, the card was closed
		for (const [device, b] of made.filter(([d]) => d === last)) {
			const copy = device.createBuffer({size: b.size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST});
			const e = device.createCommandEncoder();
			e.copyBufferToBuffer(b, 0, copy, 0, b.size);
			device.queue.submit([e.finish()]);
			await copy.mapAsync(GPUMapMode.READ);
			const sum = await crypto.subtle.digest("SHA-256", copy.getMappedRange());
			sums.push([...new Uint8Array(sum)].map((b) => b.toString(16).padStart(2, "0")).join(""));
			total += b.size;
			copy.destroy();
		}
		return {sums, total};
	})()`, chromedp.EvalAwaitPromise))
	require.NoError(p.t, err)
	return v.Sums, v.Total
}

// The connection is cut at random points: what ends up on the GPU are the very
// bytes of a load without a fault.
func TestCutsInBrowser(t *testing.T) {
	s := newRogue(t, os.DirFS(dist))
	chance := rand.New(rand.NewPCG(7, 0))
	cuts, resumed, presses := 0, 0, 0
	s.set(func(w http.ResponseWriter, r *http.Request, name string) bool {
		s.mu.Lock()
		again, left := cuts < 100, 20_000+chance.IntN(300_000)
		if again {
			cuts++
		}
		if r.Header.Get("Range") != "" {
			resumed++
		}
		s.mu.Unlock()
		if again {
			s.Handler.ServeHTTP(&cut{w, left}, r)
		}
		return again
	})
	p := openAt(t, s, 1280, 860, 10*time.Minute)
	p.before(buffers)
	state := ""
	for end := time.Now().Add(5 * time.Minute); state != "ready" && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		// Chromium drops what it had not handed over: patience may come to its end.
		if state = p.state(); state == "failed" {
			require.Contains(t, p.text("#notice-text"), "the connection broke after")
			p.click("#retry")
			presses++
		}
	}
	require.Equal(t, "ready", state)
	assert.Equal(t, s.wanted(), p.kept())
	require.Equal(t, 100, cuts)
	t.Logf("%d cuts, %d requests for the rest of a shard, %d presses of the button", cuts, resumed, presses)
	assert.Greater(t, resumed, 10)
	got, total := p.onGPU()
	p.run(chromedp.Reload())
	p.until("ready", 3*time.Minute)
	want, _ := p.onGPU()
	assert.Equal(t, want, got)
	assert.Greater(t, len(want), 100)
	assert.Greater(t, total, 30_000_000)
	seen := map[string]bool{}
	for _, sum := range want {
		seen[sum] = true
	}
	assert.Greater(t, len(seen), 100, "they differ")
}

// While the weights come, the program's memory grows by the shards that are on
// their way and not by all of them.
func TestMemoryWhileLoading(t *testing.T) {
	s := newRogue(t, os.DirFS(dist))
	release := s.hold()
	p := openAt(t, s, 1280, 860, 8*time.Minute)
	// Memory of WebAssembly never shrinks: its size is its peak.
	p.before(`{ const start = WebAssembly.instantiateStreaming; WebAssembly.instantiateStreaming = async (...a) => { const r = await start(...a); globalThis.memory = () => r.instance.exports.mem.buffer.byteLength; return r; }; }`)
	require.Eventually(t, func() bool { return strings.Contains(p.text("#status"), "0.0 of") }, 2*time.Minute, 100*time.Millisecond)
	before := eval[int](p, `memory()`)
	release()
	p.until("ready", 3*time.Minute)
	grown, weights := eval[int](p, `memory()`)-before, 0
	b, err := bundle.Open(os.DirFS(dist + "/bundle"))
	require.NoError(t, err)
	for _, n := range b.Manifest.All() {
		for name := range n.Tensors {
			tensor, err := n.Describe(name)
			require.NoError(t, err)
			weights += tensor.Elements() // a byte each, or more
		}
	}
	t.Logf("%.1f MB before, %.1f MB more for %.1f MB of weights, decoded", float64(before)/1e6, float64(grown)/1e6, float64(weights)/1e6)
	p.run(chromedp.Reload())
	p.until("ready", 3*time.Minute)
	t.Logf("%.1f MB in all with kept weights", float64(eval[int](p, `memory()`))/1e6)
	assert.Less(t, grown, weights)
}

// A second visit fetches no weights; a kept shard that is damaged is fetched
// again, alone; a new version of the bundle takes the old one's place.
func TestKeptWeights(t *testing.T) {
	s := newRogue(t, small(t))
	p := openAt(t, s, 1280, 860, 8*time.Minute)
	p.until("ready", 3*time.Minute)
	require.Equal(t, s.wanted(), p.kept())
	require.Eventually(t, func() bool { return eval[bool](p, `!document.getElementById("kept").hidden`) }, 30*time.Second, 100*time.Millisecond)
	installed, err := chromedp.Run(p.ctx, chromedp.Evaluate[[]string](`caches.keys().then((names) => names.filter((n) => n.startsWith("mcdm "))).then(
		async (names) => (await Promise.all(names.map(async (n) => (await (await caches.open(n)).keys()).map((r) => r.url)))).flat())`, chromedp.EvalAwaitPromise))
	require.NoError(t, err)
	assert.NotEmpty(t, installed)
	assert.NotContains(t, strings.Join(installed, " "), ".safetensors", "the shards have a cache of their own")
	s.set(nil)
	p.run(chromedp.Reload())
	p.until("ready", 3*time.Minute)
	assert.Empty(t, s.requests(), "kept, but asked for")

	damaged := s.shards[2].Name
	eval[bool](p, `caches.open("mcdm-weights").then((c) => c.put("bundle/%s", new Response(new Uint8Array(%d)))).then(() => globalThis.planted = true), true`, damaged, s.shards[2].Size)
	require.Eventually(t, func() bool { return eval[bool](p, `globalThis.planted ?? false`) }, 10*time.Second, 50*time.Millisecond)
	require.NotEqual(t, s.wanted(), p.kept())
	p.run(chromedp.Reload())
	p.until("ready", 3*time.Minute)
	assert.Equal(t, map[string]int{damaged: 1}, s.requests())
	assert.Equal(t, s.wanted(), p.kept())

	s.set(nil)
	s.mu.Lock()
	s.renamed = "newer-" + s.shards[0].SHA256[:16] + ".safetensors"
	s.mu.Unlock()
	p.run(chromedp.Reload())
	p.until("ready", 3*time.Minute)
	assert.Equal(t, map[string]int{s.renamed: 1}, s.requests())
	want := s.wanted()
	want[s.renamed] = want[s.shards[0].Name]
	delete(want, s.shards[0].Name)
	assert.Equal(t, want, p.kept(), "the old version's shard still takes room")
	p.quiet()
}

// Where the browser forbids the page to keep anything, it works as ever.
func TestForbiddenStorage(t *testing.T) {
	p := openAt(t, serve(t, small(t)), 1280, 860, 4*time.Minute)
	p.before(`for (const name of ["localStorage", "caches"]) Object.defineProperty(window, name, {get() { throw new DOMException("forbidden", "SecurityError"); }});`)
	p.until("ready", 3*time.Minute)
	p.draw(spot{.3, .3}, spot{.7, .3})
	p.set("steps", "1")
	p.generate()
	assert.True(t, eval[bool](p, `document.getElementById("kept").hidden`))
	p.quiet()
}

// A full storage is told, all works, and pressing the button keeps what did not fit.
func TestFullStorage(t *testing.T) {
	s := newRogue(t, os.DirFS(dist))
	release := s.hold()
	p := openAt(t, s, 1280, 860, 6*time.Minute)
	few := 12e6
	_, err := chromedp.Call(p.ctx, storage.OverrideQuotaForOrigin, storage.OverrideQuotaForOriginParams{Origin: p.url, QuotaSize: &few})
	require.NoError(t, err)
	release()
	p.until("ready", 3*time.Minute)
	assert.Contains(t, p.text("#notice-text"), "No graphics card in use", "told before, and not closed")
	assert.Contains(t, p.text("#notice-text"), "All works, but the networks will be loaded again at the next visit: shard ")
	assert.Contains(t, p.text("#notice-text"), "the browser did not keep it (QuotaExceededError")
	t.Log(p.text("#notice-text"))
	require.NotEqual(t, s.wanted(), p.kept())
	_, err = chromedp.Call(p.ctx, storage.OverrideQuotaForOrigin, storage.OverrideQuotaForOriginParams{Origin: p.url})
	require.NoError(t, err)
	s.set(nil)
	p.click("#retry")
	require.Eventually(t, func() bool { return assert.ObjectsAreEqual(s.wanted(), p.kept()) }, 30*time.Second, 500*time.Millisecond)
	assert.Empty(t, s.requests(), "fetched to be kept")
}

// breakable has the page lose its graphics card in a call named by lose.at, after
// so many of them. opened counts cards. What is in sessionStorage is for the next
// load.
const breakable = `{
	globalThis.opened = 0;
	globalThis.lose = JSON.parse(sessionStorage.getItem("lose") ?? '{"at": "", "after": 0}');
	sessionStorage.removeItem("lose");
	const ask = GPUAdapter.prototype.requestDevice;
	GPUAdapter.prototype.requestDevice = async function (d) { opened++; return globalThis.card = await ask.call(this, d); };
	for (const [of, name] of [[GPUDevice, "createComputePipelineAsync"], [GPUQueue, "writeBuffer"], [GPUQueue, "submit"], [GPUBuffer, "mapAsync"]]) {
		const call = of.prototype[name];
		of.prototype[name] = function (...a) {
			const r = call.apply(this, a);
			if (lose.at === name && lose.after-- <= 0) {
				lose.at = "";
				card.destroy();
			}
			return r;
		};
	}
}`

// The graphics card is lost at every phase: the page goes on by itself, fetches
// nothing twice and makes the very picture that it makes without; drawing and
// history stay.
func TestLostAtEveryPhase(t *testing.T) {
	t.Parallel()
	s := newRogue(t, small(t))
	p := openAt(t, s, 1280, 860, 25*time.Minute)
	p.before(breakable)
	p.until("ready", 3*time.Minute)
	p.draw(spot{.3, .3}, spot{.7, .3})
	settings := func() {
		p.alone("sketch")
		p.set("steps", "3")
		p.set("seed", "5")
		if p.attribute("lock", "aria-pressed") != "true" {
			p.click("#lock") // or the same again is made with another seed
		}
	}
	settings()
	want := p.generate()
	pictures := p.pictures()
	s.set(nil)
	for _, phase := range []struct {
		what, at string
		after    int
		load     bool // it is lost while the page loads
	}{
		{"kernels are compiled", "createComputePipelineAsync", 3, true},
		{"the first step runs", "submit", 0, false},
		{"a step in the middle runs", "submit", 2, false},
		{"the picture is read back", "mapAsync", 0, false},
	} {
		t.Run(phase.what, func(t *testing.T) {
			opened := 1
			if phase.load {
				eval[bool](p, `sessionStorage.setItem("lose", JSON.stringify({at: %q, after: %d})), true`, phase.at, phase.after)
				p.run(chromedp.Reload())
				p.until("ready", 3*time.Minute)
				settings()
			} else {
				opened = eval[int](p, `opened`)
				eval[bool](p, `lose = {at: %q, after: %d}, true`, phase.at, phase.after)
			}
			got := p.generate()
			pictures++
			assert.Equal(t, "", eval[string](p, `lose.at`), "it was not lost")
			assert.Equal(t, opened+1, eval[int](p, `opened`))
			assert.True(t, bytes.Equal(want.Pix, got.Pix), "another picture, or the seed moved on: %s", p.value("seed"))
			assert.True(t, dark(p.seen(spot{.5, .3})), "the drawing")
			assert.Equal(t, pictures, p.pictures(), "the history")
		})
	}
	assert.Empty(t, s.requests(), "fetched again")
	p.quiet()
}

// The graphics card is lost while the weights come: the page goes on by itself.
func TestLostWhileLoading(t *testing.T) {
	s := newRogue(t, small(t))
	p := openAt(t, s, 1280, 860, 6*time.Minute)
	p.until("ready", 3*time.Minute)
	release := s.hold(s.shards[3].Name)
	_, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool](`caches.delete("mcdm-weights")`, chromedp.EvalAwaitPromise))
	require.NoError(t, err)
	p.before(breakable)
	require.Eventually(t, func() bool { return eval[bool](p, `!!globalThis.card`) }, 2*time.Minute, 50*time.Millisecond)
	require.Equal(t, "loading", p.state())
	eval[bool](p, `card.destroy(), true`)
	time.Sleep(200 * time.Millisecond)
	release()
	// A browser that is busy tells late, maybe after the weights have come.
	require.Eventually(t, func() bool { return eval[int](p, `opened`) == 2 }, 2*time.Minute, 50*time.Millisecond)
	p.until("ready", 3*time.Minute)
	require.Len(t, s.requests(), len(s.shards))
	for name, n := range s.requests() {
		assert.Equal(t, 1, n, "%s was fetched again", name)
	}
	p.alone("")
	p.set("steps", "1")
	p.generate()
	p.quiet()
}
