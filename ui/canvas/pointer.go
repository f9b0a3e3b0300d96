//go:build js

package canvas

import (
	"syscall/js"

	"github.com/mcdm/mcdm/ui/board"
	"github.com/mcdm/mcdm/ui/dom"
)

// listen draws with the pointer events of the box. They carry pressure and all
// points between two frames, which ebiten does not offer (ebiten issue 2121).
func (c *Canvas) listen() {
	c.on("pointerdown", func(e js.Value) {
		button := e.Get("button").Int()
		p := c.pointer(e)
		p.Eraser = p.Device == board.Pen && button == 5
		p.Pan = button == 1 || c.space && p.Device != board.Touch
		c.hover(p)
		if button > 1 && !p.Eraser {
			return
		}
		stroke := c.board.Drawing()
		drawn := c.hand.Down(p)
		if c.hand.Busy() {
			dom.Capture(c.box, p.ID)
		}
		if drawn || stroke && !c.board.Drawing() { // a second finger takes the first one's stroke back
			c.changed()
		}
		c.cursor()
	})
	c.on("pointermove", func(e js.Value) {
		points := coalesced(e)
		rect := c.rect()
		for i := range points.Length() {
			c.hand.Move(c.pointerIn(points.Index(i), rect))
		}
		c.hover(c.pointerIn(e, rect))
		if c.hand.Zooming() {
			c.looked()
		}
	})
	end := func(finish func(id int) bool) func(e js.Value) {
		return func(e js.Value) {
			if finish(e.Get("pointerId").Int()) {
				c.changed()
			}
			c.cursor()
		}
	}
	c.on("pointerup", end(c.hand.Up))
	c.on("lostpointercapture", end(c.hand.Up))
	c.on("pointercancel", end(c.hand.Cancel))
	c.on("pointerleave", func(e js.Value) {
		c.inside = false
		c.hand.Leave(device(e))
	})
	// Windows scrolls by the middle button.
	c.on("mousedown", func(e js.Value) {
		if e.Get("button").Int() == 1 {
			e.Call("preventDefault")
		}
	})
	// A long press of a finger or a pen's button would open a menu.
	c.on("contextmenu", func(e js.Value) { e.Call("preventDefault") })
	c.on("wheel", c.wheel, map[string]any{"passive": false})
	dom.OnGesture(c.box, c.zoom)
	c.keys()
}

// wheel zooms where the pointer is; with Ctrl it changes the brush's size.
func (c *Canvas) wheel(e js.Value) {
	turn := dom.Turn(e)
	pinch := e.Get("ctrlKey").Bool() && !c.control // a pinch on a touchpad comes as such a wheel
	if e.Get("ctrlKey").Bool() && !pinch {
		e.Call("preventDefault")
		c.turned += turn
		if n := int(c.turned / 50); n != 0 && c.OnSize != nil {
			c.turned -= float64(n) * 50
			c.OnSize(max(-4, min(4, -n)))
		}
		return
	}
	if c.Viewport.Zoom() == 1 && !pinch {
		// There is no way out: the page scrolls, and back too while one is at it.
		now := e.Get("timeStamp").Float()
		if turn > 0 || js.Global().Get("scrollY").Float() > 0 && now-c.scrolled < 1000 {
			c.scrolled = now
			return
		}
	}
	e.Call("preventDefault")
	c.zoom(e, dom.Zoom(e))
}

// zoom enlarges where the pointer is, unless a hand does something else: two fingers
// on a screen are its own.
func (c *Canvas) zoom(e js.Value, factor float64) {
	if c.hand.Busy() {
		return
	}
	p := c.pointer(e)
	c.Viewport.ZoomAt(p.U, p.W, factor)
	c.Redraw()
	c.looked()
}

// keys follows the space bar, with which a drag moves the board, and Control.
// Both count only while the pointer is over the board; text fields keep the
// space bar, and so does all else for who goes on by Tab and leaves the mouse there.
func (c *Canvas) keys() {
	key := func(down bool) func(e js.Value) {
		return func(e js.Value) {
			switch k := e.Get("key"); {
			case k.Type() != js.TypeString: // a field filled in by the browser
			case k.String() == "Control":
				c.control = down
			case k.String() == "Tab":
				c.inside = false
				c.Redraw() // without the ring
			case k.String() == " ":
				if down && (!c.inside || dom.Typing(e.Get("target"))) || !down && !c.space {
					return
				}
				// No scrolling, and no press of the button that was used last.
				e.Call("preventDefault")
				c.space = down
				c.cursor()
			}
		}
	}
	dom.On(js.Global(), "keydown", key(true))
	dom.On(js.Global(), "keyup", key(false))
	dom.On(js.Global(), "blur", func(js.Value) { c.space, c.control = false, false })
}

func (c *Canvas) on(name string, f func(e js.Value), options ...any) {
	dom.On(c.box, name, func(e js.Value) {
		f(e)
		c.Redraw()
	}, options...)
}

// hover remembers where the brush's ring is.
func (c *Canvas) hover(p board.Pointer) {
	c.inside = true
	c.u, c.w = p.U, p.W
	c.hand.Hover(p.Device)
	c.cursor()
}

// cursor is none where the ring shows the brush; the bucket has no size, it
// keeps the system's.
func (c *Canvas) cursor() {
	name := "none"
	switch {
	case c.hand.Panning():
		name = "grabbing"
	case c.space:
		name = "grab"
	case c.plain.Truthy() || c.board.Tool() == board.Bucket:
		name = "crosshair"
	}
	if name != c.shape {
		c.shape = name
		set(c.box, "cursor", name)
	}
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

// rect is the inside of the box in the window: left, top, width, height in CSS
// pixels.
func (c *Canvas) rect() [4]float64 {
	r := c.box.Call("getBoundingClientRect")
	return [4]float64{
		r.Get("left").Float() + c.box.Get("clientLeft").Float(), r.Get("top").Float() + c.box.Get("clientTop").Float(),
		c.box.Get("clientWidth").Float(), c.box.Get("clientHeight").Float(),
	}
}

func (c *Canvas) pointer(e js.Value) board.Pointer { return c.pointerIn(e, c.rect()) }

func (c *Canvas) pointerIn(e js.Value, r [4]float64) board.Pointer {
	p := board.Pointer{
		Device: device(e), Pressure: .5,
		U: (e.Get("clientX").Float() - r[0]) / r[2], W: (e.Get("clientY").Float() - r[1]) / r[3],
	}
	if id := e.Get("pointerId"); id.Type() == js.TypeNumber {
		p.ID = id.Int()
	}
	if p.Device == board.Pen {
		p.Pressure = e.Get("pressure").Float()
	}
	return p
}

func device(e js.Value) board.Device {
	switch kind := e.Get("pointerType"); {
	case kind.Type() != js.TypeString: // a wheel's event
	case kind.String() == "pen":
		return board.Pen
	case kind.String() == "touch":
		return board.Touch
	}
	return board.Mouse
}

func (c *Canvas) changed() {
	if c.onChange != nil {
		c.onChange()
	}
}

// looked follows a change of what part of the board is seen.
func (c *Canvas) looked() {
	if c.OnLook != nil {
		c.OnLook()
	}
}
