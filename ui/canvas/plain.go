//go:build js

package canvas

import (
	"errors"
	"fmt"
	"syscall/js"

	"github.com/mcdm/mcdm/ui/board"
)

// goPlain replaces ebiten's canvas by one with a 2D context. cause is why ebiten
// did not start, or nil when its WebGL context was lost: then its loop is left
// without work, since an ended one panics at the next change of the window.
func (c *Canvas) goPlain(cause error) error {
	canvas := js.Global().Get("document").Call("createElement", "canvas")
	canvas.Set("width", board.Side)
	canvas.Set("height", board.Side)
	fill(canvas)
	plain := canvas.Call("getContext", "2d")
	if !plain.Truthy() {
		return errors.Join(cause, fmt.Errorf("canvas: the browser gives neither a WebGL nor a 2D canvas: the board cannot be shown"))
	}
	ebitenCanvas.Call("remove")
	c.box.Call("appendChild", canvas)
	set(c.box, "cursor", "crosshair")
	c.plain = plain
	c.drawn = -1
	c.drawPlain()
	return nil
}

// drawPlain shows the board on the 2D canvas, which the page scales.
func (c *Canvas) drawPlain() {
	if !c.compose() {
		return
	}
	pixels := js.Global().Get("Uint8ClampedArray").New(len(c.frame.Pix))
	js.CopyBytesToJS(pixels, c.frame.Pix)
	c.plain.Call("putImageData", js.Global().Get("ImageData").New(pixels, board.Side, board.Side), 0, 0)
}
