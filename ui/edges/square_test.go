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
	wide := Square(picture(400, 200, at), 50)
	assert.Equal(t, image.Rect(0, 0, 50, 50), wide.Rect)
	assert.InDelta(t, .25*255, wide.RGBAAt(0, 25).R, 3)
	assert.InDelta(t, .75*255, wide.RGBAAt(49, 25).R, 3)
	assert.InDelta(t, 0, wide.RGBAAt(0, 0).G, 4)

	high := Square(picture(100, 400, at), 50)
	assert.InDelta(t, .25*255, high.RGBAAt(25, 0).G, 3)
	assert.InDelta(t, .5*255, high.RGBAAt(25, 49).G, 3)

	// A small picture is not enlarged, and its own coordinates do not matter.
	small := picture(30, 40, at).(*image.RGBA).SubImage(image.Rect(10, 10, 30, 30))
	assert.Equal(t, image.Rect(0, 0, 20, 20), Square(small, 50).Rect)
	assert.Equal(t, color.RGBAModel.Convert(small.At(10, 10)), color.Color(Square(small, 50).RGBAAt(0, 0)))
	assert.Equal(t, image.Rect(0, 0, 1, 1), Square(image.NewGray(image.Rect(0, 0, 1, 900)), 50).Rect)
}
