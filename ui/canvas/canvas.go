//go:build js

// Package canvas shows the board on an ebiten canvas inside the page and draws
// with mouse, pen and touch.
package canvas

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"syscall/js"

	"github.com/hajimehoshi/ebiten/v2"
	"github.com/hajimehoshi/ebiten/v2/vector"

	"github.com/mcdm/mcdm/ui/board"
)

// Canvas is the board's window.
type Canvas struct {
	board    *board.Board
	box      js.Value // the element that holds the canvas
	onChange func()

	// View is how the layers are shown; call Refresh after changing it.
	View board.View

	frame   *image.RGBA   // the composed board
	picture *ebiten.Image // the same as a texture
	drawn   int           // version of the board in frame
	plain   js.Value      // 2D context in place of a lost or missing WebGL
	started bool

	inside   bool    // the pointer is over the board
	x, y     float64 // of the pointer, in board pixels
	pointer  int     // id of the pointer that draws
	pressing bool
}

// Attach puts the board into box, a positioned element of the page with a size
// of its own, which it fills. onChange is called after every change of the
// drawing by a pointer.
func Attach(b *board.Board, box js.Value, onChange func()) *Canvas {
	c := &Canvas{
		board: b, box: box, onChange: onChange,
		View:  board.View{MaskOpacity: .75, InkOpacity: 1},
		frame: image.NewRGBA(image.Rect(0, 0, board.Side, board.Side)),
		drawn: -1, pointer: -1,
	}
	embed(c)
	c.listen()
	return c
}

// Redraw shows the board as it is now: after undo, loading, a new size.
func (c *Canvas) Redraw() {
	if c.plain.Truthy() {
		c.drawPlain()
		return
	}
	ebiten.ScheduleFrame()
}

// Refresh redraws although the board's version is the same: the view changed.
func (c *Canvas) Refresh() {
	c.drawn = -1
	c.Redraw()
}

// compose brings frame up to date and tells whether it changed.
func (c *Canvas) compose() bool {
	v := c.board.Version()
	if v == c.drawn {
		return false
	}
	c.board.Compose(c.frame, c.View)
	c.drawn = v
	return true
}

// Run shows the board and does not return while ebiten can. Without WebGL, or
// when its context is lost, the board goes on as a plain canvas and the drawing
// stays; the error says that there is no canvas at all.
func (c *Canvas) Run() error {
	// Asked before ebiten does: once its loop has failed, it panics at the next
	// change of the window's size.
	if !newCanvas().Call("getContext", "webgl2").Truthy() {
		return c.goPlain()
	}
	ebiten.SetFPSMode(ebiten.FPSModeVsyncOffMinimum) // a still board costs nothing
	ebiten.SetTPS(ebiten.SyncWithFPS)
	ebiten.SetScreenClearedEveryFrame(false) // the board covers it
	err := ebiten.RunGameWithOptions(c, &ebiten.RunGameOptions{InitUnfocused: true, ScreenTransparent: true})
	if err != nil {
		return fmt.Errorf("canvas: the board's loop ended; reload the page: %w", err)
	}
	return nil
}

// Update implements ebiten.Game; all changes come through events.
func (c *Canvas) Update() error {
	if !c.started {
		c.started = true
		styles.restore() // ebiten sets the body's background once more
	}
	return nil
}

// Layout implements ebiten.Game: one pixel of the canvas is one of the screen.
func (c *Canvas) Layout(w, h int) (int, int) {
	f := ebiten.Monitor().DeviceScaleFactor()
	return max(int(float64(w)*f), 1), max(int(float64(h)*f), 1)
}

// Draw implements ebiten.Game.
func (c *Canvas) Draw(screen *ebiten.Image) {
	if c.plain.Truthy() {
		return
	}
	if c.picture == nil {
		c.picture = ebiten.NewImage(board.Side, board.Side)
	}
	if c.compose() {
		c.picture.WritePixels(c.frame.Pix)
	}
	w, h := float64(screen.Bounds().Dx()), float64(screen.Bounds().Dy())
	o := ebiten.DrawImageOptions{Filter: ebiten.FilterLinear}
	o.GeoM.Scale(w/board.Side, h/board.Side)
	screen.DrawImage(c.picture, &o)
	if c.ring() {
		x, y := float32(c.x*w/board.Side), float32(c.y*h/board.Side)
		r := float32(math.Max(c.board.Size()/2*w/board.Side, 2))
		// Two rings: one of them is seen on any colour.
		vector.StrokeCircle(screen, x, y, r+1, 1.5, color.White, true)
		vector.StrokeCircle(screen, x, y, r, 1, color.Black, true)
	}
}

// ring tells whether the pointer is shown as a ring of the brush's size.
func (c *Canvas) ring() bool { return c.inside && c.board.Tool() != board.Bucket }
