package board

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whatever the tool, mirrored drawing is symmetrical to the bit.
func TestMirror(t *testing.T) {
	b := New(labels)
	b.SetMirror(true)
	stroke(b, [2]float64{20, 20}, [2]float64{50.3, 31.7}, [2]float64{70, 90}, [2]float64{30, 100}, [2]float64{20, 20})
	b.SetTool(Brush)
	b.SetLabel(1)
	b.SetSize(7)
	stroke(b, [2]float64{10, 100}, [2]float64{80.2, 120})
	b.SetTool(Bucket)
	b.SetLabel(2)
	stroke(b, [2]float64{2, 2})
	symmetric := func() {
		t.Helper()
		for y := range Side {
			for x := range Side / 2 {
				require.Equal(t, b.ink[at(x, y)], b.ink[at(Side-1-x, y)], "ink %d, %d", x, y)
				require.Equal(t, b.mask[at(x, y)], b.mask[at(Side-1-x, y)], "mask %d, %d", x, y)
			}
		}
	}
	symmetric()
	assert.Equal(t, uint8(2), b.mask[at(125, 2)])
	b.SetTool(Pencil)
	b.SetTool(Eraser)
	stroke(b, [2]float64{40, 10}, [2]float64{60, 60})
	symmetric()
	assert.Zero(t, b.ink[at(40, 26)])

	// Poured where two pixels meet, one of them a line's, and at the board's border.
	for _, x := range []float64{0, 10} {
		b.SetTool(Pencil)
		b.Clear()
		for y := range Side {
			for _, line := range []int{9, 63, 64, Side - 10} {
				b.ink[at(line, y)] = 255
			}
		}
		b.SetTool(Bucket)
		stroke(b, [2]float64{x, 50})
		assert.Equal(t, uint8(2), b.mask[at(int(x), 50)])
		symmetric()
	}

	b.SetMirror(false)
	b.SetTool(Pencil)
	before := b.ink[at(Side-1-5, 60)]
	stroke(b, [2]float64{5, 60}, [2]float64{6, 64})
	assert.Equal(t, before, b.ink[at(Side-1-5, 60)])
	assert.NotZero(t, b.ink[at(5, 61)])
}

// The line reaches the pen at once, and what was drawn provisionally leaves no
// trace when the curve turns out to go elsewhere.
func TestTheLineReachesThePen(t *testing.T) {
	for _, mirror := range []bool{false, true} {
		b := New(labels)
		b.SetMirror(mirror)
		b.Down(10, 10, .5)
		b.Move(60, 10, .5)
		require.Greater(t, b.ink[at(59, 9)], uint8(200))
		b.Move(60, 60, .5)
		assert.Greater(t, b.ink[at(59, 58)], uint8(200))
		assert.Zero(t, b.ink[at(59, 9)], "the corner is cut by the curve")
		if mirror {
			assert.Zero(t, b.ink[at(Side-1-59, 9)])
			assert.Greater(t, b.ink[at(Side-1-59, 58)], uint8(200))
		}
		b.Up()
		assert.Greater(t, b.ink[at(59, 58)], uint8(200))
	}
}

// A circle from twelve points of a fast mouse is round: no corner where the
// points are.
func TestStrokesAreSmooth(t *testing.T) {
	b := New(labels)
	b.SetSize(2)
	const n, radius = 12, 45.
	var pts [][2]float64
	for i := range n + 2 {
		a := 2 * math.Pi * float64(i) / n
		pts = append(pts, [2]float64{64 + radius*math.Cos(a), 64 + radius*math.Sin(a)})
	}
	stroke(b, pts...)
	least, most := 99., 0.
	for i, v := range b.ink {
		x, y := float64(i%Side)+.5-64, float64(i/Side)+.5-64
		if ends := x > 0 && y > -2; v > 200 && !ends { // they are straight and begin at corners
			d := math.Hypot(x, y)
			least, most = min(least, d), max(most, d)
		}
	}
	// So dark a line is 1.4 wide; the polygon's corners and middles are 1.5 apart.
	assert.Less(t, most-least, 1.4+.5)
	assert.Greater(t, least, 42.)
}

func TestPressureIsWidth(t *testing.T) {
	width := func(pressure float64) (sum float64) {
		b := New(labels)
		b.SetSize(6)
		b.Down(-20, 64, pressure)
		b.Move(150, 64, pressure)
		b.Up()
		for y := range Side {
			sum += float64(b.ink[at(64, y)]) / 255
		}
		return sum
	}
	assert.InDelta(t, 2, width(0), .1)
	assert.InDelta(t, 6, width(.5), .1)
	assert.InDelta(t, 10, width(1), .1)
	assert.InDelta(t, 10, width(7), .1)
}

func TestSizePerTool(t *testing.T) {
	b := New(labels)
	b.SetSize(3)
	b.SetTool(Brush)
	b.SetSize(20)
	b.SetTool(Pencil)
	assert.Equal(t, 3., b.Size())
	b.Resize(-5)
	assert.Equal(t, 1., b.Size())
	b.SetTool(Brush)
	assert.Equal(t, 20., b.Size())
	b.Resize(2)
	assert.Equal(t, 24., b.Size())
	b.Resize(-7)
	assert.Equal(t, 11., b.Size())
	b.Resize(100)
	assert.EqualValues(t, MaxSize, b.Size())
	b.SetSize(math.NaN())
	assert.EqualValues(t, MaxSize, b.Size())
}
