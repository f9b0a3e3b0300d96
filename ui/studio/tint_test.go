package studio

import (
	"image"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTinted(t *testing.T) {
	pull := make([]float32, 100)
	for i := range pull {
		pull[i] = float32(i % 10)
	}
	img := tinted(pull, image.Rect(0, 0, 10, 10))
	assert.Zero(t, img.RGBAAt(0, 3).A)
	assert.Greater(t, img.RGBAAt(9, 3).A, img.RGBAAt(4, 3).A)
	assert.Equal(t, uint8(215), img.RGBAAt(9, 9).A)
	for _, nothing := range [][]float32{nil, make([]float32, 100), make([]float32, 3)} {
		assert.Zero(t, tinted(nothing, image.Rect(0, 0, 10, 10)).RGBAAt(9, 9).A)
	}
}
