//go:build js

package canvas

import (
	"syscall/js"

	"github.com/mcdm/mcdm/ui/board"
)

// listen draws with the pointer events of the box. They carry pressure and all
// points between two frames, which ebiten does not offer (ebiten issue 2121).
func (c *Canvas) listen() {
	c.on("pointerdown", func(e js.Value) {
		c.hover(e)
		if c.pressing || e.Get("button").Int() != 0 {
			return
		}
		c.pressing, c.pointer = true, e.Get("pointerId").Int()
		c.box.Call("setPointerCapture", c.pointer)
		x, y := c.position(e)
		c.board.Down(x, y, pressure(e))
		c.changed()
	})
	c.on("pointermove", func(e js.Value) {
		if c.pressing && e.Get("pointerId").Int() != c.pointer {
			return
		}
		c.hover(e)
		if c.pressing {
			points := coalesced(e)
			for i := range points.Length() {
				x, y := c.position(points.Index(i))
				c.board.Move(x, y, pressure(points.Index(i)))
			}
			c.changed()
		}
	})
	end := func(finish func()) func(e js.Value) {
		return func(e js.Value) {
			if c.pressing && e.Get("pointerId").Int() == c.pointer {
				c.pressing, c.pointer = false, -1
				finish()
				c.changed()
			}
		}
	}
	c.on("pointerup", end(c.board.Up))
	c.on("lostpointercapture", end(c.board.Up))
	c.on("pointercancel", end(c.board.Cancel))
	c.on("pointerleave", func(js.Value) { c.inside = false })
	// A long press of a finger or a pen's button would open a menu.
	c.on("contextmenu", func(e js.Value) { e.Call("preventDefault") })
}

func (c *Canvas) on(name string, f func(e js.Value)) {
	c.box.Call("addEventListener", name, js.FuncOf(func(_ js.Value, args []js.Value) any {
		f(args[0])
		c.Redraw()
		return nil
	}))
}

// hover remembers where the brush's ring is. The bucket has no size: it keeps
// the system's cursor.
func (c *Canvas) hover(e js.Value) {
	c.inside = true
	c.x, c.y = c.position(e)
	cursor := "none"
	if c.plain.Truthy() || c.board.Tool() == board.Bucket {
		cursor = "crosshair"
	}
	set(c.box, "cursor", cursor)
}

// coalesced lists the positions since the last event: browsers send one event
// a frame, mice and pens have more.
func coalesced(e js.Value) js.Value {
	if e.Get("getCoalescedEvents").Type() == js.TypeFunction {
		if points := e.Call("getCoalescedEvents"); points.Length() > 0 {
			return points
		}
	}
	return js.Global().Get("Array").Call("of", e)
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
