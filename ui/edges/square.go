package edges

import (
	"image"
	"image/color"
	"math"

	"golang.org/x/image/draw"
)

// Crop is a square of a picture, all of it inside, that can be moved and zoomed.
type Crop struct {
	picture image.Rectangle
	x, y    float64 // its left and upper border, from those of the picture, in pixels
	side    float64
}

// MaxZoom is how much smaller than the largest square a crop can become.
const MaxZoom = 8

// NewCrop is the largest square of a picture: from the middle of a wide one, and
// from above the middle of a high one, where faces are.
func NewCrop(picture image.Rectangle) *Crop {
	n := min(picture.Dx(), picture.Dy())
	return &Crop{picture: picture, x: float64((picture.Dx() - n) / 2), y: float64((picture.Dy() - n) / 3), side: float64(n)}
}

// Move moves the square by parts of its side.
func (c *Crop) Move(dx, dy float64) {
	c.x, c.y = c.x+dx*c.side, c.y+dy*c.side
	c.inside()
}

// Zoom is 1 for the largest square, 2 for one of half its side.
func (c *Crop) Zoom() float64 { return c.most() / c.side }

// SetZoom zooms about the square's middle, from 1 to MaxZoom.
func (c *Crop) SetZoom(zoom float64) {
	side := max(1, c.most()/max(1, min(MaxZoom, zoom)))
	c.x, c.y = c.x+(c.side-side)/2, c.y+(c.side-side)/2
	c.side = side
	c.inside()
}

func (c *Crop) most() float64 { return float64(min(c.picture.Dx(), c.picture.Dy())) }

// inside brings the square back into the picture.
func (c *Crop) inside() {
	c.x = max(0, min(float64(c.picture.Dx())-c.side, c.x))
	c.y = max(0, min(float64(c.picture.Dy())-c.side, c.y))
}

// Rect is the square in the picture's coordinates.
func (c *Crop) Rect() image.Rectangle {
	n := max(1, int(math.Round(c.side)))
	at := c.picture.Min.Add(image.Pt(min(int(math.Round(c.x)), c.picture.Dx()-n), min(int(math.Round(c.y)), c.picture.Dy()-n)))
	return image.Rectangle{at, at.Add(image.Pt(n, n))}
}

// Cut cuts the square out of the picture and brings it down to at most side
// pixels.
func (c *Crop) Cut(img image.Image, side int) *image.RGBA {
	r := c.Rect()
	side = min(side, r.Dx())
	out := image.NewRGBA(image.Rect(0, 0, side, side))
	draw.BiLinear.Scale(out, out.Rect, img, r, draw.Src, nil)
	return out
}

// Show draws a small copy of the whole picture, dark outside of the square.
func (c *Crop) Show(small *image.RGBA) *image.RGBA {
	out := image.NewRGBA(small.Rect)
	draw.Draw(out, out.Rect, small, small.Rect.Min, draw.Src)
	// The copy's sides are rounded: of a narrow picture they are not equally small.
	across, down := float64(small.Rect.Dx())/float64(c.picture.Dx()), float64(small.Rect.Dy())/float64(c.picture.Dy())
	at := func(x, y float64) image.Point {
		return small.Rect.Min.Add(image.Pt(int(math.Round(x*across)), int(math.Round(y*down))))
	}
	in := image.Rectangle{at(c.x, c.y), at(c.x+c.side, c.y+c.side)}
	line := in.Inset(1)
	for y := out.Rect.Min.Y; y < out.Rect.Max.Y; y++ {
		for x := out.Rect.Min.X; x < out.Rect.Max.X; x++ {
			switch p := image.Pt(x, y); {
			case !p.In(in):
				v := out.RGBAAt(x, y)
				out.SetRGBA(x, y, color.RGBA{v.R / 3, v.G / 3, v.B / 3, 255})
			case !p.In(line):
				out.SetRGBA(x, y, color.RGBA{255, 255, 255, 255})
			}
		}
	}
	return out
}
