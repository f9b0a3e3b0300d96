package board

import "math"

// Device is what a pointer is.
type Device int

const (
	Mouse Device = iota
	Pen
	Touch
)

// Pointer is where a mouse, pen or finger is, in parts of the window.
type Pointer struct {
	ID       int
	Device   Device
	U, W     float64
	Pressure float64 // 0 to 1; 0.5 for what has none
	Pan      bool    // pressed to move the board: middle button, or with the space key
	Eraser   bool    // the pen's other end
}

// Hand turns what pointers do into strokes, and into moves of the view: one
// pointer draws, two fingers move and zoom, and a pen in use rules out fingers,
// which are then the palm's.
type Hand struct {
	Board *Board
	View  *Viewport

	doing   doing
	id      int        // of the pointer that draws or pans
	device  Device     // of it
	at      [2]float64 // where it was last
	way     float64    // how far it has moved, in parts of the window
	back    Tool       // in hand again after a stroke with the pen's eraser
	borrow  bool       // back counts
	fingers []finger   // on the board and in play, two at most
	penNear bool       // a pen is on or over the board
}

type doing int

const (
	nothing doing = iota
	drawing
	panning
	pinching
	resting // after a pinch, until all fingers are up
)

type finger struct {
	id   int
	u, w float64
}

// early is how far a finger may have drawn for a second one to still make it a
// pinch: a stroke that is longer is meant.
const early = .04

// Down is a pointer pressed; true when it begins to draw.
func (h *Hand) Down(p Pointer) bool {
	if p.Device == Touch {
		return h.touch(p)
	}
	if p.Device == Pen {
		h.penNear = true
		if h.doing != nothing && h.device == Touch {
			h.cancel() // it was the palm
			h.fingers = nil
		}
	}
	if h.doing != nothing {
		return false
	}
	h.take(p)
	if p.Pan {
		h.doing = panning
		return false
	}
	h.stroke(p)
	return true
}

// take makes p the pointer that counts.
func (h *Hand) take(p Pointer) {
	h.id, h.device, h.at, h.way = p.ID, p.Device, [2]float64{p.U, p.W}, 0
}

func (h *Hand) stroke(p Pointer) {
	h.doing = drawing
	if h.borrow = p.Eraser; h.borrow {
		h.back = h.Board.Tool()
		h.Board.SetTool(Eraser)
	}
	x, y := h.View.ToBoard(p.U, p.W)
	h.Board.Down(x, y, p.Pressure)
}

// touch is a finger put down.
func (h *Hand) touch(p Pointer) bool {
	busy := h.doing != nothing && h.device != Touch
	if h.penNear || busy || len(h.fingers) == 2 || h.doing == resting || h.doing == drawing && h.way > early {
		return false
	}
	h.fingers = append(h.fingers, finger{p.ID, p.U, p.W})
	if len(h.fingers) == 2 {
		h.cancel()
		h.doing = pinching
		return false
	}
	h.take(p)
	h.stroke(p)
	return true
}

// Move is a pressed or hovering pointer moved; true when it has drawn.
func (h *Hand) Move(p Pointer) bool {
	switch {
	case h.doing == pinching:
		h.pinch(p)
	case h.doing == nothing || h.doing == resting || p.ID != h.id:
	case h.doing == panning:
		h.View.Pan(p.U-h.at[0], p.W-h.at[1])
		h.at = [2]float64{p.U, p.W}
	case h.doing == drawing:
		h.way += math.Hypot(p.U-h.at[0], p.W-h.at[1])
		h.at = [2]float64{p.U, p.W}
		if h.device == Touch {
			h.fingers[0] = finger{p.ID, p.U, p.W} // from here a pinch would begin
		}
		x, y := h.View.ToBoard(p.U, p.W)
		h.Board.Move(x, y, p.Pressure)
		return true
	}
	return false
}

// pinch moves and zooms as two fingers do: what is under them stays there.
func (h *Hand) pinch(p Pointer) {
	for i := range h.fingers {
		if h.fingers[i].id != p.ID {
			continue
		}
		other := h.fingers[1-i]
		was, is := h.fingers[i], finger{p.ID, p.U, p.W}
		h.fingers[i] = is
		h.View.Pan((is.u-was.u)/2, (is.w-was.w)/2)
		before, after := math.Hypot(was.u-other.u, was.w-other.w), math.Hypot(is.u-other.u, is.w-other.w)
		if before > 0 && after > 0 {
			h.View.ZoomAt((is.u+other.u)/2, (is.w+other.w)/2, after/before)
		}
	}
}

// Up is a pointer let go; true when that ended a stroke.
func (h *Hand) Up(id int) bool { return h.end(id, h.Board.Up) }

// Cancel is a pointer that the system took for something else; true when that
// took a stroke back.
func (h *Hand) Cancel(id int) bool { return h.end(id, h.Board.Cancel) }

func (h *Hand) end(id int, finish func()) bool {
	for i, f := range h.fingers {
		if f.id == id {
			h.fingers = append(h.fingers[:i], h.fingers[i+1:]...)
			break
		}
	}
	switch {
	case h.doing == pinching || h.doing == resting:
		// With both fingers still down it was another pointer.
		h.doing = [...]doing{nothing, resting, pinching}[len(h.fingers)]
	case h.doing != nothing && id == h.id:
		ended := h.doing == drawing
		h.doing = nothing
		if ended {
			finish()
			h.giveBack()
		}
		return ended
	}
	return false
}

// cancel takes back the stroke in progress and stops whatever goes on.
func (h *Hand) cancel() {
	if h.doing == drawing {
		h.Board.Cancel()
		h.giveBack()
	}
	h.doing = nothing
}

func (h *Hand) giveBack() {
	if h.borrow {
		h.borrow = false
		h.Board.SetTool(h.back)
	}
}

// Hover is a pointer over the board, pressed or not.
func (h *Hand) Hover(d Device) {
	if d == Pen {
		h.penNear = true
	}
}

// Leave is a pointer out of reach.
func (h *Hand) Leave(d Device) {
	if d == Pen {
		h.penNear = false
	}
}

// Busy tells whether a pointer draws or moves the view.
func (h *Hand) Busy() bool { return h.doing != nothing }

// Zooming tells whether two fingers do.
func (h *Hand) Zooming() bool { return h.doing == pinching }

// Panning tells whether a pointer moves the view.
func (h *Hand) Panning() bool { return h.doing == panning }
