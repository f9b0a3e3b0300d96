//go:build js

package dom

import (
	"math"
	"syscall/js"
)

// Turn is how far a wheel was turned, in pixels of the page; above 0: to scroll down.
func Turn(wheel js.Value) float64 {
	turn := wheel.Get("deltaY").Float()
	switch wheel.Get("deltaMode").Int() { // Firefox counts in lines
	case 1:
		turn *= 33
	case 2:
		turn *= 300
	}
	return turn
}

// Zoom is the factor by which a turn of the wheel enlarges. A pinch on a touchpad
// comes as a wheel with Ctrl, which turns less.
func Zoom(wheel js.Value) float64 {
	speed := 1. / 400
	if wheel.Get("ctrlKey").Bool() {
		speed = 1. / 100
	}
	return math.Exp(-max(-400, min(400, Turn(wheel))) * speed)
}

// OnGesture calls zoom with the factors of a touchpad's pinch, which Safari tells in
// events of its own. Two fingers on a screen give them too, beside the pointers' events.
func OnGesture(e js.Value, zoom func(event js.Value, factor float64)) {
	before := 1.
	On(e, "gesturestart", func(event js.Value) {
		event.Call("preventDefault")
		before = 1
	})
	On(e, "gesturechange", func(event js.Value) {
		event.Call("preventDefault")
		scale := event.Get("scale").Float()
		zoom(event, scale/before)
		before = scale
	})
}

// Capture makes a pointer's events go to an element wherever it moves. One that is
// gone already cannot be captured, which is no harm.
func Capture(e js.Value, pointer int) {
	defer func() {
		if r := recover(); r != nil {
			if _, fromBrowser := r.(js.Error); !fromBrowser {
				panic(r)
			}
		}
	}()
	e.Call("setPointerCapture", pointer)
}
