package e2e

import (
	"strings"
	"testing"
	"time"

	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// before loads the page anew, with a script that runs before all of it.
func (p *page) before(script string) {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: script})
	require.NoError(p.t, err)
	p.run(chromedp.Reload())
}

// A browser without WebGPU says what to use, and still draws.
func TestNoWebGPU(t *testing.T) {
	p := open(t, 1280, 860, 3*time.Minute)
	p.before(`Object.defineProperty(Navigator.prototype, "gpu", {value: undefined})`)
	p.reach("failed", 2*time.Minute)
	assert.Contains(t, p.text("#notice-text"), "This browser has no WebGPU")
	assert.Contains(t, p.text("#notice-text"), "Use a current Chrome or Edge")
	p.draw(spot{.3, .3}, spot{.7, .3})
	assert.True(t, dark(p.seen(spot{.5, .3})))

	// On a phone, too, nothing that works lies below the notice, which stays.
	p.run(chromedp.EmulateViewport(390, 700))
	p.click("#example")
	require.NotEqual(t, "empty", p.text("#state-mask"))
	p.click("#mine")
	assert.Equal(t, "empty", p.text("#state-mask"), "Bring mine back cannot be pressed")
	p.quiet()
}

// A run that is stopped at once leaves nothing behind. The card's memory runs out in
// mid-sampling: said so, nothing is lost, and the next Generate works.
func TestOutOfMemory(t *testing.T) {
	p := openAt(t, serve(t, small(t)), 1280, 860, 6*time.Minute)
	p.before(`{ const ask = GPUAdapter.prototype.requestDevice; GPUAdapter.prototype.requestDevice = async function (d) { return globalThis.device = await ask.call(this, d); }; }`)
	p.until("ready", 3*time.Minute)
	p.draw(spot{.3, .3}, spot{.7, .3})
	p.alone("")
	p.set("steps", "1000")

	// Stopped before there was any: no cell is left to be clicked, and the seed is not used up.
	p.set("count", "4")
	seed := p.value("seed")
	for range 2 {
		p.click("#generate")
		p.click("#stop")
		p.until("ready", time.Minute)
		require.Equal(t, "Stopped before the first step.", p.text("#status"))
		assert.Zero(t, eval[int](p, `document.querySelectorAll("#grid button").length`))
		assert.True(t, eval[bool](p, `document.getElementById("picture-hint").checkVisibility()`))
		assert.Equal(t, seed, p.value("seed"))
	}
	p.set("count", "1")

	p.click("#generate")
	require.Eventually(t, func() bool { return strings.HasPrefix(p.text("#status"), "Step ") }, 2*time.Minute, 50*time.Millisecond)
	eval[bool](p, `device.dispatchEvent(new GPUUncapturedErrorEvent("uncapturederror", {error: new GPUOutOfMemoryError("planted")}))`)
	p.until("ready", time.Minute)
	assert.Contains(t, p.text("#status"), "no memory left. Ask for fewer pictures at once")
	assert.True(t, dark(p.seen(spot{.5, .3})))
	p.set("steps", "1")
	p.generate()

	// A run that makes nothing leaves the last one's pictures where they are.
	p.set("count", "4")
	p.sample(2 * time.Minute)
	require.True(t, p.visible("grid"))
	eval[bool](p, `(new MutationObserver(() => document.getElementById("stop").hidden || document.getElementById("stop").click())
		.observe(document.getElementById("stop"), { attributes: true }), true)`)
	p.click("#generate")
	require.Eventually(t, func() bool { return p.text("#status") == "Stopped before the first step." }, time.Minute, 50*time.Millisecond)
	assert.True(t, p.visible("grid"))
	p.click("#grid button:nth-child(2)")
	assert.False(t, eval[bool](p, `document.getElementById("favourite").disabled`), "it is none of the history")
	p.quiet()
}
