package edges

import (
	"image"
	"image/color"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestSquare(t *testing.T) {
	// Red says where a pixel came from across, green where from above.
	at := func(x, y float64) color.Color { return color.RGBA{uint8(255 * x), uint8(255 * y), 0, 255} }
	square := func(img image.Image, side int) *image.RGBA { return NewCrop(img.Bounds()).Cut(img, side) }
	wide := square(picture(400, 200, at), 50)
	assert.Equal(t, image.Rect(0, 0, 50, 50), wide.Rect)
	assert.InDelta(t, .25*255, wide.RGBAAt(0, 25).R, 3)
	assert.InDelta(t, .75*255, wide.RGBAAt(49, 25).R, 3)
	assert.InDelta(t, 0, wide.RGBAAt(0, 0).G, 4)

	high := square(picture(100, 400, at), 50)
	assert.InDelta(t, .25*255, high.RGBAAt(25, 0).G, 3)
	assert.InDelta(t, .5*255, high.RGBAAt(25, 49).G, 3)

	// A small picture is not enlarged, and its own coordinates do not matter.
	small := picture(30, 40, at).(*image.RGBA).SubImage(image.Rect(10, 10, 30, 30))
	assert.Equal(t, image.Rect(0, 0, 20, 20), square(small, 50).Rect)
	assert.Equal(t, color.RGBAModel.Convert(small.At(10, 10)), color.Color(square(small, 50).RGBAAt(0, 0)))
	assert.Equal(t, image.Rect(0, 0, 1, 1), square(image.NewGray(image.Rect(0, 0, 1, 900)), 50).Rect)
}

// The square is moved and zoomed about its middle, and never leaves the picture.
func TestCrop(t *testing.T) {
	at := func(x, y float64) color.Color { return color.RGBA{uint8(255 * x), uint8(255 * y), 0, 255} }
	wide := picture(400, 200, at).(*image.RGBA)
	c := NewCrop(wide.Rect)
	assert.Equal(t, image.Rect(100, 0, 300, 200), c.Rect())
	c.Move(.25, .5)
	assert.Equal(t, image.Rect(150, 0, 350, 200), c.Rect(), "it has no room up or down")
	c.SetZoom(2)
	assert.Equal(t, image.Rect(200, 50, 300, 150), c.Rect())
	assert.Equal(t, 2., c.Zoom())
	c.Move(-9, .25)
	assert.Equal(t, image.Rect(0, 75, 100, 175), c.Rect())
	cut := c.Cut(wide, 50)
	assert.Equal(t, image.Rect(0, 0, 50, 50), cut.Rect)
	assert.InDelta(t, 255./4, cut.RGBAAt(49, 25).R, 3)
	assert.InDelta(t, 255*75./200, cut.RGBAAt(25, 0).G, 4)

	small := c.Show(wide)
	assert.Equal(t, color.RGBA{255, 255, 255, 255}, small.RGBAAt(0, 100), "its border")
	assert.Equal(t, wide.RGBAAt(50, 100), small.RGBAAt(50, 100))
	assert.Equal(t, wide.RGBAAt(200, 100).R/3, small.RGBAAt(200, 100).R, "outside it is dark")

	// A narrow picture's copy is a little wider than it should be: 5 for 4.7.
	narrow := NewCrop(image.Rect(0, 0, 20, 1024))
	narrow.Move(0, 99)
	copied := image.NewRGBA(image.Rect(0, 0, 5, 240))
	assert.Equal(t, color.RGBA{255, 255, 255, 255}, narrow.Show(copied).RGBAAt(2, 239), "the square is at the bottom")

	c.SetZoom(.1)
	assert.Equal(t, image.Rect(0, 0, 200, 200), c.Rect(), "zoomed out, it comes back inside")
	c.SetZoom(99)
	assert.Equal(t, float64(MaxZoom), c.Zoom())
	assert.Equal(t, 25, c.Rect().Dx())

	// Pictures of a pixel, and pictures whose corner is elsewhere.
	tiny := NewCrop(image.Rect(5, 5, 6, 9))
	tiny.SetZoom(8)
	tiny.Move(3, 3)
	assert.Equal(t, image.Rect(5, 8, 6, 9), tiny.Rect())
}
