package e2e

import (
	"image"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/ui/recipe"
)

// violation is one rule that axe found broken.
type violation struct {
	ID, Help string
	Nodes    []string
}

// axeCore is the checker's program; os.ErrNotExist where it is not installed.
func axeCore() ([]byte, error) { return os.ReadFile("node_modules/axe-core/axe.min.js") }

// useAxe puts the checker into the page, until it is loaded anew.
func (p *page) useAxe(source []byte) {
	p.t.Helper()
	_, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool](string(source)+"; true"))
	require.NoError(p.t, err)
}

// axe checks what is on the page now, in light and in dark.
func (p *page) axe(what string) {
	p.t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		require.NoError(p.t, err)
		time.Sleep(300 * time.Millisecond) // colours of switches fade
		found, err := chromedp.Run(p.ctx, chromedp.Evaluate[[]violation](`axe.run(document).then((r) => r.violations.map((v) => ({ID: v.id, Help: v.help, Nodes: v.nodes.map((n) => n.html + ": " + n.failureSummary)})))`, chromedp.EvalAwaitPromise))
		require.NoError(p.t, err)
		for _, v := range found {
			p.t.Errorf("%s, %s: %s (%s):\n%s", what, scheme, v.Help, v.ID, strings.Join(v.Nodes, "\n"))
		}
		p.screenshot("axe-" + what + "-" + scheme)
	}
}

// TestAccessible runs axe-core (https://github.com/dequelabs/axe-core, MPL 2.0)
// over the page in the states that differ in what can be seen.
func TestAccessible(t *testing.T) {
	source, err := axeCore()
	if os.IsNotExist(err) {
		t.Skip(`axe-core is not installed: "make axe" does it, with Node's npm`)
	}
	require.NoError(t, err)
	p := open(t, 1280, 860, 8*time.Minute)
	p.until("ready", 3*time.Minute)
	p.useAxe(source)

	p.axe("ready")
	p.click("#example")
	p.alone("")
	p.set("steps", "1")
	const closed = `[...document.querySelectorAll("details:not([open]) > summary")].filter((s) => s.checkVisibility())`
	require.Greater(t, eval[int](p, closed+".length"), 5)
	eval[bool](p, closed+".every((s) => (s.click(), true))")
	require.Zero(t, eval[int](p, closed+".length"))
	p.generate()
	p.set("count", "2")
	p.set("steps", "1000")
	p.click("#generate")
	require.Eventually(t, func() bool { return strings.HasPrefix(p.text("#status"), "Step ") }, 2*time.Minute, 50*time.Millisecond)
	p.axe("sampling")
	require.Equal(t, "sampling", p.state())
	p.click("#stop")
	p.until("ready", 20*time.Second)
	p.click("#grid button")
	p.click("#favourite")
	p.set("prompt", "")
	p.run(chromedp.SendKeys("#prompt", "zebra b"), chromedp.KeyEvent(kb.ArrowDown))
	assert.False(t, eval[bool](p, `document.getElementById("prompt-offers").hidden`))
	p.axe("full")
	p.click("#compare")
	p.axe("compare")
	p.run(chromedp.KeyEvent(kb.Escape))

	// Signs and scores, and a photo that is being cropped.
	file, err := recipe.Write(image.NewGray(image.Rect(0, 0, 64, 64)), recipe.Recipe{
		Seed: 12, Sampler: recipe.Sampler{Name: "ddim", Steps: 1}, Verdict: recipe.Verdict{
			Accord: []recipe.Accord{{A: "mask", B: "text", Cosine: -.5, Steps: 1}},
			Scores: recipe.Scores{Rank: 1, Of: 2, By: map[string]recipe.Score{"mask": {Lift: 3, Rank: 1}, "text": {Lift: -8, Rank: 2}}},
		}})
	require.NoError(t, err)
	p.give("drop", "scored.png", "image/png", file)
	require.Eventually(t, func() bool { return eval[bool](p, `document.getElementById("scores").checkVisibility()`) }, 20*time.Second, 100*time.Millisecond)
	assert.Equal(t, "At odds with the sentence: they pull opposite ways.", p.text("#odds-mask"))
	p.give("drop", "me.jpg", "image/jpeg", photo())
	require.Eventually(t, func() bool { return eval[bool](p, `document.getElementById("import-crop").checkVisibility()`) }, 20*time.Second, 100*time.Millisecond)
	p.axe("verdict")

	// The checks themselves must be able to fail.
	eval[bool](p, `(Object.assign(document.getElementById("save").style, {color: "#777", background: "#888"}), document.getElementById("save").disabled = false, document.querySelector("#prompt").removeAttribute("aria-label"), document.querySelector("#prompt").placeholder = "", true)`)
	broken, err := chromedp.Run(p.ctx, chromedp.Evaluate[[]string](`axe.run(document).then((r) => r.violations.map((v) => v.id))`, chromedp.EvalAwaitPromise))
	require.NoError(t, err)
	require.Subset(t, broken, []string{"color-contrast", "label"})
}
