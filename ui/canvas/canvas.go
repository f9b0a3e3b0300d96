//go:build js

// Package canvas shows the board on an ebiten canvas inside the page and draws
// with mouse, pen and touch.
package canvas

import (
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

	// MaskOpacity is how much the mask covers the paper, 0 to 1.
	MaskOpacity float64

	picture *ebiten.Image
	pixels  []byte
	drawn   int // version of the board in pixels

	inside   bool    // the pointer is over the board
	x, y     float64 // of the pointer, in board pixels
	pointer  int     // id of the pointer that draws
	pressing bool
	handlers []js.Func
}

// Attach puts the board into box, an element of the page. onChange is called
// after every change of the drawing.
//
// Ebiten 2.8 takes the whole body: its canvas is as large as the body, which
// it also styles, and it keeps keys and mouse for itself, by positions that
// only fit a canvas in the corner of the window. So its canvas is moved into
// box, the body tells box's size where ebiten asks for the body's, and events
// end at box, where the drawing takes them as pointer events, with pressure and
// all points between two frames, which ebiten does not offer (issue 2121).
func Attach(b *board.Board, box js.Value, onChange func()) *Canvas {
	c := &Canvas{
		board: b, box: box, onChange: onChange, MaskOpacity: .75,
		pixels: make([]byte, 4*board.Side*board.Side), drawn: -1, pointer: -1,
	}
	document := js.Global().Get("document")
	body := document.Get("body")
	body.Call("removeAttribute", "style")
	document.Get("documentElement").Call("removeAttribute", "style")

	canvas := document.Call("querySelector", "body > canvas:last-of-type")
	canvas.Call("setAttribute", "tabindex", "-1")
	canvas.Call("setAttribute", "aria-hidden", "true")
	box.Call("appendChild", canvas)
	for _, name := range []string{"clientWidth", "clientHeight"} {
		size := c.handle(func(js.Value, []js.Value) any { return box.Get(name) })
		js.Global().Get("Object").Call("defineProperty", body, name, map[string]any{"get": size, "configurable": true})
	}
	c.listen()
	return c
}

func (c *Canvas) handle(f func(this js.Value, args []js.Value) any) js.Func {
	h := js.FuncOf(f)
	c.handlers = append(c.handlers, h)
	return h
}

// listen takes the box's events before ebiten's canvas can.
func (c *Canvas) listen() {
	first := map[string]any{"capture": true, "passive": false}
	for _, name := range []string{"mousedown", "mouseup", "mousemove", "wheel", "touchstart", "touchmove", "touchend", "keydown", "keyup", "contextmenu"} {
		c.box.Call("addEventListener", name, c.handle(func(_ js.Value, args []js.Value) any {
			args[0].Call("stopImmediatePropagation")
			return nil
		}), first)
	}
	on := func(name string, f func(e js.Value)) {
		c.box.Call("addEventListener", name, c.handle(func(_ js.Value, args []js.Value) any {
			f(args[0])
			c.Redraw()
			return nil
		}), first)
	}
	on("pointerdown", func(e js.Value) {
		if c.pressing || e.Get("button").Int() != 0 {
			return
		}
		c.pressing, c.pointer = true, e.Get("pointerId").Int()
		c.box.Call("setPointerCapture", c.pointer)
		x, y := c.position(e)
		c.board.Down(x, y, pressure(e))
		c.changed()
	})
	on("pointermove", func(e js.Value) {
		c.inside = true
		c.x, c.y = c.position(e)
		if !c.pressing || e.Get("pointerId").Int() != c.pointer {
			return
		}
		points := js.Undefined()
		if e.Get("getCoalescedEvents").Type() == js.TypeFunction {
			points = e.Call("getCoalescedEvents")
		}
		if !points.Truthy() || points.Length() == 0 {
			points = js.Global().Get("Array").Call("of", e)
		}
		for i := range points.Length() {
			x, y := c.position(points.Index(i))
			c.board.Move(x, y, pressure(points.Index(i)))
		}
		c.changed()
	})
	end := func(cancel bool) func(e js.Value) {
		return func(e js.Value) {
			if !c.pressing || e.Get("pointerId").Int() != c.pointer {
				return
			}
			c.pressing, c.pointer = false, -1
			if cancel {
				c.board.Cancel()
			} else {
				c.board.Up()
			}
			c.changed()
		}
	}
	on("pointerup", end(false))
	on("pointercancel", end(true))
	on("pointerleave", func(js.Value) { c.inside = false })

	// The box changes size with the page; ebiten looks when the window does.
	resized := c.handle(func(js.Value, []js.Value) any {
		js.Global().Call("dispatchEvent", js.Global().Get("Event").New("resize"))
		c.Redraw()
		return nil
	})
	js.Global().Get("ResizeObserver").New(resized).Call("observe", c.box)
}

// position is where an event is, in board pixels.
func (c *Canvas) position(e js.Value) (x, y float64) {
	r := c.box.Call("getBoundingClientRect")
	left, top := r.Get("left").Float()+c.box.Get("clientLeft").Float(), r.Get("top").Float()+c.box.Get("clientTop").Float()
	return (e.Get("clientX").Float() - left) / c.box.Get("clientWidth").Float() * board.Side,
		(e.Get("clientY").Float() - top) / c.box.Get("clientHeight").Float() * board.Side
}

// pressure is the pen's, and a half for what has none.
func pressure(e js.Value) float64 {
	if e.Get("pointerType").String() == "pen" {
		return e.Get("pressure").Float()
	}
	return .5
}

func (c *Canvas) changed() {
	if c.onChange != nil {
		c.onChange()
	}
}

// Redraw shows the board as it is now.
func (c *Canvas) Redraw() { ebiten.ScheduleFrame() }

// Refresh redraws although the board's version is the same: an opacity changed.
func (c *Canvas) Refresh() {
	c.drawn = -1
	c.Redraw()
}

// Run shows the board until the page ends.
func (c *Canvas) Run() error {
	ebiten.SetFPSMode(ebiten.FPSModeVsyncOffMinimum) // a still board costs nothing
	return ebiten.RunGameWithOptions(c, &ebiten.RunGameOptions{InitUnfocused: true, ScreenTransparent: true})
}

// Update implements ebiten.Game; all changes come through events.
func (c *Canvas) Update() error { return nil }

// Layout implements ebiten.Game: one pixel of the canvas is one of the screen.
func (c *Canvas) Layout(w, h int) (int, int) {
	f := ebiten.Monitor().DeviceScaleFactor()
	return max(int(math.Round(float64(w)*f)), 1), max(int(math.Round(float64(h)*f)), 1)
}

// Draw implements ebiten.Game.
func (c *Canvas) Draw(screen *ebiten.Image) {
	if c.picture == nil {
		c.picture = ebiten.NewImage(board.Side, board.Side)
	}
	if v := c.board.Version(); v != c.drawn {
		c.board.Compose(c.pixels, c.MaskOpacity)
		c.picture.WritePixels(c.pixels)
		c.drawn = v
	}
	scale := float64(screen.Bounds().Dx()) / board.Side
	var o ebiten.DrawImageOptions
	o.GeoM.Scale(scale, scale)
	screen.DrawImage(c.picture, &o)
	if c.inside && c.board.Tool() != board.Bucket {
		r := float32(math.Max(c.board.Size()/2*scale, 2))
		vector.StrokeCircle(screen, float32(c.x*scale), float32(c.y*scale), r+1, 1, color.White, true)
		vector.StrokeCircle(screen, float32(c.x*scale), float32(c.y*scale), r, 1, color.Black, true)
	}
}
