package studio

import (
	"image"
	"image/color"
	"slices"
)

// tinted shows pull, one value a pixel in row order, as a colour that covers
// more where it is stronger. The strongest twentieth covers alike: single
// pixels would hide all others.
func tinted(pull []float32, r image.Rectangle) *image.RGBA {
	img := image.NewRGBA(r)
	sorted := slices.Sorted(slices.Values(pull))
	if len(sorted) == 0 || len(sorted) != r.Dx()*r.Dy() {
		return img
	}
	most := sorted[len(sorted)*19/20]
	if most <= 0 {
		return img
	}
	for i, v := range pull {
		a := min(v/most, 1)
		c := color.NRGBA{R: 0xe0, G: 0x10, B: 0xb0, A: uint8(215 * a)}
		img.Set(r.Min.X+i%r.Dx(), r.Min.Y+i/r.Dx(), c)
	}
	return img
}
