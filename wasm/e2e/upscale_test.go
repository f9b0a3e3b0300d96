package e2e

import (
	"image"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/server/site"
	"github.com/mcdm/mcdm/ui/recipe"
	"github.com/mcdm/mcdm/weights/bundle"
	"github.com/mcdm/mcdm/weights/golden"
	"github.com/mcdm/mcdm/weights/pack"
	"github.com/mcdm/mcdm/weights/unet"
)

// withUpscaler serves the page with the shipped networks and, where they have no
// upscaler, a small one that has learnt nothing.
func withUpscaler(t *testing.T) http.Handler {
	t.Helper()
	whole, err := site.Handler(os.DirFS("../../server/dist"))
	require.NoError(t, err)
	b, err := bundle.Open(os.DirFS("../../weights/bundles/avatars"))
	require.NoError(t, err)
	if b.Manifest.Upscaler != nil {
		return whole
	}
	m := *b.Manifest
	tensors := map[string][]bundle.Tensor{}
	put := func(n *bundle.Network, refs map[string]bundle.TensorRef) {
		for name := range refs {
			v, err := b.Tensor(n, name)
			require.NoError(t, err)
			tensors[n.Name] = append(tensors[n.Name], v)
		}
	}
	for _, n := range m.All() {
		put(n, n.Tensors)
		if n.TextEncoder != nil {
			put(n, n.TextEncoder.Tensors)
		}
	}
	config := []byte(`{"_class_name":"UNet2DModel","sample_size":64,"in_channels":51,"out_channels":48,"block_out_channels":[16,16],
		"layers_per_block":1,"norm_num_groups":4,"add_attention":false,"down_block_types":["DownBlock2D","DownBlock2D"],"up_block_types":["UpBlock2D","UpBlock2D"]}`)
	u, err := unet.Parse(config)
	require.NoError(t, err)
	d := m.Diffusion
	d.ImageSize, d.PixelUnshuffle, d.PredictionType = 4*d.ImageSize, 4, bundle.Sample
	m.Upscaler = &bundle.Network{Name: "upscale", Modality: bundle.Upscale, ConditionChannels: 3, Config: config, UNet: u, Diffusion: &d}
	for name, shape := range u.Tensors() {
		v, err := pack.Quantize(name, shape, golden.Weight(name, shape), "int8")
		require.NoError(t, err)
		tensors["upscale"] = append(tensors["upscale"], v)
	}
	files, err := pack.Encode(&m, tensors)
	require.NoError(t, err)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if data, ok := files[strings.TrimPrefix(r.URL.Path, "/bundle/")]; ok {
			_, _ = w.Write(data)
			return
		}
		whole.ServeHTTP(w, r)
	})
}

// side is the canvas's width in pixels.
func (p *page) side(selector string) int {
	return eval[int](p, "document.querySelector(%q).width", selector)
}

// On a software adapter a picture is made larger on request, and when it is
// saved; the large file brings everything back, in another visit too.
func TestUpscale(t *testing.T) {
	p := openAt(t, withUpscaler(t), 1280, 860, 8*time.Minute)
	p.until("ready", 3*time.Minute)
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

	// Another picture is made larger by saving it, and is the same as with a click.
	p.set("seed", "78")
	p.generate()
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
	assert.Equal(t, 2, eval[int](p, `document.querySelectorAll("#strip button").length`), "it was there already")
	p.quiet()
}

// Stop ends an upscaling: the small picture stays, and nothing is saved.
func TestStopUpscaling(t *testing.T) {
	p := openAt(t, withUpscaler(t), 1280, 860, 6*time.Minute)
	p.until("ready", 3*time.Minute)
	p.alone("sketch")
	p.set("steps", "1")
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
