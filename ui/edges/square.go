package edges

import (
	"image"

	"golang.org/x/image/draw"
)

// Square cuts the largest square out of a picture, from the middle of a wide one
// and from above the middle of a high one, where faces are, and brings it down to
// at most side pixels.
func Square(img image.Image, side int) *image.RGBA {
	r := img.Bounds()
	n := min(r.Dx(), r.Dy())
	r.Min = r.Min.Add(image.Pt((r.Dx()-n)/2, (r.Dy()-n)/3))
	r.Max = r.Min.Add(image.Pt(n, n))
	side = min(side, n)
	out := image.NewRGBA(image.Rect(0, 0, side, side))
	draw.BiLinear.Scale(out, out.Rect, img, r, draw.Src, nil)
	return out
}
