package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/wasm/e2e/headless"
)

// BenchmarkPage is what a person waits for, in Chromium with an empty cache:
//
//	ready-s     until the page can be used: program, bundle, weights on the GPU
//	first-s     the first step with all networks, kernels compiled for it
//	step-s      a further step, of a run like one before
//	host-ms     of a step on the page's one thread: Go and JavaScript, preview and
//	            the board's frames included
//	replay-ms   of it what starts a step, the median: Go and JavaScript from the first
//	            number written for it to the end of its submission
//	load-, first-, step-block-ms  the longest time that the page did not answer
//
// A software adapter shares the processor with the page; MCDM_GPU=1 takes the
// machine's graphics card, and 50 steps instead of 4.
func BenchmarkPage(b *testing.B) {
	steps := 4.
	if headless.OnCard() {
		steps = 50
	}
	for range b.N {
		start := time.Now()
		p := open(b, 1280, 860, 20*time.Minute)
		p.until("ready", 10*time.Minute)
		b.ReportMetric(time.Since(start).Seconds(), "ready-s")
		if headless.OnCard() {
			require.NotContains(b, p.text("#notice-text"), "No graphics card in use")
		}
		b.ReportMetric(p.blocked(0), "load-block-ms")

		p.click("#example")
		p.run(chromedp.SetValue("#steps", "1"))
		took, _, from := p.generated()
		b.ReportMetric(took.Seconds(), "first-s")
		b.ReportMetric(p.blocked(from), "first-block-ms")

		p.run(chromedp.SetValue("#steps", fmt.Sprint(steps)))
		p.generated() // compiles kernels of its own, and chooses forms
		eval[bool](p, watchReplays)
		took, host, from := p.generated()
		b.Log(p.text("#status"))
		b.ReportMetric(took.Seconds()/steps, "step-s")
		b.ReportMetric(eval[float64](p, "replays.sort((a, b) => a - b)[replays.length >> 1]"), "replay-ms")
		b.ReportMetric(host*1e3/steps, "host-ms")
		b.ReportMetric(p.blocked(from), "step-block-ms")
	}
}

// watchReplays times what goes from a write after one submission to the end of the
// next, in ms; the first are of what comes before the first step.
const watchReplays = `(() => {
	globalThis.replays = [];
	let start = 0;
	const write = GPUQueue.prototype.writeBuffer, replay = globalThis.mcdmReplay;
	GPUQueue.prototype.writeBuffer = function (...args) {
		start ||= performance.now();
		return write.apply(this, args);
	};
	globalThis.mcdmReplay = (...args) => {
		start ||= performance.now();
		replay(...args);
		replays.push(performance.now() - start);
		start = 0;
	};
	return true;
})()`

// generated makes a picture: how long that took, how many seconds of it scripts
// ran, and the page's time in ms when it began. On a graphics card the page then makes
// the picture larger, which is waited for and not counted.
func (p *page) generated() (took time.Duration, script, from float64) {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, performance.Enable, performance.EnableParams{})
	require.NoError(p.t, err)
	eval[bool](p, `((studio) => {
		const times = globalThis.sampled = []; // of this run: the observers of earlier ones have their own
		let last = studio.dataset.state;
		new MutationObserver(() => {
			if (studio.dataset.state !== last) times.push(performance.now());
			last = studio.dataset.state;
		}).observe(studio, {attributeFilter: ["data-state"]});
		return true;
	})(document.getElementById("studio"))`)
	before := p.metric("ScriptDuration")
	p.sample(10 * time.Minute)
	after := p.metric("ScriptDuration")
	times := eval[[]float64](p, "sampled")
	require.GreaterOrEqual(p.t, len(times), 2)
	for n := 0; n != len(times); time.Sleep(time.Second) {
		p.until("ready", 10*time.Minute)
		n, times = len(times), eval[[]float64](p, "sampled")
	}
	return time.Duration((times[1] - times[0]) * 1e6), after - before, times[0]
}

func (p *page) metric(name string) float64 {
	p.t.Helper()
	r, err := chromedp.Call(p.ctx, performance.GetMetrics, cdp.Empty{})
	require.NoError(p.t, err)
	for _, m := range r.Metrics {
		if m.Name == name {
			return m.Value
		}
	}
	p.t.Fatalf("Chromium has no metric %s", name)
	return 0
}

// blocked is the longest task in ms since a time of the page; 0: none above 50 ms.
func (p *page) blocked(since float64) float64 {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[float64](fmt.Sprintf(`new Promise(done => {
		const longest = list => Math.max(0, ...list.filter(e => e.startTime >= %f).map(e => e.duration));
		new PerformanceObserver((l, o) => { o.disconnect(); done(longest(l.getEntries())) }).observe({ type: "longtask", buffered: true });
		setTimeout(() => done(0), 1000);
	})`, since), chromedp.EvalAwaitPromise))
	require.NoError(p.t, err)
	return v
}
