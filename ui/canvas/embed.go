//go:build js

package canvas

import (
	"fmt"
	"math"
	"syscall/js"

	"github.com/hajimehoshi/ebiten/v2"
)

// Ebiten 2.8 takes the whole page: as soon as its package is loaded it appends
// its canvas to the body and styles body and root (black, no margins, full
// height); its canvas is as large as the body; it keeps keys, wheel and mouse
// for itself, in positions that only fit a canvas in the window's corner; and a
// lost WebGL context reloads the page. So here
//   - the styles are put back and the canvas is taken out of the body at once;
//   - the body tells box's size where ebiten asks for the body's;
//   - the canvas is no target of pointers and keys: box takes them;
//   - the loss of the context ends at box.

// ebitenCanvas is what ebiten made when its package was loaded.
var ebitenCanvas js.Value

// styles are the page's own inline styles of body and root.
var styles pageStyles

type pageStyles struct{ body, root js.Value }

func init() {
	document := js.Global().Get("document")
	styles = pageStyles{body: document.Get("body").Get("style"), root: document.Get("documentElement").Get("style")}
	styles.restore()
	ebitenCanvas = document.Call("querySelector", "body > canvas:last-of-type")
	ebitenCanvas.Call("remove")
	ebitenCanvas.Call("removeAttribute", "tabindex")
	fill(ebitenCanvas)
}

// restore removes what ebiten sets on body and root. The page styles them in
// its sheet, since inline styles are refused by its policy anyway.
func (s pageStyles) restore() {
	for _, name := range []string{"background-color", "height", "margin", "padding"} {
		s.body.Call("removeProperty", name)
		s.root.Call("removeProperty", name)
	}
}

// set sets an inline style through the object model, which a strict policy
// allows.
func set(element js.Value, name, value string) { element.Get("style").Set(name, value) }

// fill makes a canvas cover its box and lets the pointer through to it.
func fill(canvas js.Value) {
	canvas.Call("setAttribute", "aria-hidden", "true")
	for name, value := range map[string]string{
		"position": "absolute", "inset": "0", "width": "100%", "height": "100%", "display": "block", "pointerEvents": "none",
	} {
		set(canvas, name, value)
	}
}

// embed puts ebiten's canvas into c's box and keeps it at its size.
func embed(c *Canvas) {
	set(c.box, "touchAction", "none") // a finger draws and does not scroll
	set(c.box, "userSelect", "none")
	set(c.box, "cursor", "none")
	c.box.Call("appendChild", ebitenCanvas)

	window, body := js.Global(), js.Global().Get("document").Get("body")
	define := window.Get("Object").Get("defineProperty")
	fit := func() {
		// Ebiten multiplies the size by the pixel ratio that it found first. It is
		// another one after the page's zoom or the screen has changed.
		ratio := window.Get("devicePixelRatio").Float() / ebiten.Monitor().DeviceScaleFactor()
		for _, name := range []string{"clientWidth", "clientHeight"} {
			size := math.Max(1, c.box.Get(name).Float()*ratio)
			define.Invoke(body, name, map[string]any{"value": size, "configurable": true})
		}
	}
	fit()
	resized := js.FuncOf(func(js.Value, []js.Value) any {
		if c.plain.Truthy() {
			return nil // ebiten has no context to make a new screen in
		}
		fit()
		// Ebiten looks at the size only when the window changes.
		window.Call("dispatchEvent", window.Get("Event").New("resize"))
		c.Redraw()
		return nil
	})
	window.Get("ResizeObserver").New(resized).Call("observe", c.box)
	onRatio(resized)

	gone := js.FuncOf(func(_ js.Value, args []js.Value) any {
		args[0].Call("stopImmediatePropagation")
		if err := c.goPlain(); err != nil {
			window.Get("console").Call("error", err.Error())
		}
		return nil
	})
	c.box.Call("addEventListener", "webglcontextlost", gone, true)
}

// onRatio calls changed whenever the number of screen pixels per CSS pixel does.
func onRatio(changed js.Func) {
	window := js.Global()
	var watch func()
	again := js.FuncOf(func(js.Value, []js.Value) any {
		changed.Invoke()
		watch()
		return nil
	})
	watch = func() {
		query := fmt.Sprintf("(resolution: %gdppx)", window.Get("devicePixelRatio").Float())
		window.Call("matchMedia", query).Call("addEventListener", "change", again, map[string]any{"once": true})
	}
	watch()
}
