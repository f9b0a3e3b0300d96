package edges

import (
	"image"
	"math"
	"slices"

	"golang.org/x/image/draw"
)

// Drawing is a picture taken for lines on paper.
type Drawing struct {
	gray         *image.Gray
	paper, black float64 // levels of the two
	colourful    float64 // part of the pixels that have a colour
}

// Draw reads a picture of any size, which is stretched to a square.
func Draw(img image.Image) *Drawing {
	rgba := image.NewRGBA(image.Rect(0, 0, Side, Side))
	draw.Draw(rgba, rgba.Rect, image.White, image.Point{}, draw.Src)
	draw.BiLinear.Scale(rgba, rgba.Rect, img, img.Bounds(), draw.Over, nil)
	d := &Drawing{gray: image.NewGray(rgba.Rect)}
	draw.Draw(d.gray, rgba.Rect, rgba, image.Point{}, draw.Src)
	coloured := 0
	for i := 0; i < len(rgba.Pix); i += 4 {
		r, g, b := int(rgba.Pix[i]), int(rgba.Pix[i+1]), int(rgba.Pix[i+2])
		if max(r, g, b)-min(r, g, b) > 48 {
			coloured++
		}
	}
	d.colourful = float64(coloured) / (Side * Side)
	levels := slices.Clone(d.gray.Pix)
	slices.Sort(levels)
	// Specks and a shadow in a corner count for neither.
	d.paper, d.black = float64(levels[len(levels)*9/10]), float64(levels[len(levels)/200])
	return d
}

// Likely tells whether the picture looks like dark lines on light paper.
func (d *Drawing) Likely() bool {
	if d.paper < 170 || d.paper-d.black < 70 || d.colourful > .05 {
		return false
	}
	light := 0
	for _, v := range d.gray.Pix {
		if float64(v) > d.paper-.15*(d.paper-d.black) {
			light++
		}
	}
	return float64(light) > .7*Side*Side
}

// Lines gives the dark lines on white. With more detail, 0 to 1, lighter ones
// count.
func (d *Drawing) Lines(detail float64) *image.Gray {
	out := image.NewGray(d.gray.Rect)
	span := math.Max(d.paper-d.black, 1)
	// Darkness at which a pixel is half a line, from nearly black to a gray that
	// is hardly seen.
	half := .95 - .85*math.Max(0, math.Min(1, detail))
	for i, v := range d.gray.Pix {
		dark := (d.paper - float64(v)) / span
		ink := math.Max(0, math.Min(1, (dark-half)/.2+.5))
		out.Pix[i] = uint8(255 - 255*ink + .5)
	}
	return out
}
