package recipe

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"runtime/metrics"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine"
)

// full is a recipe in which nothing is empty.
func full() (*image.RGBA, Recipe) {
	picture := image.NewRGBA(image.Rect(0, 0, 8, 6))
	sketch := image.NewGray(image.Rect(0, 0, 16, 16))
	mask := image.NewPaletted(image.Rect(0, 0, 16, 16), color.Palette{color.White, color.Black, color.NRGBA{R: 9, A: 255}, color.NRGBA{}})
	colours := image.NewNRGBA(image.Rect(0, 0, 4, 4))
	colours.SetNRGBA(1, 2, color.NRGBA{200, 30, 7, 255})
	for i := range picture.Pix {
		picture.Pix[i] = uint8(i) | 3
		if i%4 == 3 {
			picture.Pix[i] = 255
		}
	}
	for i := range sketch.Pix {
		sketch.Pix[i], mask.Pix[i] = uint8(i*7), uint8(i%4)
	}
	return picture, Recipe{
		Bundle:   Bundle{"avatars", "0123abcd"},
		Prompt:   "a \"smiling\" person, naïve \u2603",
		Not:      Not{"a \"frown\"", .5},
		Networks: map[string]Input{"sketch": {On: true, Weight: .7, End: 1}, "text": {Weight: 1.5, Start: .25, End: .5}},
		Seed:     1<<53 - 1,
		Sampler:  Sampler{"sde-dpmsolver++", 25, .5, 2, .4},
		Labels:   []string{"background", "skin", "hair"},
		Verdict: Verdict{
			Accord: []Accord{{"mask", "text.2", -.25, 7}},
			Scores: Scores{Rank: 2, Of: 3, By: map[string]Score{"sketch": {12.5, 1}, "text.2": {-3, 2}}},
		},
		Sketch: sketch, Mask: mask, Colours: colours, Image: picture,
		Upscaled: &Upscaled{"4567cdef", 7, 4}, Small: picture,
	}
}

// pixelsOf is a picture as a recipe holds it.
func pixelsOf(img image.Image) string {
	data, err := encode(img)
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(data)
}

// grayMask is a picture whose recipe has a mask without a palette.
func grayMask(t *testing.T) []byte {
	picture, r := full()
	plain, err := encode(picture)
	require.NoError(t, err)
	gray := image.NewGray(r.Mask.Rect)
	copy(gray.Pix, r.Mask.Pix)
	file, err := insert(plain, textKind, writeText(keyword, []byte(`{"format":"mcdm-recipe","version":1,"sampler":{"steps":1},"mask":"`+pixelsOf(gray)+`"}`)))
	require.NoError(t, err)
	return file
}

// A mask may come in gray, and is written again.
func TestGrayMask(t *testing.T) {
	picture, r, err := Read(grayMask(t))
	require.NoError(t, err)
	file, err := Write(picture, r)
	require.NoError(t, err)
	_, again, err := Read(file)
	require.NoError(t, err)
	assert.True(t, r.Same(again))
	_, whole := full()
	assert.Equal(t, whole.Mask.Pix, again.Mask.Pix)
}

func TestRoundTrip(t *testing.T) {
	picture, want := full()
	file, err := Write(picture, want)
	require.NoError(t, err)
	img, got, err := Read(file)
	require.NoError(t, err)
	assert.Equal(t, want.Sketch.Pix, got.Sketch.Pix)
	assert.Equal(t, want.Mask.Pix, got.Mask.Pix)
	assert.Equal(t, want.Colours.Pix, got.Colours.Pix)
	assert.Equal(t, want.Image.Pix, got.Image.Pix)
	assert.True(t, want.Same(got))
	assert.Equal(t, want.Small.Pix, got.Small.Pix)
	assert.Equal(t, want.Upscaled, got.Upscaled)
	assert.Equal(t, want.Verdict, got.Verdict)
	for y := range 6 {
		for x := range 8 {
			require.Equal(t, picture.At(x, y), color.RGBAModel.Convert(img.At(x, y)))
		}
	}
	// Any other program still reads the picture.
	_, err = png.Decode(bytes.NewReader(file))
	require.NoError(t, err)

	empty := Recipe{Sampler: Sampler{Name: "ddim", Steps: 1}}
	file, err = Write(picture, empty)
	require.NoError(t, err)
	_, got, err = Read(file)
	require.NoError(t, err)
	assert.Equal(t, empty, got)
}

// A start picture that another program left half transparent lies on white, and does
// not fade from one reading to the next.
func TestTransparentStart(t *testing.T) {
	glass := image.NewNRGBA(image.Rect(0, 0, 1, 1))
	glass.SetNRGBA(0, 0, color.NRGBA{127, 0, 255, 200})
	r, err := Parse([]byte(`{"format":"mcdm-recipe","version":1,"sampler":{"steps":1},"image":"` + pixelsOf(glass) + `"}`))
	require.NoError(t, err)
	assert.Equal(t, color.RGBA{155, 55, 255, 255}, r.Image.RGBAAt(0, 0))
	text, err := Text(r)
	require.NoError(t, err)
	again, err := Parse(text)
	require.NoError(t, err)
	assert.True(t, r.Same(again))
}

func TestUpscaledIsWhole(t *testing.T) {
	picture, r := full()
	for want, spoil := range map[string]func(*Recipe){
		"small picture is missing": func(r *Recipe) { r.Small = nil },
		"how or the small":         func(r *Recipe) { r.Upscaled = nil },
		"in 0 steps":               func(r *Recipe) { r.Upscaled.Steps = 0 },
	} {
		_, r := full()
		spoil(&r)
		file, err := Write(picture, r)
		require.NoError(t, err)
		_, _, err = Read(file)
		assert.ErrorContains(t, err, want)
	}
	plain := r
	plain.Small, plain.Upscaled = nil, nil
	assert.True(t, r.Same(plain), "a larger picture is of the same recipe")
}

// No number comes in that no control can show.
func TestBounds(t *testing.T) {
	for name, spoil := range map[string]func(*Recipe){
		"seed":            func(r *Recipe) { r.Seed = MaxSeed + 1 },
		"many steps":      func(r *Recipe) { r.Sampler.Steps = 1001 },
		"eta below":       func(r *Recipe) { r.Sampler.Eta = -.1 },
		"eta above":       func(r *Recipe) { r.Sampler.Eta = 1.1 },
		"corrector below": func(r *Recipe) { r.Sampler.Corrector = -1 },
		"corrector above": func(r *Recipe) { r.Sampler.Corrector = 11 },
		"start":           func(r *Recipe) { r.Sampler.Start = -.1 },
		"high image":      func(r *Recipe) { r.Image = image.NewRGBA(image.Rect(0, 0, 1, maxStart+1)) },
		"upscaler's seed": func(r *Recipe) { r.Upscaled.Seed = MaxSeed + 1 },
		"upscaler, long":  func(r *Recipe) { r.Upscaled.Steps = 1001 },
		"against":         func(r *Recipe) { r.Not.Weight = 101 },
		"weight below":    func(r *Recipe) { r.Networks["text"] = Input{Weight: -101, End: 1} },
		"window's start":  func(r *Recipe) { r.Networks["text"] = Input{Start: -.1, End: 1} },
		"window's end":    func(r *Recipe) { r.Networks["text"] = Input{End: 1.1} },
		"cosine":          func(r *Recipe) { r.Verdict.Accord[0].Cosine = -1.1 },
		"accord of none":  func(r *Recipe) { r.Verdict.Accord[0].Steps = 0 },
		"rank":            func(r *Recipe) { r.Verdict.Scores.Rank = 0 },
		"rank by one":     func(r *Recipe) { r.Verdict.Scores.By["sketch"] = Score{Rank: 4} },
		"of fewer than 0": func(r *Recipe) { r.Verdict.Scores = Scores{Of: -1} },
	} {
		_, r := full()
		spoil(&r)
		text, err := Text(r)
		require.NoError(t, err)
		_, err = Parse(text)
		assert.Error(t, err, name)
	}
}

// What is too long to be read is not written.
func TestTooLong(t *testing.T) {
	picture, r := full()
	r.Prompt = strings.Repeat("a", maxText)
	_, err := Write(picture, r)
	assert.ErrorIs(t, err, errLong)
	_, _, err = readText(writeText(keyword, make([]byte, maxText+1)), keyword)
	assert.ErrorIs(t, err, errLong)
}

// Wherever a text ends too early, before its own begins, it is torn.
func TestTornText(t *testing.T) {
	whole := writeText(keyword, nil)
	for n := len(keyword) + 1; n < len(whole); n++ {
		_, ok, err := readText(whole[:n], keyword)
		assert.True(t, ok)
		assert.ErrorContains(t, err, "torn", "%q", whole[:n])
	}
}

func TestSameSeesEveryPart(t *testing.T) {
	_, r := full()
	for name, change := range map[string]func(*Recipe){
		"prompt": func(r *Recipe) { r.Prompt += "." },
		"not":    func(r *Recipe) { r.Not.Weight = 1 },
		"seed":   func(r *Recipe) { r.Seed-- },
		"steps":  func(r *Recipe) { r.Sampler.Steps++ },
		"window": func(r *Recipe) { r.Networks["text"] = Input{Weight: 1.5, Start: .25, End: .6} },
		"sketch": func(r *Recipe) { r.Sketch.Pix[3]++ },
		"mask":   func(r *Recipe) { r.Mask.Pix[3] ^= 1 },
		"colour": func(r *Recipe) { r.Colours.Pix[3]++ },
		"image":  func(r *Recipe) { r.Image.Pix[3]-- },
		"start":  func(r *Recipe) { r.Sampler.Start = .5 },
		"bundle": func(r *Recipe) { r.Bundle.SHA256 = "" },
		"labels": func(r *Recipe) { r.Labels[1] = "hat" },
		"size":   func(r *Recipe) { r.Sketch.Rect, r.Sketch.Stride = image.Rect(0, 0, 32, 8), 32 },
	} {
		_, other := full()
		require.True(t, r.Same(other))
		change(&other)
		assert.False(t, r.Same(other), name)
	}
}

// A program that writes text compressed and for several languages, beside texts
// of its own, leaves the recipe readable.
func TestRewrittenByOthers(t *testing.T) {
	picture, want := full()
	file, err := Write(picture, want)
	require.NoError(t, err)
	text, err := find(file)
	require.NoError(t, err)
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	w.Write(text)
	w.Close()
	plain, err := encode(picture)
	require.NoError(t, err)
	file, err = insert(plain, textKind, append([]byte("mcdm\x00\x01\x00en\x00recipe\x00"), z.Bytes()...))
	require.NoError(t, err)
	file, err = insert(file, textKind, []byte("Comment\x00\x00\x00\x00\x00made here"))
	require.NoError(t, err)
	file, err = insert(file, "tEXt", []byte("mcdm\x00not this one"))
	require.NoError(t, err)
	_, got, err := Read(file)
	require.NoError(t, err)
	assert.True(t, want.Same(got))
}

// bad are files and what Read says of them.
func bad(t testing.TB) map[string]struct {
	file []byte
	want string
} {
	picture, r := full()
	good, err := Write(picture, r)
	require.NoError(t, err)
	plain, err := encode(picture)
	require.NoError(t, err)
	with := func(text string) []byte {
		file, err := insert(plain, textKind, writeText(keyword, []byte(text)))
		require.NoError(t, err)
		return file
	}
	damaged := bytes.Clone(good)
	damaged[bytes.Index(good, []byte("avatars"))]++
	pixels := bytes.Clone(good)
	copy(pixels[bytes.Index(good, []byte("IHDR"))+4:], "\x00\x00\xff\xff")
	var bomb bytes.Buffer
	z := zlib.NewWriter(&bomb)
	z.Write(make([]byte, maxText+1))
	z.Close()
	large, err := insert(plain, textKind, append([]byte("mcdm\x00\x01\x00\x00\x00"), bomb.Bytes()...))
	require.NoError(t, err)
	torn, err := insert(plain, textKind, []byte("mcdm\x00\x00\x00en"))
	require.NoError(t, err)
	const head = `{"format":"mcdm-recipe","version":1,`
	return map[string]struct {
		file []byte
		want string
	}{
		"empty":          {nil, "no PNG file"},
		"a JPEG":         {[]byte("\xff\xd8\xff\xe0"), "no PNG file"},
		"no recipe":      {plain, "carries no recipe"},
		"cut":            {good[:len(good)-20], "pixels"},
		"cut in recipe":  {good[:100], "torn"},
		"bit flipped":    {damaged, "checksum"},
		"header changed": {pixels, "checksum"},
		"not JSON":       {with("{"), "JSON"},
		"other format":   {with(`{"format":"x"}`), `"x"`},
		"later version":  {with(`{"format":"mcdm-recipe","version":2}`), "version 2"},
		"no steps":       {with(head + `"seed":1}`), "0 steps"},
		"weight":         {with(head + `"sampler":{"steps":1},"networks":{"text":{"weight":1e9}}}`), "weight 1e+09"},
		"window":         {with(head + `"sampler":{"steps":1},"networks":{"text":{"start":0.6,"end":0.5}}}`), "0.6 to 0.5"},
		"seed":           {with(head + `"sampler":{"steps":1},"seed":18446744073709551615}`), "2^53"},
		"sketch":         {with(head + `"sampler":{"steps":1},"sketch":"AAAA"}`), "the sketch"},
		"image":          {with(head + `"sampler":{"steps":1},"image":"AAAA"}`), "the start picture"},
		"large image":    {with(head + `"sampler":{"steps":1},"image":"` + pixelsOf(image.NewGray(image.Rect(0, 0, 513, 1))) + `"}`), "513x1 pixels: want at most 512"},
		"against":        {with(head + `"sampler":{"steps":1},"not":{"text":"a hat","weight":-1}}`), `weight -1 against the sentence "a hat"`},
		"accord":         {with(head + `"sampler":{"steps":1},"verdict":{"accord":[{"a":"mask","b":"text","cosine":2,"steps":1}]}}`), "cosine 2"},
		"rank":           {with(head + `"sampler":{"steps":1},"verdict":{"scores":{"rank":3,"of":2}}}`), "rank 3 of 2"},
		"rank by one":    {with(head + `"sampler":{"steps":1},"verdict":{"scores":{"rank":1,"of":2,"by":{"mask":{"rank":0}}}}}`), `rank 0 of 2 pictures by "mask"`},
		"start":          {with(head + `"sampler":{"steps":1,"start":2}}`), "start at 2"},
		"mask":           {with(head + `"sampler":{"steps":1},"mask":"AAAA"}`), "the mask"},
		"bomb":           {large, "longer than"},
		"torn text":      {torn, "torn"},
	}
}

// What the first pages wrote is read as it was.
func TestFirstPages(t *testing.T) {
	r, err := Parse([]byte(`{"format":"mcdm-recipe","version":1,"bundle":{"name":"avatars","sha256":"01"},"prompt":"a person",` +
		`"networks":{"text":{"on":true,"weight":1.5,"start":0,"end":0.85}},"seed":3,"sampler":{"name":"ddim","steps":25,"eta":0,"corrector":0}}`))
	require.NoError(t, err)
	assert.Equal(t, Recipe{
		Bundle: Bundle{"avatars", "01"}, Prompt: "a person", Seed: 3,
		Networks: map[string]Input{"text": {On: true, Weight: 1.5, End: .85}}, Sampler: Sampler{Name: "ddim", Steps: 25},
	}, r)
	text, err := Text(r)
	require.NoError(t, err)
	assert.NotContains(t, string(text), "not", "and is written without what it has not")
	assert.NotContains(t, string(text), "verdict")
}

func TestBadFiles(t *testing.T) {
	for name, c := range bad(t) {
		_, _, err := Read(c.file)
		require.ErrorContains(t, err, c.want, name)
	}
}

func TestMaskFor(t *testing.T) {
	_, r := full()
	same, missing := r.MaskFor([]string{"background", "skin", "hair"})
	assert.Empty(t, missing)
	assert.Equal(t, []uint8{0, 1, 2, 3}, same.Pix[:4])
	other, missing := r.MaskFor([]string{"Hair", "background"})
	assert.Equal(t, []string{"skin"}, missing)
	assert.Equal(t, []uint8{1, 2, 0, 2}, other.Pix[:4])
	none, _ := Recipe{}.MaskFor([]string{"hair"})
	assert.Nil(t, none)
}

// seeds are the committed inputs of the fuzz test, in testdata/fuzz.
// WRITE_SEEDS=1 writes them anew.
func TestSeeds(t *testing.T) {
	dir := "testdata/fuzz/FuzzRead"
	picture, r := full()
	good, err := Write(picture, r)
	require.NoError(t, err)
	seeds := map[string][]byte{"good": good, "gray mask": grayMask(t)}
	for name, c := range bad(t) {
		if len(c.file) < 4096 {
			seeds[name] = c.file
		}
	}
	for name, data := range seeds {
		path := filepath.Join(dir, name)
		if os.Getenv("WRITE_SEEDS") != "" {
			require.NoError(t, os.MkdirAll(dir, 0o755))
			require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, "go test fuzz v1\n[]byte(%q)\n", data), 0o644))
		}
		require.FileExists(t, path)
	}
}

// FuzzRead: a file is read, and then written and read again unchanged, or
// refused, at a cost that its size justifies.
func FuzzRead(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		before := allocated()
		picture, r, err := Read(data)
		// Deflate packs 1032 bytes into one, of text and of pixels of eight bits and
		// less; text is bounded, and of the pixels' own bytes each may be one of 64 bits.
		if cost, limit := allocated()-before, uint64(4*maxText+len(data)*1032*8*8); cost > limit {
			t.Errorf("%d bytes cost %d: want at most %d", len(data), cost, limit)
		}
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		if b := picture.Bounds(); b.Dx()*b.Dy() > engine.MaxPixels/64 {
			return // slow to write
		}
		r.MaskFor(r.Labels)
		file, err := Write(picture, r)
		require.NoError(t, err)
		_, again, err := Read(file)
		require.NoError(t, err)
		require.True(t, r.Same(again))
	})
}

func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
