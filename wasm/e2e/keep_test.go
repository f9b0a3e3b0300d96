package e2e

import (
	"bytes"
	"image"
	"image/draw"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/ui/recipe"
)

// alone switches all modalities but one off: fewer networks are faster.
func (p *page) alone(modality string) {
	for _, m := range eval[[]string](p, `[...document.querySelectorAll(".switch")].map((e) => e.id.replace("use-", ""))`) {
		if on := eval[bool](p, `document.getElementById("use-%s").checked`, m); on != (m == modality) {
			p.click("#use-" + m)
		}
	}
}

// pictures is how many the history has.
func (p *page) pictures() int {
	return eval[int](p, `document.querySelectorAll("#strip button").length`)
}

// value is a field's.
func (p *page) value(id string) string {
	return eval[string](p, `document.getElementById(%q).value`, id)
}

// saved saves the picture as its networks made it, and reads the file that comes
// out.
func (p *page) saved() []byte { return p.savedAs(1) }

// savedAs chooses one of the sizes, where there are several, and presses Save.
func (p *page) savedAs(size int) []byte {
	p.t.Helper()
	eval[int](p, `document.getElementById("save-size").selectedIndex = %d`, size)
	dir := p.t.TempDir()
	_, err := chromedp.Call(p.ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: dir,
	})
	require.NoError(p.t, err)
	p.click("#save")
	var data []byte
	require.Eventually(p.t, func() bool {
		files, _ := filepath.Glob(filepath.Join(dir, "*.png"))
		if len(files) == 1 {
			data, err = os.ReadFile(files[0])
		}
		return len(files) == 1 && err == nil && len(data) > 0
	}, time.Minute, 50*time.Millisecond, "no file arrived")
	return data
}

func pixelsOf(img image.Image) []uint8 {
	out := image.NewRGBA(image.Rect(0, 0, img.Bounds().Dx(), img.Bounds().Dy()))
	draw.Draw(out, out.Rect, img, img.Bounds().Min, draw.Src)
	return out.Pix
}

// A picture is saved; in another visit it is dropped on the page, everything
// comes back, and the same seed gives the same picture. Files that are none say so.
func TestRecipeFile(t *testing.T) {
	p := studio(t, 1280, 860, 8*time.Minute)
	p.click("#tool-bucket")
	p.click("#label-hair")
	p.draw(spot{.5, .6})
	p.click("#tool-pencil")
	p.draw(spot{.3, .3}, spot{.7, .3})
	p.run(chromedp.SendKeys("#prompt", "a person with red hair"))
	p.alone("sketch")
	p.set("weight-sketch", "0.8")
	p.set("end-sketch", "60")
	assert.Contains(t, p.text("#state-sketch"), "0–60%")
	p.set("steps", "2")
	p.set("seed", "77")
	first := p.generate()
	file := p.saved()
	img, r, err := recipe.Read(file)
	require.NoError(t, err)
	assert.Equal(t, first.Pix, pixelsOf(img))
	assert.Equal(t, uint64(77), r.Seed)
	assert.Equal(t, recipe.Input{On: true, Weight: .8, End: .6}, r.Networks["sketch"])
	assert.False(t, r.Networks["text"].On)
	assert.Equal(t, "avatars", r.Bundle.Name)

	// Wiped out, and brought back by the file.
	p.click("#clear")
	p.run(chromedp.Reload())
	p.until("ready", 3*time.Minute)
	p.set("prompt", "")
	p.set("seed", "1")
	p.set("weight-sketch", "1")
	require.Equal(t, white, p.seen(spot{.5, .6}))
	p.give("drop", "picture.png", "image/png", file)
	require.Eventually(t, func() bool { return p.text("#announce") == "Opened: drawing, sentence and settings are back." }, 10*time.Second, 50*time.Millisecond, p.text("#notice-text"))
	assert.True(t, dark(p.seen(spot{.5, .3})), "the line is back")
	assert.NotEqual(t, white, p.seen(spot{.5, .6}), "the hair is back")
	assert.Equal(t, []string{"a person with red hair", "77", "2", "0.8", "60"}, []string{p.value("prompt"), p.value("seed"), p.value("steps"), p.value("weight-sketch"), p.value("end-sketch")})
	assert.Equal(t, "0.8", p.text("#weight-sketch + output"))
	assert.Equal(t, "off", p.text("#state-text"))
	p.screenshot("opened")
	assert.Equal(t, first.Pix, p.generate().Pix, "the same seed, another picture")

	// Of other networks: said so, and brought back all the same.
	r.Bundle.SHA256 = "feedfacefeedface"
	r.Seed = 5
	foreign, err := recipe.Write(img, r)
	require.NoError(t, err)
	p.give("drop", "foreign.png", "image/png", foreign)
	require.Eventually(t, func() bool { return p.value("seed") == "5" }, 10*time.Second, 50*time.Millisecond)
	assert.Contains(t, p.text("#notice-text"), "other networks (an earlier or later avatars, feedface)")
	p.click("#notice-close")
	p.click("#strip button:nth-child(2)")
	assert.False(t, p.visible("notice"))
	p.click("#strip button:nth-child(1)")
	assert.True(t, p.visible("notice"), "brought back by the history, it is of other networks, too")

	// Damaged: nothing changes.
	file[bytes.Index(file, []byte("mcdm-recipe"))]++
	p.give("drop", "damaged.png", "image/png", file)
	require.Eventually(t, func() bool { return bytes.Contains([]byte(p.text("#notice-text")), []byte("checksum")) }, 10*time.Second, 50*time.Millisecond)
	assert.Contains(t, p.text("#notice-text"), "damaged.png was not opened")
	assert.Equal(t, "5", p.value("seed"))
	p.quiet()
}

// The history brings pictures back with all that made them, also after a reload.
func TestHistory(t *testing.T) {
	p := open(t, 1280, 1100, 8*time.Minute)
	p.until("ready", 3*time.Minute)

	// A full storage is told; what did not fit is kept as soon as it does.
	p.fill()
	p.draw(spot{.3, .3}, spot{.7, .3})
	require.Eventually(t, func() bool { return strings.Contains(p.text("#notice-text"), "storage for this page is full") }, 10*time.Second, 50*time.Millisecond)
	assert.True(t, p.asks())
	eval[bool](p, `(() => { for (const k of Object.keys(localStorage)) if (k.startsWith("fill")) localStorage.removeItem(k); document.dispatchEvent(new Event("visibilitychange")); return true; })()`)
	require.True(t, eval[bool](p, `!!JSON.parse(localStorage.getItem("mcdm-now").replace(/^u/, "")).sketch`), "the drawing is lost when the page closes")

	p.alone("")
	p.set("steps", "1")
	p.set("seed", "3")
	first := p.generate()
	p.draw(spot{.3, .6}, spot{.7, .6})
	p.sample(time.Minute) // the drawing changed: the seed stays
	assert.Equal(t, "3", p.value("seed"))
	p.sample(time.Minute) // nothing changed: another seed
	assert.NotEqual(t, "3", p.value("seed"))
	p.set("seed", "9")
	p.set("count", "4")
	p.sample(2 * time.Minute)
	assert.Contains(t, p.text("#status"), "seeds 9 to 12")
	assert.Equal(t, 4, eval[int](p, `document.querySelectorAll("#grid button").length`))
	p.screenshot("grid")
	assert.Equal(t, "true", p.attribute("picture", "aria-hidden"), "told of, though it lies below the others")
	p.click("#grid button:nth-child(3)")
	assert.Equal(t, "false", p.attribute("picture", "aria-hidden"))
	p.screenshot("chosen")
	r, err := readRecipe(p.saved())
	require.NoError(t, err)
	assert.Equal(t, uint64(11), r.Seed)
	p.click("#all")
	assert.Equal(t, "Seed 11", eval[string](p, "document.activeElement.title"))
	assert.True(t, eval[bool](p, `document.getElementById("save").disabled`))
	require.Equal(t, 7, p.pictures())

	// By keys: to the oldest, and back to it.
	p.run(chromedp.Focus("#strip button[tabindex='0']"), chromedp.KeyEvent(kb.End), chromedp.KeyEvent(kb.Enter))
	require.Equal(t, "3", p.value("seed"))
	assert.Equal(t, white, p.seen(spot{.5, .6}), "drawn after that picture")
	assert.True(t, dark(p.seen(spot{.5, .3})))
	assert.Equal(t, first.Pix, p.picture().Pix)
	eval[bool](p, `(navigator.storage.persist = async () => globalThis.persisted = true, true)`)
	p.click("#favourite")
	assert.True(t, eval[bool](p, `globalThis.persisted ?? false`), "the browser may drop favourites")
	p.click("#compare")
	assert.True(t, eval[bool](p, `document.getElementById("comparing").open`))
	assert.Contains(t, p.text("#difference"), "another sketch")
	p.screenshot("compare")
	p.run(chromedp.KeyEvent(kb.Escape))
	p.click("#strip button:nth-child(1)")
	p.click("#delete")
	require.Equal(t, 6, p.pictures())
	assert.Equal(t, "bring-back", eval[string](p, "document.activeElement.id"))
	p.click("#bring-back")
	require.Equal(t, 7, p.pictures())

	// A key that is held deletes one; one after the other comes back.
	p.run(chromedp.Focus("#strip button:nth-child(3)"))
	held := input.DispatchKeyEventParams{Type: "keyDown", Key: "Delete", WindowsVirtualKeyCode: 46}
	for _, repeat := range []bool{false, true, true} {
		held.AutoRepeat = &repeat
		_, err := chromedp.Call(p.ctx, input.DispatchKeyEvent, held)
		require.NoError(t, err)
	}
	assert.Equal(t, 6, p.pictures())
	held.AutoRepeat = nil
	_, err = chromedp.Call(p.ctx, input.DispatchKeyEvent, held)
	require.NoError(t, err)
	assert.Equal(t, 5, p.pictures())
	const order = `[...document.querySelectorAll("#strip button")].map((b) => b.title).join()`
	p.click("#bring-back")
	p.click("#bring-back")
	assert.Equal(t, 7, p.pictures())
	assert.False(t, p.visible("bring-back"))
	assert.Equal(t, "Seed 12,Seed 11,Seed 10,Seed 9", strings.Join(strings.Split(eval[string](p, order), ",")[:4], ","))
	p.click("#strip button:nth-child(1)")
	p.click("#delete")
	p.click("#strip button:nth-child(6)")

	p.run(chromedp.SendKeys("#prompt", "a person"))
	time.Sleep(time.Second)
	// As if the page had found a graphics card the last time, and chosen its steps.
	eval[bool](p, `(() => { const now = JSON.parse(sessionStorage.getItem("mcdm-now")); now.sampler.steps = 50; sessionStorage.setItem("mcdm-now", "u" + JSON.stringify(now));
		localStorage.setItem("mcdm-now", JSON.stringify({...now, prompt: "of another tab"})); return true; })()`)
	assert.False(t, p.asks())
	p.run(chromedp.Reload())
	p.until("ready", 3*time.Minute)
	assert.Equal(t, "25", p.value("steps"))
	p.set("steps", "1")
	assert.Equal(t, "a person", p.value("prompt"))
	assert.True(t, dark(p.seen(spot{.5, .3})), "the drawing outlives the page")
	assert.True(t, eval[bool](p, `document.getElementById("undo").disabled`), "Undo would empty the board")
	assert.Equal(t, 6, p.pictures())
	assert.Equal(t, 1, eval[int](p, `document.querySelectorAll("#strip .star").length`))
	p.click("#strip button:nth-child(6)")
	assert.Equal(t, first.Pix, p.picture().Pix)
	p.screenshot("history")

	// What was typed and is in no picture comes back.
	assert.Empty(t, p.value("prompt"))
	p.click("#mine")
	assert.Equal(t, "a person", p.value("prompt"))
	assert.False(t, p.visible("mine"))
	p.click("#strip button:nth-child(6)")
	require.True(t, p.visible("mine"), "it would be lost the second time")

	// In a full storage the oldest pictures make room, but for favourites; they are kept
	// again when there is some.
	p.fill()
	p.set("count", "1")
	p.generate()
	assert.Contains(t, p.text("#notice-text"), "the oldest pictures that are no favourites are lost when the page closes")
	assert.Equal(t, 7, p.pictures())
	const stored = `Object.keys(localStorage).filter((k) => k.startsWith("mcdm-picture-"))`
	favourite := eval[bool](p, stored+`.some((k) => localStorage.getItem(k)[0] === "f")`)
	assert.True(t, favourite)
	n := eval[int](p, stored+`.length`)
	assert.Less(t, n, 7)
	newest := eval[float64](p, stored+`.map((k) => Number(k.split("-")[2])).sort().at(-1)`)
	assert.InDelta(t, eval[float64](p, "Date.now()"), newest, 60_000, "the newest is not kept")
	for range 3 {
		p.click("#strip button:nth-child(2)")
		p.click("#delete")
	}
	assert.Equal(t, 4, p.pictures())
	assert.Equal(t, 4, eval[int](p, stored+`.length`), "there is room now")

	// Of two hundred older ones, a favourite of another tab's stays.
	eval[bool](p, `(() => {
		sessionStorage.clear(); // another visit
		localStorage.setItem("mcdm-mine", localStorage.getItem("mcdm-mine").replace("ddim", "euler")); // to a later page
		for (const k of Object.keys(localStorage)) if (k.startsWith("fill")) localStorage.removeItem(k);
		const text = "-" + `+stored+`.map((k) => localStorage.getItem(k)).sort((a, b) => a.length - b.length)[0].slice(1);
		for (let i = 0; i < 196; i++) localStorage.setItem("mcdm-picture-" + String(i).padStart(13, "0") + "-00", text);
		return true;
	})()`)
	p.run(chromedp.Reload())
	p.until("ready", 3*time.Minute)
	require.Eventually(t, func() bool { return p.pictures() == 200 }, time.Minute, 100*time.Millisecond)
	assert.True(t, p.visible("mine"), "what it would bring is lost")
	const oldest = `localStorage.getItem("mcdm-picture-0000000000000-00")`
	eval[bool](p, `(localStorage.setItem("mcdm-picture-0000000000000-00", "f" + `+oldest+`.slice(1)), true)`)
	p.sample(time.Minute)
	require.Eventually(t, func() bool { return p.pictures() == 200 }, 10*time.Second, 50*time.Millisecond)
	assert.Equal(t, "f", eval[string](p, oldest+`?.[0] ?? ""`))
	assert.False(t, eval[bool](p, `"mcdm-picture-0000000000001-00" in localStorage`), "the oldest that is none goes")
	p.click("#mine")
	assert.Equal(t, "a person", p.value("prompt"))
	assert.Contains(t, p.text("#notice-text"), `This page has no sampler "euler".`)
	p.quiet()
}

// What a person drew outlives reloads behind one example after the other, which nobody
// has drawn.
func TestMine(t *testing.T) {
	t.Parallel()
	p := openAt(t, serve(t, small(t)), 1280, 1100, 4*time.Minute)
	p.until("ready", time.Minute)
	p.draw(spot{.3, .3}, spot{.7, .3})
	for range 2 {
		p.click("#example")
		require.Equal(t, "2 parts", p.text("#state-mask"))
		require.True(t, p.visible("mine"))
		p.run(chromedp.Reload())
		p.until("ready", time.Minute)
	}
	p.click("#mine")
	assert.Equal(t, "empty", p.text("#state-mask"), "it brings the example")
	assert.True(t, dark(p.seen(spot{.5, .3})))
	assert.False(t, p.visible("mine"))
	p.quiet()
}

// fill leaves no room in the site's storage.
func (p *page) fill() {
	p.t.Helper()
	eval[bool](p, `(() => { for (let n = 1 << 22; n; n >>= 1) { try { for (;;) localStorage.setItem("fill" + n + Math.random(), "x".repeat(n)); } catch { } } return true; })()`)
}

func readRecipe(file []byte) (recipe.Recipe, error) {
	_, r, err := recipe.Read(file)
	return r, err
}
