package main

import (
	"image"
	"image/color"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDifferenceAveragesDown(t *testing.T) {
	a, b := image.NewRGBA(image.Rect(0, 0, 2, 2)), image.NewNRGBA(image.Rect(5, 5, 9, 9))
	for y := range 4 {
		for x := range 4 {
			b.SetNRGBA(5+x, 5+y, color.NRGBA{uint8(100 + 20*(x%2)), 50, 0, 255}) // 110, 50, 0 on the mean
		}
	}
	for i := range a.Pix {
		a.Pix[i] = []uint8{110, 50, 0, 255}[i%4]
	}
	assert.Zero(t, difference(a, b))
	a.SetRGBA(1, 0, color.RGBA{110, 56, 8, 255})
	assert.InDelta(t, math.Sqrt(100/12.), difference(a, b), 1e-9)
	assert.InDelta(t, 0, difference(a, a), 1e-9)
}

func TestMeasureRefusals(t *testing.T) {
	for _, c := range [][]string{{"--portraits", "0"}, {"--portraits", "99"}, {"--seeds", "1"}, {"--evaluations", "10,1"}, {"--evaluations", "1001"}} {
		_, err := run(t, append([]string{"measure"}, c...)...)
		assert.ErrorContains(t, err, c[0])
		assert.ErrorContains(t, err, "want")
	}
}
