package board

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestZoomKeepsThePlace(t *testing.T) {
	var v Viewport
	x, y := v.ToBoard(.3, .6)
	assert.InDeltaSlice(t, []float64{38.4, 76.8}, []float64{x, y}, 1e-9)
	v.ZoomAt(.3, .6, 4)
	nx, ny := v.ToBoard(.3, .6)
	assert.InDeltaSlice(t, []float64{x, y}, []float64{nx, ny}, 1e-9)
	assert.Equal(t, 4., v.Zoom())

	v.Pan(.1, -.05) // the board follows the hand
	nx, ny = v.ToBoard(.4, .55)
	assert.InDeltaSlice(t, []float64{x, y}, []float64{nx, ny}, 1e-9)

	v.ZoomAt(.2, .2, 1e-9)
	assert.Equal(t, 1., v.Zoom())
	nx, ny = v.ToBoard(0, 0)
	assert.Equal(t, []float64{0, 0}, []float64{nx, ny})
}

// A slow pinch comes as many small factors, whose sum counts. On the way back the last
// bit need not be met.
func TestSlowZoom(t *testing.T) {
	var v Viewport
	for range 300 {
		v.ZoomAt(.5, .5, 1.002)
	}
	assert.InDelta(t, math.Pow(1.002, 300), v.Zoom(), 1e-9)
	for range 300 {
		v.ZoomAt(.5, .5, 1/1.00199)
	}
	assert.Equal(t, Viewport{zoom: 1}, v)
}

// Whatever one does, the window shows nothing but board, and there and back is
// where one was.
func TestTheWindowIsFullOfBoard(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 9))
	var v Viewport
	for range 5000 {
		switch rnd.IntN(9) {
		case 0:
			v.Fit()
		case 1:
			v.Pan(math.NaN(), 0)
			v.ZoomAt(.5, .5, math.Inf(1))
		case 2, 3, 4:
			v.Pan(rnd.NormFloat64(), rnd.NormFloat64())
		default:
			v.ZoomAt(rnd.Float64(), rnd.Float64(), math.Exp(rnd.NormFloat64()))
		}
		x0, y0 := v.ToBoard(0, 0)
		x1, y1 := v.ToBoard(1, 1)
		require.True(t, x0 >= 0 && y0 >= 0 && x1 <= Side+1e-9 && y1 <= Side+1e-9, "%+v", v)
		require.True(t, v.Zoom() >= 1 && v.Zoom() <= MaxZoom)
		u, w := v.ToWindow(v.ToBoard(.3, .8))
		require.InDelta(t, .3, u, 1e-9)
		require.InDelta(t, .8, w, 1e-9)
	}
}
