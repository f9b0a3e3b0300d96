package board

import "math"

// MaxZoom is how many times the board can be enlarged: a pixel of it is then an
// eighth of the window.
const MaxZoom = 16

// Viewport is the part of the board that the window shows. Places in the window
// are parts of its width and height, 0 to 1, so that it may have any size and
// change it.
type Viewport struct {
	x, y float64 // the board's point in the window's upper left corner
	zoom float64 // 1 shows the whole board; 0, the zero value, too
}

// Zoom is how many times the board is enlarged.
func (v *Viewport) Zoom() float64 { return math.Max(1, v.zoom) }

// ToBoard gives the board's point at a place in the window.
func (v *Viewport) ToBoard(u, w float64) (x, y float64) {
	return v.x + u*Side/v.Zoom(), v.y + w*Side/v.Zoom()
}

// ToWindow gives the place in the window of a point of the board.
func (v *Viewport) ToWindow(x, y float64) (u, w float64) {
	return (x - v.x) / Side * v.Zoom(), (y - v.y) / Side * v.Zoom()
}

// Fit shows the whole board.
func (v *Viewport) Fit() { *v = Viewport{} }

// ZoomAt enlarges by a factor; the board's point at a place in the window stays
// there, as far as the board's edges allow.
func (v *Viewport) ZoomAt(u, w, factor float64) {
	if !finite(u) || !finite(w) || !finite(factor) {
		return
	}
	x, y := v.ToBoard(u, w)
	v.zoom = math.Max(1, math.Min(MaxZoom, v.Zoom()*factor))
	// The sum of many small turns of a wheel comes back to the whole board. On the way
	// in small ones must add up: a slow pinch has no others.
	if factor < 1 && v.zoom < 1.005 {
		v.zoom = 1
	}
	v.x, v.y = x-u*Side/v.zoom, y-w*Side/v.zoom
	v.clamp()
}

// Pan moves the board in the window.
func (v *Viewport) Pan(du, dw float64) {
	if !finite(du) || !finite(dw) {
		return
	}
	v.x -= du * Side / v.Zoom()
	v.y -= dw * Side / v.Zoom()
	v.clamp()
}

// clamp keeps the window full of board.
func (v *Viewport) clamp() {
	most := Side - Side/v.Zoom()
	v.x = math.Max(0, math.Min(most, v.x))
	v.y = math.Max(0, math.Min(most, v.y))
}
