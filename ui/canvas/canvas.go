//go:build js

// Package canvas shows the board on an ebiten canvas inside the page and draws
// with mouse, pen and touch.
package canvas

import (
	_ "embed"
	"fmt"
	"image"
	"image/color"
	"syscall/js"

	"github.com/hajimehoshi/ebiten/v2"
	"github.com/hajimehoshi/ebiten/v2/vector"

	"github.com/mcdm/mcdm/ui/board"
	"github.com/mcdm/mcdm/ui/dom"
)

// Canvas is the board's window.
type Canvas struct {
	board    *board.Board
	box      js.Value // the element that holds the canvas
	onChange func()
	hand     board.Hand

	// View is how the layers are shown; call Refresh after changing it.
	View board.View
	// Viewport is the part that is shown; call Redraw after changing it.
	Viewport board.Viewport
	// OnLook is called when a pointer or the wheel has zoomed, OnSize when the wheel
	// asks for a brush n steps larger. Either may be nil.
	OnLook func()
	OnSize func(n int)

	frame      *image.RGBA    // the composed board
	picture    *ebiten.Image  // the same as a texture
	shader     *ebiten.Shader // enlarges it
	drawn      int            // version of the board in frame
	plain      js.Value       // 2D context in place of a lost or missing WebGL
	plainStyle js.Value       // of its canvas
	started    bool

	inside   bool    // the pointer is over the board
	u, w     float64 // where, in parts of the box
	shape    string  // of the cursor
	space    bool    // the space bar is down
	control  bool    // so is Control
	turned   float64 // by the wheel, short of a step of the brush's size
	scrolled float64 // when the wheel scrolled the page last, in milliseconds
}

// Attach puts the board into box, a positioned element of the page with a size
// of its own, which it fills. onChange is called when a pointer begins a stroke
// and when it ends one: Board.Drawing tells which.
func Attach(b *board.Board, box js.Value, onChange func()) *Canvas {
	c := &Canvas{
		board: b, box: box, onChange: onChange,
		View:  board.View{MaskOpacity: .75, InkOpacity: 1},
		frame: image.NewRGBA(image.Rect(0, 0, board.Side, board.Side)),
		drawn: -1,
	}
	c.hand = board.Hand{Board: b, View: &c.Viewport}
	embed(c)
	c.listen()
	return c
}

// Redraw shows the board as it is now: after undo, loading, a new size.
func (c *Canvas) Redraw() {
	c.cursor()
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
	view := c.View
	view.InkApart = !c.plain.Truthy() // the shader draws it
	c.board.Compose(c.frame, view)
	c.drawn = v
	return true
}

// Run shows the board and does not return while ebiten can. Without WebGL, or
// when its context is lost, the board goes on as a plain canvas and the drawing
// stays; the error says that there is no canvas at all.
func (c *Canvas) Run() error {
	// Asked before ebiten does: once its loop has failed, it panics at the next
	// change of the window's size.
	if !dom.New("canvas", "").Call("getContext", "webgl2").Truthy() {
		return c.goPlain()
	}
	ebiten.SetFPSMode(ebiten.FPSModeVsyncOffMinimum) // a still board costs nothing
	ebiten.SetTPS(ebiten.SyncWithFPS)
	ebiten.SetScreenClearedEveryFrame(false) // the board covers it
	var err error
	if c.shader, err = ebiten.NewShader(enlargeSource); err != nil {
		return c.goPlain()
	}
	err = ebiten.RunGameWithOptions(c, &ebiten.RunGameOptions{InitUnfocused: true, ScreenTransparent: true})
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
	sx := w / board.Side * c.Viewport.Zoom() // screen pixels of a board's pixel
	c.enlarge(screen, float32(w), float32(h), sx)
	if c.board.Mirror() {
		middle, _ := c.Viewport.ToWindow(board.Side/2, 0)
		dash := float32(6 * ebiten.Monitor().DeviceScaleFactor())
		for y := float32(0); y < float32(h); y += 2 * dash {
			vector.StrokeLine(screen, float32(middle*w), y, float32(middle*w), y+dash, dash/6, axis, false)
		}
	}
	if c.ring() {
		c.drawRing(screen, c.u*w, sx)
		if c.board.Mirror() {
			middle, _ := c.Viewport.ToWindow(board.Side/2, 0)
			c.drawRing(screen, (2*middle-c.u)*w, sx)
		}
	}
}

// enlarge fills the screen with the part of the picture that is shown.
func (c *Canvas) enlarge(screen *ebiten.Image, w, h float32, scale float64) {
	x0, y0 := c.Viewport.ToBoard(0, 0)
	x1, y1 := c.Viewport.ToBoard(1, 1)
	corner := func(dx, dy float32, sx, sy float64) ebiten.Vertex {
		return ebiten.Vertex{DstX: dx, DstY: dy, SrcX: float32(sx), SrcY: float32(sy), ColorR: 1, ColorG: 1, ColorB: 1, ColorA: 1}
	}
	corners := []ebiten.Vertex{corner(0, 0, x0, y0), corner(w, 0, x1, y0), corner(0, h, x0, y1), corner(w, h, x1, y1)}
	o := ebiten.DrawTrianglesShaderOptions{Uniforms: map[string]any{"Edge": float32(2), "InkEdge": float32(1), "Gain": float32(min(2.5, max(1, scale/1.5)))}}
	if c.Viewport.Zoom() >= squares {
		o.Uniforms = map[string]any{"Edge": float32(scale), "InkEdge": float32(scale), "Gain": float32(1)}
	}
	o.Uniforms["Opacity"] = float32(c.View.InkOpacity)
	o.Images[0] = c.picture
	screen.DrawTrianglesShader(corners, []uint16{0, 1, 2, 1, 2, 3}, c.shader, &o)
}

// squares is the zoom from which one sees the board's pixels, as squares.
const squares = 6

//go:embed enlarge.kage
var enlargeSource []byte

// axis is the colour of the mirror's line.
var axis = color.RGBA{0x34, 0x50, 0xc6, 0xff}

// drawRing shows the brush's size at the pointer's height.
func (c *Canvas) drawRing(screen *ebiten.Image, x, scale float64) {
	f := float32(ebiten.Monitor().DeviceScaleFactor())
	y := float32(c.w * float64(screen.Bounds().Dy()))
	r := max(float32(c.board.Size()/2*scale), 2*f)
	// Two rings: one of them is seen on any colour.
	vector.StrokeCircle(screen, float32(x), y, r+f, 1.5*f, color.White, true)
	vector.StrokeCircle(screen, float32(x), y, r, f, color.Black, true)
}

// ring tells whether the pointer is shown as a ring of the brush's size.
func (c *Canvas) ring() bool { return c.inside && c.shape == "none" }
