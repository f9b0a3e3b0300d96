package e2e

import (
	"image"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/ui/recipe"
)

// side is the canvas's width in pixels.
func (p *page) side(selector string) int {
	return eval[int](p, "document.querySelector(%q).width", selector)
}

// On a software adapter a picture is made larger on request, and when it is
// saved; the large file brings everything back, in another visit too. Stop ends it.
func TestUpscale(t *testing.T) {
	p := studio(t, 1280, 860, 8*time.Minute)
	before := p.pictures()
	p.alone("sketch")
	p.set("steps", "2")
	p.set("seed", "77")
	small := p.generate()
	require.Equal(t, 64, p.side("#picture"))
	p.click("#enlarge")
	require.Eventually(t, func() bool { return p.side("#picture") == 256 }, 2*time.Minute, 50*time.Millisecond)
	p.until("ready", 10*time.Second)
	assert.Contains(t, p.text("#announce"), "Upscaled to 256×256 pixels")
	assert.False(t, eval[bool](p, `document.getElementById("enlarge").checkVisibility()`))
	large := p.picture()
	p.screenshot("upscaled")
	own := distance(small, large)

	img, r, err := recipe.Read(p.savedAs(0))
	require.NoError(t, err)
	assert.Equal(t, large.Pix, pixelsOf(img))
	assert.Equal(t, small.Pix, r.Small.Pix)
	assert.Equal(t, uint64(77), r.Upscaled.Seed)
	assert.Len(t, r.Upscaled.SHA256, 64)
	img, r, err = recipe.Read(p.savedAs(1))
	require.NoError(t, err)
	assert.Equal(t, small.Pix, pixelsOf(img))
	assert.Nil(t, r.Upscaled)

	// Another picture is made larger by saving it.
	p.set("seed", "78")
	other := distance(p.generate(), large)
	t.Logf("mean difference in levels: %.1f from the small picture, %.1f from another one", own, other)
	assert.Less(t, own, 8.)
	assert.Greater(t, other, 2*own)
	require.Equal(t, 64, p.side("#picture"))
	file := p.savedAs(0)
	again, r, err := recipe.Read(file)
	require.NoError(t, err)
	assert.Equal(t, image.Pt(256, 256), again.Bounds().Size())
	assert.Equal(t, uint64(78), r.Seed)

	// The history still has the first one's large picture; after a reload only the
	// small one, of which it can be made again.
	p.click("#strip button:nth-child(2)")
	assert.Equal(t, large.Pix, p.picture().Pix)
	p.run(chromedp.Reload())
	p.until("ready", 3*time.Minute)
	p.click("#strip button:nth-child(2)")
	assert.Equal(t, small.Pix, p.picture().Pix)
	p.click("#enlarge")
	require.Eventually(t, func() bool { return p.side("#picture") == 256 }, 2*time.Minute, 50*time.Millisecond)
	assert.Equal(t, large.Pix, p.picture().Pix, "the same seed gives the same large picture")
	p.until("ready", 10*time.Second)

	// Dropped on the page, the large file is the picture of the history.
	p.give("drop", "large.png", "image/png", file)
	require.Eventually(t, func() bool { return p.value("seed") == "78" }, 10*time.Second, 50*time.Millisecond)
	assert.Equal(t, pixelsOf(again), p.picture().Pix)
	assert.Equal(t, before+2, p.pictures(), "it was there already")

	// Stopped, the small picture stays.
	p.set("seed", "79")
	p.generate()
	eval[bool](p, `(new MutationObserver(() => { if (document.getElementById("status").textContent.startsWith("Upscaling, step 1")) document.getElementById("stop").click() })
		.observe(document.getElementById("status"), { childList: true, characterData: true, subtree: true }), true)`)
	p.click("#enlarge")
	require.Eventually(t, func() bool { return strings.Contains(p.text("#announce"), "Stopped: not upscaled") }, 2*time.Minute, 50*time.Millisecond)
	p.until("ready", 10*time.Second)
	assert.Equal(t, 64, p.side("#picture"))
	assert.True(t, eval[bool](p, `document.getElementById("enlarge").checkVisibility()`))
	p.quiet()
}
