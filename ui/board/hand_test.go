package board

import (
	"image"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func hand() (*Hand, *Board, *Viewport) {
	b, v := New(labels), &Viewport{}
	return &Hand{Board: b, View: v}, b, v
}

func mouse(u, w float64) Pointer { return Pointer{ID: 1, Device: Mouse, U: u, W: w, Pressure: .5} }
func pen(u, w float64) Pointer   { return Pointer{ID: 2, Device: Pen, U: u, W: w, Pressure: .5} }
func fing(n int, u, w float64) Pointer {
	return Pointer{ID: 10 + n, Device: Touch, U: u, W: w, Pressure: .5}
}

func TestMouseDrawsWhereTheViewSays(t *testing.T) {
	h, b, v := hand()
	v.ZoomAt(0, 0, 2) // shows 0 to 64
	require.True(t, h.Down(mouse(.5, .5)))
	require.True(t, h.Move(mouse(.9, .5)))
	assert.True(t, b.Drawing())
	require.True(t, h.Up(1))
	assert.Greater(t, b.ink[at(50, 31)], uint8(200))
	assert.Zero(t, b.ink[at(90, 64)])
	assert.False(t, h.Move(mouse(.1, .1)), "let go")
	assert.False(t, h.Busy())
}

func TestMiddleDragPans(t *testing.T) {
	h, b, v := hand()
	v.ZoomAt(.5, .5, 4)
	p := mouse(.5, .5)
	p.Pan = true
	assert.False(t, h.Down(p))
	assert.True(t, h.Panning())
	assert.False(t, h.Down(mouse(.1, .1)), "the left button beside the middle one")
	x, y := v.ToBoard(.5, .5)
	h.Move(mouse(.6, .7))
	nx, ny := v.ToBoard(.6, .7)
	assert.InDeltaSlice(t, []float64{x, y}, []float64{nx, ny}, 1e-9)
	assert.False(t, h.Up(1))
	assert.False(t, b.HasSketch())
	assert.False(t, b.CanUndo())
}

func TestTwoFingersMoveAndZoom(t *testing.T) {
	h, b, v := hand()
	require.True(t, h.Down(fing(1, .4, .5)))
	h.Move(fing(1, .41, .5)) // a finger is never quite still
	require.True(t, b.Drawing())
	require.False(t, h.Down(fing(2, .6, .5)))
	assert.False(t, b.HasSketch(), "the first finger's dot stays")
	assert.False(t, b.CanUndo())
	h.Move(fing(1, .3, .5))
	h.Move(fing(2, .7, .5))
	assert.InDelta(t, .4/.19, v.Zoom(), 1e-9)
	x, y := v.ToBoard(.5, .5)
	h.Move(fing(1, .35, .6))
	h.Move(fing(2, .75, .6))
	nx, ny := v.ToBoard(.55, .6)
	assert.InDeltaSlice(t, []float64{x, y}, []float64{nx, ny}, .5) // the edges of the board pull a little
	assert.False(t, h.Down(fing(3, .1, .1)))
	assert.False(t, h.Up(13))
	assert.True(t, h.Zooming(), "a third finger that comes and goes is nothing")

	assert.False(t, h.Up(11))
	h.Move(fing(2, .1, .1)) // the last finger leaves without a line
	assert.False(t, h.Down(fing(4, .2, .2)))
	assert.False(t, h.Up(14))
	assert.False(t, h.Up(12))
	assert.False(t, b.HasSketch())
	assert.True(t, h.Down(fing(5, .4, .5)), "after the pinch a finger draws again")
}

// Who looks closer at lines that are tried has not decided about them.
func TestAPinchKeepsATrialOpen(t *testing.T) {
	h, b, _ := hand()
	b.Try(image.NewGray(image.Rect(0, 0, Side, Side)))
	require.True(t, h.Down(fing(1, .4, .5)))
	require.False(t, b.Trying())
	require.False(t, h.Down(fing(2, .6, .5)))
	assert.True(t, b.Trying())
}

func TestASecondFingerDoesNotSpoilALongStroke(t *testing.T) {
	h, b, v := hand()
	h.Down(fing(1, .2, .2))
	h.Move(fing(1, .3, .2))
	assert.False(t, h.Down(fing(2, .6, .9)))
	h.Move(fing(2, .9, .9))
	h.Move(fing(1, .5, .2))
	assert.False(t, h.Up(12))
	assert.True(t, h.Up(11))
	assert.Equal(t, 1., v.Zoom())
	assert.NotZero(t, b.ink[at(60, 25)])
}

func TestThePalmIsIgnored(t *testing.T) {
	h, b, _ := hand()
	// The palm lands first: its line is taken back when the pen comes.
	h.Down(fing(1, .8, .8))
	h.Move(fing(1, .9, .9))
	require.True(t, b.Drawing())
	require.True(t, h.Down(pen(.2, .2)))
	assert.Zero(t, b.ink[at(108, 108)])
	h.Move(fing(1, .7, .9))
	h.Move(pen(.5, .2))
	assert.False(t, h.Down(fing(2, .8, .7)))
	assert.False(t, h.Up(11))
	assert.True(t, h.Up(2))
	assert.NotZero(t, b.ink[at(40, 25)])
	assert.Zero(t, b.ink[at(100, 108)])

	// While the pen hovers, too; not once it is put away.
	assert.False(t, h.Down(fing(3, .8, .7)))
	h.Leave(Pen)
	assert.True(t, h.Down(fing(4, .8, .7)))
	h.Up(14)
	h.Hover(Pen)
	assert.False(t, h.Down(fing(5, .8, .7)))
}

// A pinch ends when the pen comes, too.
func TestThePenEndsAPinch(t *testing.T) {
	h, b, v := hand()
	h.Down(fing(1, .4, .5))
	h.Down(fing(2, .6, .5))
	require.True(t, h.Down(pen(.2, .2)))
	h.Move(fing(2, .9, .5))
	assert.Equal(t, 1., v.Zoom())
	assert.False(t, h.Up(11))
	assert.False(t, h.Up(12))
	assert.True(t, b.Drawing())
	assert.True(t, h.Up(2))
}

func TestThePensOtherEndErases(t *testing.T) {
	h, b, _ := hand()
	h.Down(mouse(.2, .5))
	h.Move(mouse(.8, .5))
	h.Up(1)
	p := pen(.2, .5)
	p.Eraser = true
	h.Down(p)
	h.Move(pen(.8, .5))
	h.Up(2)
	assert.False(t, b.HasSketch())
	assert.Equal(t, Pencil, b.Tool())

	h.Down(p)
	h.Cancel(2)
	assert.Equal(t, Pencil, b.Tool())
}

func TestCancelledPointersLeaveNothing(t *testing.T) {
	h, b, _ := hand()
	h.Down(mouse(.2, .5))
	h.Move(mouse(.8, .5))
	assert.True(t, h.Cancel(1))
	assert.False(t, b.HasSketch() || h.Busy())
	assert.False(t, h.Cancel(1))
	assert.False(t, h.Up(77))
}
