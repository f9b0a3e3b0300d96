package e2e

import (
	"image"
	"image/color"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/ui/recipe"
)

var white = color.RGBA{255, 255, 255, 255}

// dark tells a line of the sketch from everything else.
func dark(c color.RGBA) bool { return int(c.R)+int(c.G)+int(c.B) < 150 }

// A person draws, paints, fills, erases, changes their mind, types, and stops
// the sampling.
func TestDrawPaintType(t *testing.T) {
	p := studio(t, 1280, 860, 5*time.Minute)

	require.Equal(t, white, p.seen(spot{.5, .6}), "the board's hint must lie beside this spot")
	assert.Equal(t, "empty", p.text("#state-sketch"))

	// A closed shape of lines.
	p.draw(spot{.3, .3}, spot{.7, .3})
	p.draw(spot{.7, .3}, spot{.7, .7})
	p.draw(spot{.7, .7}, spot{.3, .7})
	p.draw(spot{.3, .7}, spot{.3, .3})
	assert.True(t, dark(p.seen(spot{.5, .3})), "a line lies where the mouse was")
	assert.True(t, dark(p.seen(spot{.7, .5})))
	assert.Equal(t, white, p.seen(spot{.5, .6}))
	assert.Equal(t, "drawn", p.text("#state-sketch"))

	// Filled with hair, up to the lines.
	p.click("#label-hair")
	p.click("#tool-bucket")
	p.draw(spot{.5, .6})
	hair := p.seen(spot{.5, .6})
	assert.NotEqual(t, white, hair)
	assert.Equal(t, white, p.seen(spot{.2, .6}), "the fill stays inside")
	assert.Equal(t, "1 part", p.text("#state-mask"))

	// Painted with the brush, which another colour shows.
	p.click("#tool-brush")
	p.click("#label-skin")
	p.draw(spot{.1, .9}, spot{.9, .9})
	skin := p.seen(spot{.5, .9})
	assert.NotContains(t, []color.RGBA{white, hair}, skin)
	assert.Equal(t, "2 parts", p.text("#state-mask"))
	assert.Contains(t, eval[string](p, `document.getElementById("board").getAttribute("aria-label")`), "a sketch, skin and hair")

	// Undone and redone, by button and by key.
	p.click("#undo")
	assert.Equal(t, white, p.seen(spot{.5, .9}))
	p.click("#redo")
	assert.Equal(t, skin, p.seen(spot{.5, .9}))
	p.run(chromedp.KeyEvent("e"), chromedp.KeyEvent("]"))
	assert.Equal(t, "true", eval[string](p, `document.getElementById("tool-eraser").getAttribute("aria-pressed")`))
	assert.Equal(t, "11", p.text("#size-out"))
	p.draw(spot{.4, .9}, spot{.6, .9})
	assert.Equal(t, white, p.seen(spot{.5, .9}), "erased")

	// Layers can be hidden, modalities switched off and weighed.
	p.click("#show-mask")
	assert.Equal(t, white, p.seen(spot{.5, .6}))
	p.click("#show-mask")
	assert.Equal(t, hair, p.seen(spot{.5, .6}))
	p.click("#use-mask")
	assert.Equal(t, "off", p.text("#state-mask"))
	p.click("#use-mask")
	p.run(chromedp.Focus("#weight-sketch"), chromedp.KeyEvent(kb.ArrowLeft))
	assert.Equal(t, "0.9", p.text("#weight-sketch + output"))

	p.click("#clear")
	assert.Equal(t, white, p.seen(spot{.5, .6}))
	assert.Equal(t, "empty", p.text("#state-sketch"))

	// Unknown words are named while typing.
	p.run(chromedp.SendKeys("#prompt", "a person with Red hair and a zebraprint"))
	assert.Equal(t, "8 words", p.text("#state-text"))
	assert.Contains(t, p.text("#prompt-words"), "zebraprint")
	assert.NotContains(t, p.text("#prompt-words"), "hair")
	eval[bool](p, `(globalThis.told = 0, new MutationObserver(() => told++).observe(document.getElementById("prompt-words"), { childList: true }), true)`)
	p.run(chromedp.SendKeys("#prompt", " and hair"))
	assert.Zero(t, eval[int](p, "told"), "told again though nothing is new")
	assert.Contains(t, p.text("#prompt-words-said"), "zebraprint")
	p.run(chromedp.SendKeys("#prompt", " xq"))
	assert.Contains(t, p.text("#prompt-words"), "xq")
	assert.NotContains(t, p.text("#prompt-words-said"), "xq", "said at every letter")
	p.run(chromedp.SendKeys("#prompt", " "))
	assert.Contains(t, p.text("#prompt-words-said"), "xq")
	assert.Equal(t, "empty", p.text("#state-mask"), "letters typed are no shortcuts")
	assert.Equal(t, "true", eval[string](p, `document.getElementById("tool-eraser").getAttribute("aria-pressed")`))

	// An example fills all three; what was typed comes back.
	typed := p.value("prompt")
	p.click("#example")
	assert.Contains(t, p.text("#announce"), "Bring mine back")
	p.run(chromedp.Focus("#mine"))
	p.enter()
	assert.Equal(t, typed, p.value("prompt"))
	p.click("#example")
	for _, id := range []string{"#state-sketch", "#state-mask", "#state-text"} {
		assert.NotEqual(t, "empty", p.text(id), id)
	}
	assert.Greater(t, len(eval[string](p, `document.getElementById("prompt").value`)), 20)
	p.screenshot("example")

	// Stopped in mid-sampling, what was drawn stays, and so does the picture.
	p.alone("") // one network is faster than all
	// The second click falls on Stop: nothing has to be scrolled.
	eval[bool](p, "(scrollTo(0, 0), true)")
	p.doubleClick("#generate")
	p.until("sampling", 10*time.Second)
	require.Eventually(t, func() bool { return strings.HasPrefix(p.text("#status"), "Step ") }, 2*time.Minute, 50*time.Millisecond)
	require.Equal(t, "stop", eval[string](p, "document.activeElement.id"))
	step := p.text("#status")
	p.held() // as Enter is, which pressed Generate
	require.Eventually(t, func() bool { now := p.text("#status"); return now != step && strings.HasPrefix(now, "Step ") }, time.Minute, 20*time.Millisecond)
	p.click("#stop")
	p.until("ready", 5*time.Second)
	assert.Contains(t, p.text("#status"), "Stopped after step")
	assert.Contains(t, p.text("#announce"), "Stopped after step")
	assert.Equal(t, "generate", eval[string](p, "document.activeElement.id"))
	assert.False(t, eval[bool](p, `document.getElementById("save").disabled`))
	assert.Equal(t, "off", p.text("#state-sketch"))

	// Who looks elsewhere by the time a picture is done goes on there.
	p.run(chromedp.EmulateViewport(1280, 500))
	p.set("steps", "3")
	p.click("#generate")
	p.until("sampling", 10*time.Second)
	eval[bool](p, "(scrollTo(0, 0), true)")
	require.False(t, eval[bool](p, `document.getElementById("stop").getBoundingClientRect().top < innerHeight`))
	p.until("ready", time.Minute)
	assert.Equal(t, "generate", eval[string](p, "document.activeElement.id"))
	assert.Zero(t, eval[float64](p, "scrollY"))

	p.quiet()
}

// quiet checks that no problem was seen and that the page talked to its own
// server only.
func (p *page) quiet() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	assert.Empty(p.t, p.problems)
	assert.NotEmpty(p.t, p.requests)
	for _, r := range p.requests {
		own := strings.HasPrefix(r, p.url+"/") || r == p.url || strings.HasPrefix(r, "blob:"+p.url) ||
			strings.HasPrefix(r, "blob:null/") || strings.HasPrefix(r, "data:")
		assert.True(p.t, own, "a request left the origin: %s", r)
	}
}

// A phone: narrow, sharp, scrolled, drawn on with a finger.
func TestPhone(t *testing.T) {
	p := studio(t, 390, 700, 5*time.Minute)
	hold := func(width, height int64) {
		p.run(chromedp.EmulateViewport(width, height, chromedp.EmulateScale(2), chromedp.EmulateMobile, chromedp.EmulateTouch))
	}
	hold(390, 700)
	assert.Equal(t, 390, eval[int](p, "document.documentElement.scrollWidth"), "nothing is wider than the screen")
	eval[bool](p, "(scrollTo(0, 60), true)")
	p.finger(spot{.2, .4}, spot{.4, .4}, spot{.6, .4}, spot{.8, .4})
	assert.True(t, dark(p.seen(spot{.5, .4})))
	assert.Equal(t, white, p.seen(spot{.5, .5}))
	assert.Equal(t, 60, eval[int](p, "Math.round(scrollY)"), "drawing does not scroll")
	p.screenshot("phone")

	// What has the focus does not lie below the bar with Generate.
	p.run(chromedp.Focus("#import-open"))
	for range 30 {
		p.run(chromedp.KeyEvent(kb.Tab))
		assert.Empty(t, eval[string](p, `((e, bar) => e.getBoundingClientRect().bottom > bar.top ? e.id || e.textContent : "")
			(document.activeElement, document.querySelector(".go").getBoundingClientRect())`))
	}

	// All of the board is seen at once, held crosswise, too.
	hold(667, 375)
	p.click("#example")
	require.True(t, p.visible("mine"))
	p.until("ready", 3*time.Minute) // until then the bar has one of progress, too
	_, _, _, height := p.rect("#board")
	_, bar, _, _ := p.rect(".go")
	assert.Less(t, height, bar)
	p.screenshot("phone-crosswise")
	p.click("#mine")
	hold(390, 700)

	// A long word is broken; a notice of any length, in any window, can be read and closed.
	p.run(chromedp.SendKeys("#prompt", strings.Repeat("w", 90)+" "))
	assert.Contains(t, p.text("#prompt-words"), "www")
	assert.Equal(t, 390, eval[int](p, "document.documentElement.scrollWidth"))
	hold(320, 256)
	p.give("drop", strings.Repeat("n", 240)+".txt", "text/plain", []byte("no picture"))
	require.Eventually(t, func() bool { return strings.Contains(p.text("#notice-text"), "nnn.txt") }, 10*time.Second, 50*time.Millisecond)
	assert.True(t, eval[bool](p, `(n => n.scrollWidth <= n.clientWidth)(document.getElementById("notice"))`), "the notice is cut off")
	p.run(chromedp.Focus("#notice-close"))
	p.screenshot("phone-notice")
	assert.True(t, eval[bool](p, `document.getElementById("notice-close").getBoundingClientRect().bottom < innerHeight`), "it cannot be reached")
	p.click("#notice-close")

	// The largest table is no wider than the screen.
	by := map[string]recipe.Score{}
	for _, name := range []string{"sketch", "mask", "colour", "text", "text.2"} {
		by[name] = recipe.Score{Lift: -1234, Rank: 2}
	}
	file, err := recipe.Write(image.NewGray(image.Rect(0, 0, 64, 64)), recipe.Recipe{
		Seed: recipe.MaxSeed, Sampler: recipe.Sampler{Name: "ddim", Steps: 1}, Verdict: recipe.Verdict{Scores: recipe.Scores{Rank: 1, Of: 2, By: by}}})
	require.NoError(t, err)
	p.give("drop", "scored.png", "image/png", file)
	require.Eventually(t, func() bool { return p.visible("scores") }, 10*time.Second, 50*time.Millisecond)
	for _, width := range []int64{320, 741, 1081} { // one, two and three columns
		hold(width, 700)
		assert.EqualValues(t, width, eval[int](p, "document.documentElement.scrollWidth"))
	}
	p.screenshot("phone-scores")
	p.quiet()
}

// Where the system takes colours away (Windows' contrast themes), those to choose from
// and what is pressed are still to be seen.
func TestForcedColours(t *testing.T) {
	p := studio(t, 1280, 860, 4*time.Minute)
	media := func(features ...*emulation.MediaFeature) {
		_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
		require.NoError(t, err)
	}
	media(&emulation.MediaFeature{Name: "forced-colors", Value: "active"},
		&emulation.MediaFeature{Name: "prefers-reduced-motion", Value: "reduce"}) // a switch that still fades from the test before has no colour
	outline := func(id string) string {
		return eval[string](p, `getComputedStyle(document.getElementById(%q)).outlineStyle`, id)
	}
	assert.Equal(t, "solid", outline("tool-pencil"))
	assert.Equal(t, "none", outline("tool-brush"))
	colour := func(selector string) string {
		return eval[string](p, `getComputedStyle(document.querySelector(%q)).backgroundColor`, selector)
	}
	assert.Equal(t, "rgb(236, 196, 92)", colour("#palette [aria-label=blond]"))
	assert.NotEqual(t, colour("#label-hair .swatch"), colour("#label-skin .swatch"))
	on := colour("#use-sketch")
	p.click("#use-sketch")
	assert.Eventually(t, func() bool { return colour("#use-sketch") != on }, 5*time.Second, 50*time.Millisecond)
	p.screenshot("forced-colours")
	media()
}

// Without a graphics card the page says what to do, and still draws.
func TestNoGraphicsCard(t *testing.T) {
	p := open(t, 1280, 860, 3*time.Minute, chromedp.Flag("enable-unsafe-webgpu", false), chromedp.Flag("use-webgpu-adapter", false), chromedp.Flag("enable-features", false))
	p.reach("failed", 2*time.Minute)
	assert.Contains(t, p.text("#notice-text"), "graphics acceleration")
	assert.True(t, eval[bool](p, `document.getElementById("generate").disabled`))
	p.draw(spot{.3, .3}, spot{.7, .3})
	assert.True(t, dark(p.seen(spot{.5, .3})))
	p.screenshot("no-graphics-card")
	p.quiet()
}

// The GPU's process dies in mid-sampling: the run starts again by itself and
// ends, and meanwhile the drawing stays and can be drawn on.
func TestLostGraphicsCard(t *testing.T) {
	p := open(t, 1280, 860, 6*time.Minute, chromedp.Flag("enable-gpu-benchmarking", true))
	p.until("ready", 3*time.Minute)
	p.draw(spot{.3, .3}, spot{.7, .3})
	p.click("#use-sketch") // one network is faster than two
	p.set("steps", "8")
	step := func() bool { return strings.HasPrefix(p.text("#status"), "Step ") }
	p.click("#generate")
	require.Eventually(t, step, 2*time.Minute, 50*time.Millisecond)

	eval[bool](p, "(chrome.gpuBenchmarking.crashGpuProcess(), true)")
	require.Eventually(t, func() bool { return strings.Contains(p.text("#announce"), "Starting again by itself") }, time.Minute, 20*time.Millisecond)
	assert.True(t, eval[bool](p, `(() => {
		const c = document.getElementById("picture");
		return c.getContext("2d").getImageData(0, 0, c.width, c.height).data.some((v, i) => (i & 3) < 3 && v > 0);
	})()`), "the picture so far is gone")
	p.draw(spot{.3, .6}, spot{.7, .6})
	assert.True(t, dark(p.seen(spot{.5, .3})), "what was drawn before is gone")
	assert.True(t, dark(p.seen(spot{.5, .6})), "nothing can be drawn any more")
	p.until("ready", 3*time.Minute)
	assert.Contains(t, p.text("#status"), "Done in")
	p.quiet()
}

// Whatever does not arrive is named and fetched again on demand: a script, the
// program, the manifest, a shard.
func TestTornDownload(t *testing.T) {
	t.Parallel()
	whole := serve(t, small(t))
	missing := [][2]string{
		{"/wasm_exec.", "Go is missing"}, {"/replay.", "mcdmReplay is missing"},
		{"/main.", `main\..*503`}, {"/bundle/manifest.json", `manifest\.json.*503`}, {"/bundle/mask-0-", "mask-0-.*503"},
	}
	var stage atomic.Int32
	p := openAt(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n := int(stage.Load()); n < len(missing) && strings.HasPrefix(r.URL.Path, missing[n][0]) {
			http.Error(w, "later", http.StatusServiceUnavailable)
			return
		}
		whole.ServeHTTP(w, r)
	}), 1280, 860, 5*time.Minute)
	_, err := chromedp.Call(p.ctx, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true}) // scripts do not change
	require.NoError(t, err)
	for n, m := range missing {
		name, words := m[0], regexp.MustCompile(m[1])
		require.Eventually(t, func() bool { return words.MatchString(p.text("#notice-text")) }, 2*time.Minute, 100*time.Millisecond, "the notice does not tell of %s", name)
		p.reach("failed", 10*time.Second)
		if n < len(missing)-1 {
			assert.Empty(t, eval[string](p, `(document.getElementById("prompt").focus(), document.activeElement.id)`), "what is typed would be lost when the program comes")
		}
		assert.True(t, p.visible("retry") && !p.visible("notice-close"), "only one of the two does something")
		if n == len(missing)-1 {
			// Another notice does not take the way on away.
			p.give("drop", "notes.txt", "text/plain", []byte("no picture"))
			require.Eventually(t, func() bool { return strings.Contains(p.text("#notice-text"), "notes.txt") }, 10*time.Second, 50*time.Millisecond)
			assert.Regexp(t, words, p.text("#notice-text"), "nothing tells any more why no picture can be made")
			assert.True(t, p.visible("retry") && !p.visible("notice-close"))
		}
		stage.Add(1)
		p.click("#retry")
	}
	p.until("ready", 2*time.Minute)
}

// reach waits for a state, "failed" included.
func (p *page) reach(state string, wait time.Duration) {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		return p.state() == state
	}, wait, 100*time.Millisecond, "the page does not become %q", state)
}
