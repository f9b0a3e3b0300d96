package e2e

import (
	"image"
	"image/color"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/ui/recipe"
)

// A start picture is part of the recipe: it comes back with the file, and the
// same picture comes out.
func TestStartPictureInRecipe(t *testing.T) {
	p := studio(t, 1280, 1000, 6*time.Minute)
	start := image.NewRGBA(image.Rect(0, 0, 128, 128))
	for i := range 128 * 128 {
		start.Set(i%128, i/128, color.RGBA{R: uint8(i % 256), G: uint8(i / 128), B: 90, A: 255})
	}
	file, err := recipe.Write(start, recipe.Recipe{
		Networks: map[string]recipe.Input{}, Seed: 4, Sampler: recipe.Sampler{Name: "ddim", Steps: 3, Start: .35}, Image: start,
	})
	require.NoError(t, err)
	p.give("drop", "start.png", "image/png", file)
	require.Eventually(t, func() bool { return p.text("#start-out") == "65%" }, 10*time.Second, 50*time.Millisecond)
	first := p.generate()
	assert.Contains(t, p.text("#status"), "the start picture")
	img, r, err := recipe.Read(p.saved())
	require.NoError(t, err)
	assert.Equal(t, start.Pix, r.Image.Pix)
	assert.Equal(t, first.Pix, pixelsOf(img))
	p.screenshot("start-in-recipe")

	// A picture without one takes it away again; the history brings it back.
	plain, err := recipe.Write(start, recipe.Recipe{Networks: map[string]recipe.Input{}, Seed: 5, Sampler: recipe.Sampler{Name: "ddim", Steps: 1}})
	require.NoError(t, err)
	p.give("drop", "plain.png", "image/png", plain)
	require.Eventually(t, func() bool { return eval[bool](p, `document.getElementById("start").hidden`) }, 10*time.Second, 50*time.Millisecond)
	p.click("#strip button:nth-child(2)")
	assert.Equal(t, "65%", p.text("#start-out"))
	p.run(chromedp.Reload())
	p.until("ready", 3*time.Minute)
	assert.Equal(t, "65%", p.text("#start-out"), "it outlives the page")
	assert.Equal(t, first.Pix, p.generate().Pix)
	p.quiet()
}
