package board

import (
	"image"
	"image/color"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDifferenceIsTheSmallestRectangle(t *testing.T) {
	var a, b layer
	assert.True(t, difference(&a, &b).Empty())
	b[at(5, 7)], b[at(90, 30)], b[at(127, 12)] = 1, 1, 1
	assert.Equal(t, image.Rect(5, 7, 128, 31), difference(&a, &b))
	b = layer{}
	b[at(0, 127)] = 1
	assert.Equal(t, image.Rect(0, 127, 1, 128), difference(&a, &b))
}

// A short stroke must not keep the whole board.
func TestChangesAreSmall(t *testing.T) {
	b := New(labels)
	stroke(b, [2]float64{20, 20}, [2]float64{30, 24})
	assert.Less(t, b.history.size, 14*8+257)
	b.SetTool(Brush)
	b.SetSize(1)
	before := b.history.size
	stroke(b, [2]float64{64.5, 64.5})
	assert.Equal(t, before+257, b.history.size, "one pixel of one layer")
}

// The oldest changes go when the memory is full, the newest stay, and the size
// that is kept track of is the true one.
func TestHistoryIsBoundedByMemory(t *testing.T) {
	var s state
	var h history
	const side = 100 // of a change: 10,256 bytes
	fits := maxHistory / (side*side + 256)
	for i := range fits + 50 {
		before := s
		v := uint8(i%251 + 1)
		for y := range side {
			for x := range side {
				s.ink[at(x, y)] = v
			}
		}
		h.remember(changeTo(&before, &s))
		require.LessOrEqual(t, h.size, maxHistory)
	}
	require.Equal(t, fits, len(h.undo))
	last := s
	for range 1000 {
		require.True(t, travel(&s, &h.undo, &h.redo))
	}
	assert.False(t, last == s)
	for travel(&s, &h.redo, &h.undo) {
	}
	assert.True(t, last == s)
	for range 10 {
		travel(&s, &h.undo, &h.redo)
	}
	before := s
	s.mask[0] = 9
	h.remember(changeTo(&before, &s)) // forgets ten undone ones
	sum := 0
	for _, c := range h.undo {
		sum += c.size()
	}
	assert.Equal(t, sum, h.size)
	assert.Empty(t, h.redo)
}

// Ten thousand strokes of a person fit.
func TestUndoIsWithoutLimitInPractice(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	b := New(labels)
	b.SetGrid(8)
	drawn := 0
	for range 10_000 {
		x, y := 128*rnd.Float64(), 128*rnd.Float64()
		b.SetTool([]Tool{Pencil, Eraser, Brush, Dab}[rnd.IntN(4)])
		b.SetLabel(rnd.IntN(3))
		b.SetColour(color.NRGBA{G: uint8(rnd.IntN(256))})
		was := b.state
		stroke(b, [2]float64{x, y}, [2]float64{x + 20*rnd.NormFloat64(), y + 20*rnd.NormFloat64()})
		if was != b.state {
			drawn++
		}
	}
	n := 0
	for b.Undo() {
		n++
	}
	assert.Equal(t, drawn, n)
	assert.False(t, b.HasSketch() || b.HasMask() || b.HasColours())
}

func TestTry(t *testing.T) {
	dark, light := image.NewGray(image.Rect(0, 0, 4, 4)), image.NewGray(image.Rect(0, 0, 4, 4))
	for i := range light.Pix {
		light.Pix[i] = 200
	}
	b := New(labels)
	stroke(b, [2]float64{20, 20}, [2]float64{30, 24})
	drawn, sketch := b.state, b.Sketch()
	assert.Equal(t, sketch, b.Kept())
	b.Try(dark)
	b.Try(light)
	assert.Equal(t, sketch, b.Kept(), "lines that are only tried are not what is kept")
	assert.Equal(t, uint8(55), b.ink[at(64, 64)])
	assert.True(t, b.Trying())
	assert.False(t, b.Drawing())
	b.Move(100, 100, .5) // the mouse goes over it
	b.SetTool(Brush)
	b.SetMirror(true)
	require.True(t, b.Trying())
	b.Cancel()
	assert.True(t, drawn == b.state)
	assert.False(t, b.Trying())

	b.Try(dark)
	b.Try(light)
	stroke(b, [2]float64{64, 64}) // drawing on keeps it
	assert.False(t, b.Trying())
	assert.True(t, b.HasMask())
	b.Undo()
	assert.False(t, b.HasMask())
	assert.Equal(t, uint8(55), b.ink[at(64, 64)])
	assert.Equal(t, b.Sketch(), b.Kept())
	b.Undo() // both trials are one change
	assert.True(t, drawn == b.state)

	b = New(labels)
	b.Try(dark)
	assert.Nil(t, b.Kept())
}

// A stroke over what is tried keeps it, as a change of its own; one that is taken back
// leaves it undecided, and what was undone before can still be repeated.
func TestStrokeOverATrial(t *testing.T) {
	lines := image.NewGray(image.Rect(0, 0, Side, Side)) // all ink
	for _, cancelled := range []bool{false, true} {
		b := New(labels)
		stroke(b, [2]float64{20, 20}, [2]float64{60, 20})
		drawn := b.ink
		b.SetTool(Brush)
		stroke(b, [2]float64{90, 90})
		b.Undo()
		b.Try(lines)
		tried := b.ink
		b.Down(64, 64, .5)
		require.True(t, b.Drawing())
		if cancelled {
			b.Cancel()
			require.True(t, b.Trying())
			assert.Equal(t, tried, b.ink)
			assert.False(t, b.HasMask())
			assert.True(t, b.CanRedo())
			b.Cancel()
			assert.Equal(t, drawn, b.ink)
			continue
		}
		b.Up()
		require.False(t, b.Trying())
		assert.False(t, b.CanRedo())
		b.Undo()
		assert.False(t, b.HasMask())
		assert.Equal(t, tried, b.ink)
		b.Undo()
		assert.Equal(t, drawn, b.ink)
	}
}

func TestForget(t *testing.T) {
	b := New(labels)
	b.Load(image.NewGray(image.Rect(0, 0, Side, Side)), nil, nil)
	b.Forget()
	assert.False(t, b.CanUndo() || b.CanRedo() || b.Undo())
	assert.True(t, b.HasSketch())
	stroke(b, [2]float64{20, 20})
	b.Clear()
	assert.True(t, b.Undo())
}
