package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/ui/recipe"
)

// Words are offered while typing, and taken by keys or by a click.
func TestSuggestions(t *testing.T) {
	p := studio(t, 1280, 860, 4*time.Minute)
	p.run(chromedp.SendKeys("#prompt", "a person with Gla"))
	require.False(t, eval[bool](p, `document.getElementById("prompt-offers").hidden`))
	assert.Contains(t, p.text("#prompt-offers"), "glasses")
	p.screenshot("suggestions")
	assert.Empty(t, p.text("#prompt-words"), "a word is no mistake while it is typed")
	p.run(chromedp.KeyEvent(kb.ArrowDown))
	assert.Equal(t, "true", eval[string](p, `document.getElementById(document.getElementById("prompt").getAttribute("aria-activedescendant")).getAttribute("aria-selected")`))
	p.enter()
	p.held()
	assert.Equal(t, "a person with glasses ", p.value("prompt"))
	assert.Equal(t, "ready", p.state(), "Enter took the word and no more")
	assert.True(t, eval[bool](p, `document.getElementById("prompt-offers").hidden`))

	// It is undone as what was typed.
	undo := chromedp.KeyEvent("z", chromedp.KeyModifiers(chromedp.Modifier(2)))
	p.run(undo)
	assert.Equal(t, "a person with Gla", p.value("prompt"))
	p.run(chromedp.KeyEvent(kb.ArrowDown))
	p.enter()
	require.Equal(t, "a person with glasses ", p.value("prompt"))

	p.run(chromedp.SendKeys("#prompt", "re"))
	p.click("#prompt-offers li:first-child")
	assert.Equal(t, "prompt", eval[string](p, "document.activeElement.id"))
	assert.True(t, strings.HasPrefix(p.value("prompt"), "a person with glasses re"), p.value("prompt"))
	assert.NotEqual(t, "a person with glasses re", p.value("prompt"))
	p.run(chromedp.SendKeys("#prompt", "bl"), chromedp.KeyEvent(kb.Escape))
	assert.True(t, eval[bool](p, `document.getElementById("prompt-offers").hidden`))

	// No words are offered for where the caret no longer is.
	p.run(chromedp.SendKeys("#prompt", "o"))
	assert.Contains(t, p.text("#prompt-offers"), "blond")
	p.run(chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.Home))
	require.Eventually(t, func() bool { return eval[bool](p, `document.getElementById("prompt-offers").hidden`) }, 5*time.Second, 20*time.Millisecond)
	assert.Empty(t, p.attribute("prompt", "aria-activedescendant"), "Enter would take it")

	// What fills in forms sends events that lack what a person's have.
	eval[bool](p, `(document.getElementById("prompt").dispatchEvent(new Event("keydown", {bubbles: true})), document.body.dispatchEvent(new Event("paste", {bubbles: true})))`)
	assert.Equal(t, "ready", p.state())
	p.quiet()
}

// What is not wanted is typed like the sentence, changes the picture, and is part of
// its recipe, of the history and of what outlives the page.
func TestNotThis(t *testing.T) {
	p := studio(t, 1280, 1100, 9*time.Minute)
	p.alone("text")
	p.set("steps", "1")
	p.set("seed", "4")
	plain := p.generate()
	p.click("#not-more summary")
	p.run(chromedp.SendKeys("#not", "a person with zebraprint gla"))
	assert.Contains(t, p.text("#not-offers"), "glasses")
	assert.True(t, eval[bool](p, `document.getElementById("prompt-offers").hidden`))
	p.run(chromedp.KeyEvent(kb.ArrowDown))
	p.enter()
	assert.Equal(t, "a person with zebraprint glasses ", p.value("not"))
	assert.Contains(t, p.text("#not-words"), "zebraprint")
	assert.Empty(t, p.text("#prompt-words"))
	assert.Equal(t, "5 not wanted", p.text("#state-text"))
	p.set("not-weight", "0.5")
	p.screenshot("not-this")

	p.click("#card-text .more:not(.last) summary")
	p.click("#map-text")
	without := p.generate()
	assert.True(t, p.visible("influence"), "it shapes the picture, too")
	p.click("#map-text")
	assert.Contains(t, p.text("#status"), "from “Not this”, seed 4")
	assert.NotEqual(t, plain.Pix, without.Pix)
	r, err := readRecipe(p.saved())
	require.NoError(t, err)
	assert.Equal(t, recipe.Not{Text: "a person with zebraprint glasses ", Weight: .5}, r.Not)

	p.click("#strip button:nth-child(2)")
	assert.Empty(t, p.value("not"))
	assert.Equal(t, "1", p.value("not-weight"))
	p.click("#strip button:nth-child(1)")
	assert.Equal(t, []string{"a person with zebraprint glasses ", "0.5"}, []string{p.value("not"), p.value("not-weight")})
	p.click("#compare")
	assert.Contains(t, p.text("#difference"), "not this: “a person with zebraprint glasses ”, none")
	p.run(chromedp.KeyEvent(kb.Escape))
	p.run(chromedp.Reload())
	p.until("ready", 3*time.Minute)
	assert.Equal(t, "0.5", p.value("not-weight"))
	assert.True(t, eval[bool](p, `document.getElementById("not").checkVisibility()`), "what counts is not hidden")
	p.quiet()
}

// Live: a stroke gives a quick picture, a newer stroke replaces one that forms,
// and Generate takes over.
func TestLive(t *testing.T) {
	p := studio(t, 1280, 860, 6*time.Minute)
	before := p.pictures()
	p.alone("sketch")
	p.set("steps", "0")
	p.click("#live")
	require.Eventually(t, func() bool { return p.text("#status") == "Steps is a whole number from 1 to 1000." }, 10*time.Second, 50*time.Millisecond)
	p.click("#live")
	p.set("steps", "3")
	p.click("#live")
	p.draw(spot{.3, .3}, spot{.7, .3})
	p.until("sampling", 10*time.Second)
	assert.False(t, eval[bool](p, `document.getElementById("generate").hidden`))
	p.draw(spot{.3, .5}, spot{.7, .5})
	p.draw(spot{.3, .7}, spot{.7, .7})
	p.until("ready", time.Minute)
	require.Eventually(t, func() bool { return strings.HasPrefix(p.text("#status"), "Done") }, time.Minute, 50*time.Millisecond)
	time.Sleep(500 * time.Millisecond)
	assert.Equal(t, "ready", p.state(), "a queue of strokes goes on")
	quick := p.picture()
	assert.Equal(t, before, p.pictures(), "quick pictures fill no history")
	// The whole drawing was seen: Generate gives the same with as many steps.
	p.draw(spot{.1, .1}, spot{.1, .2})
	p.click("#undo")
	p.click("#generate")
	p.until("ready", 2*time.Minute)
	require.Eventually(t, func() bool { return p.pictures() == before+1 }, time.Minute, 50*time.Millisecond)
	assert.Equal(t, quick.Pix, p.picture().Pix)
	// What the history brings back stays to be seen.
	p.click("#strip button")
	time.Sleep(500 * time.Millisecond)
	assert.Equal(t, "ready", p.state())
	// A stroke while a whole picture forms is answered when that is done.
	p.click("#generate")
	p.until("sampling", 20*time.Second)
	p.draw(spot{.9, .1}, spot{.9, .2})
	require.Eventually(t, func() bool { return p.pictures() == before+2 }, time.Minute, 50*time.Millisecond)
	quickShown := func() bool {
		return p.state() == "ready" && eval[bool](p, `document.getElementById("favourite").disabled`)
	}
	require.Eventually(t, quickShown, time.Minute, 50*time.Millisecond, "what is shown is the whole picture")
	// Another seed is no change: what Generate makes stays to be seen.
	for range 2 {
		p.sample(2 * time.Minute)
	}
	assert.Equal(t, before+4, p.pictures())
	time.Sleep(500 * time.Millisecond)
	assert.Equal(t, "ready", p.state())
	assert.False(t, quickShown())
	p.quiet()
}

// The tint shows which pixels a modality shapes.
func TestInfluence(t *testing.T) {
	p := studio(t, 1280, 1000, 6*time.Minute)
	p.click("#example")
	p.click("#use-text")
	p.set("steps", "4")
	p.click("#card-sketch summary")
	p.click("#map-sketch")
	assert.Contains(t, p.text("#status"), "Press Generate")
	assert.Contains(t, p.text("#announce"), "Press Generate")
	p.generate()
	// How much each pixel is covered; nothing where there is no tint.
	const cover = `(() => { const c = document.getElementById("influence"); return c.hidden ? [] : [...c.getContext("2d").getImageData(0, 0, c.width, c.height).data.filter((_, i) => (i & 3) == 3)]; })()`
	sketch := eval[[]int](p, cover)
	assert.Less(t, slices.Min(sketch), 100, "it covers everything")
	assert.Greater(t, slices.Max(sketch), 200)
	p.screenshot("influence")
	p.click("#card-mask summary")
	p.click("#map-mask")
	assert.False(t, eval[bool](p, `document.getElementById("map-sketch").checked`), "one at a time")
	mask := eval[[]int](p, cover)
	assert.Greater(t, slices.Max(mask), 200)
	assert.NotEqual(t, sketch, mask)
	p.click("#map-mask")
	assert.Empty(t, eval[[]int](p, cover))
	p.quiet()
}
