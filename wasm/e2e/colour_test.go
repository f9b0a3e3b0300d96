package e2e

import (
	"encoding/json"
	"image"
	"image/color"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/ui/recipe"
	"github.com/mcdm/mcdm/weights/bundle"
	"github.com/mcdm/mcdm/weights/golden"
)

// small is what the server serves, with a bundle of small random networks in
// place of the shipped one: among them one for colours, on a grid of 4.
func small(t *testing.T) fs.FS {
	t.Helper()
	out := fstest.MapFS{}
	built := os.DirFS(dist)
	names, err := fs.Glob(built, "*.*")
	require.NoError(t, err)
	for _, name := range names {
		data, err := fs.ReadFile(built, name)
		require.NoError(t, err)
		out[name] = &fstest.MapFile{Data: data}
	}
	files, err := golden.Bundle(32)
	require.NoError(t, err)
	for name, data := range files {
		out["bundle/"+name] = &fstest.MapFile{Data: data}
	}
	return out
}

// A bundle need not have networks for parts and colours: then there are no tools for them.
func TestSketchAlone(t *testing.T) {
	t.Parallel()
	files := small(t).(fstest.MapFS)
	var m map[string]any
	require.NoError(t, json.Unmarshal(files["bundle/manifest.json"].Data, &m))
	for _, list := range []string{"networks", "shards"} {
		m[list] = slices.DeleteFunc(m[list].([]any), func(e any) bool {
			name := e.(map[string]any)["name"].(string)
			return strings.HasPrefix(name, "mask") || strings.HasPrefix(name, "colour")
		})
	}
	var err error
	files["bundle/manifest.json"].Data, err = json.Marshal(m)
	require.NoError(t, err)
	p := openAt(t, serve(t, files), 1280, 1100, 4*time.Minute)
	p.until("ready", time.Minute)
	for _, id := range []string{"card-mask", "tool-brush", "layer-mask", "card-colour", "tool-dab", "layer-colour", "tool-bucket"} {
		assert.False(t, p.visible(id), id)
	}
	p.run(chromedp.KeyEvent("b"))
	assert.Equal(t, "true", p.attribute("tool-pencil", "aria-pressed"))
	p.quiet()
}

func (p *page) visible(id string) bool {
	return eval[bool](p, `document.getElementById(%q).checkVisibility()`, id)
}

// reddish tells whether a tile shows red through its paper, or as it is.
func reddish(c color.RGBA) bool { return c.R > 180 && c.G < 150 && c.B < 150 }

// Colours are dabbed, poured, erased, hidden and counted; they change the
// picture, and come back from its file, the history and an earlier visit.
func TestColours(t *testing.T) {
	p := openAt(t, serve(t, small(t)), 1280, 1100, 6*time.Minute)
	p.until("ready", 3*time.Minute)
	require.True(t, p.visible("card-colour") && p.visible("tool-dab") && p.visible("layer-colour"))
	assert.False(t, p.visible("card-text"), "the bundle has no network for it")
	assert.Equal(t, "empty", p.text("#state-colour"))
	assert.True(t, eval[bool](p, `document.getElementById("clear-colour").disabled`))

	// A colour of the palette takes the tool; a stroke colours the cells it passes.
	p.click(`#palette button[value="#b5301f"]`)
	assert.Equal(t, "true", p.attribute("tool-dab", "aria-pressed"))
	p.draw(spot{.1, .1}, spot{.6, .1})
	assert.Equal(t, "3 cells", p.text("#state-colour"))
	assert.True(t, reddish(p.seen(spot{.4, .2})))
	assert.Equal(t, "Colours: 3 of 16 cells, from top left to top centre.", p.text("#board-text"))
	p.screenshot("colour-dabbed")

	// The eraser frees cells after the dab, undo brings them back; hidden is hidden.
	p.run(chromedp.KeyEvent("e"))
	p.draw(spot{.4, .1})
	assert.Equal(t, "2 cells", p.text("#state-colour"))
	p.click("#undo")
	assert.Equal(t, "3 cells", p.text("#state-colour"))
	p.click("#show-colour")
	assert.False(t, reddish(p.seen(spot{.4, .2})))
	p.click("#show-colour")

	// Filled between the lines, with a colour of one's own, on both sides.
	p.run(chromedp.KeyEvent("p"))
	p.draw(spot{0, .52}, spot{1, .52})
	p.run(chromedp.KeyEvent("d"), chromedp.KeyEvent("m"))
	p.set("colour", "#ff2010")
	p.draw(spot{.1, .3})
	assert.Equal(t, "5 cells", p.text("#state-colour"))
	p.click("#undo")
	p.run(chromedp.KeyEvent("m"), chromedp.Focus("#colour"), chromedp.KeyEvent("f")) // as after a colour was chosen there
	p.draw(spot{.5, .9})
	assert.Equal(t, "11 cells", p.text("#state-colour"), "the lower half")
	assert.True(t, reddish(p.seen(spot{.9, .9})))
	assert.False(t, reddish(p.seen(spot{.9, .4})))
	p.screenshot("colour-filled")

	// They count. All the rest stays as it is.
	p.alone("colour")
	p.set("steps", "2")
	p.set("seed", "5")
	p.click("#lock")
	first := p.generate()
	r, err := readRecipe(p.saved())
	require.NoError(t, err)
	require.NotNil(t, r.Colours)
	require.Equal(t, image.Rect(0, 0, 4, 4), r.Colours.Rect)
	assert.Equal(t, color.NRGBA{0xb5, 0x30, 0x1f, 255}, r.Colours.NRGBAAt(2, 0))
	assert.Equal(t, color.NRGBA{}, r.Colours.NRGBAAt(3, 0))
	assert.Equal(t, color.NRGBA{0xff, 0x20, 0x10, 255}, r.Colours.NRGBAAt(3, 3))
	assert.Equal(t, recipe.Input{On: true, Weight: 1, End: .7}, r.Networks["colour"])
	p.click("#clear-colour")
	assert.Equal(t, "empty", p.text("#state-colour"))
	assert.NotEqual(t, first.Pix, p.generate().Pix, "without colours, the same picture")

	// From the history, and after a reload.
	p.click("#strip button:nth-child(2)")
	assert.Equal(t, "11 cells", p.text("#state-colour"))
	assert.Equal(t, first.Pix, p.picture().Pix)
	p.run(chromedp.Reload())
	p.until("ready", 3*time.Minute)
	assert.Equal(t, "11 cells", p.text("#state-colour"))
	assert.True(t, reddish(p.seen(spot{.9, .9})))

	// An example has colours, too.
	p.click("#example")
	assert.Equal(t, "16 cells", p.text("#state-colour"))
	p.screenshot("colour-example")
	if source, err := axeCore(); !os.IsNotExist(err) {
		require.NoError(t, err)
		p.useAxe(source)
		p.axe("colours")
	}

	// All of it fits a phone's screen.
	p.run(chromedp.EmulateViewport(390, 700))
	assert.Equal(t, 390, eval[int](p, "document.documentElement.scrollWidth"), "something is wider than the screen")
	p.screenshot("colour-phone")
	p.run(chromedp.EmulateViewport(1280, 860))
	p.quiet()
}

// Cells dabbed in a colour get that colour.
func TestColoursObeyed(t *testing.T) {
	b, err := bundle.Open(os.DirFS(dist + "/bundle"))
	require.NoError(t, err)
	require.NotNil(t, b.Manifest.Network("colour"))
	p := studio(t, 1280, 900, 9*time.Minute)
	for _, id := range []string{"card-colour", "tool-dab", "layer-colour"} {
		require.True(t, p.visible(id), id)
	}
	p.run(chromedp.KeyEvent("d"))
	require.Equal(t, "true", p.attribute("tool-dab", "aria-pressed"))
	// Teal behind the head and purple hair, which chance alone does not make.
	behind, hair := color.RGBA{0x79, 0xcc, 0xc6, 255}, color.RGBA{0x7a, 0x46, 0xc0, 255}
	p.set("colour", "#79ccc6")
	p.draw(spot{.03, .06}, spot{.97, .06})
	p.draw(spot{.06, .06}, spot{.06, .5})
	p.set("colour", "#7a46c0")
	p.draw(spot{.4, .2}, spot{.6, .2})
	p.draw(spot{.35, .3}, spot{.65, .3})
	p.set("steps", steps)
	p.set("seed", "7")
	p.alone("colour")
	near := func(img *image.RGBA) float64 { // root mean square of what is off, in levels
		sum, n := 0.0, 0.0
		for _, region := range []struct {
			r image.Rectangle
			c color.RGBA
		}{{image.Rect(0, 0, 64, 8), behind}, {image.Rect(24, 10, 40, 14), hair}} {
			for y := region.r.Min.Y; y < region.r.Max.Y; y++ {
				for x := region.r.Min.X; x < region.r.Max.X; x++ {
					at := img.RGBAAt(x, y)
					for _, d := range []float64{float64(at.R) - float64(region.c.R), float64(at.G) - float64(region.c.G), float64(at.B) - float64(region.c.B)} {
						sum += d * d
						n++
					}
				}
			}
		}
		return math.Sqrt(sum / n)
	}
	dabbed := near(p.generate())
	p.screenshot("colour-obeyed")
	p.alone("")
	free := near(p.generate())
	t.Logf("off by %.0f levels, without the colours by %.0f", dabbed, free)
	assert.Less(t, dabbed, maxOff)
	assert.Greater(t, free, maxOff, "a picture made from nothing obeys: the measure proves nothing")
}

// maxOff is how far, in levels of 255, the dabbed regions may be off; measured
// values are in the test's log.
const maxOff = 40.0
