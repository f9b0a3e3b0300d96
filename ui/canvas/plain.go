//go:build js

package canvas

import (
	"errors"
	"fmt"
	"syscall/js"

	"github.com/mcdm/mcdm/ui/board"
	"github.com/mcdm/mcdm/ui/dom"
)

// goPlain replaces ebiten's canvas by one with a 2D context. Ebiten's loop, if
// it runs, is left without work.
func (c *Canvas) goPlain() error {
	canvas := dom.New("canvas", "")
	canvas.Set("width", board.Side)
	canvas.Set("height", board.Side)
	fill(canvas)
	set(canvas, "transformOrigin", "0 0")
	plain := canvas.Call("getContext", "2d")
	if !plain.Truthy() {
		return errors.New("canvas: the browser gives neither a WebGL nor a 2D canvas, so the board cannot be shown: enable hardware acceleration or use another browser")
	}
	ebitenCanvas.Call("remove")
	c.box.Call("appendChild", canvas)
	c.plain, c.plainStyle = plain, canvas.Get("style")
	c.cursor()
	c.drawn = -1
	c.drawPlain()
	return nil
}

// drawPlain shows the board on the 2D canvas, which the page scales.
func (c *Canvas) drawPlain() {
	u, v := c.Viewport.ToWindow(0, 0)
	c.plainStyle.Set("transform", fmt.Sprintf("translate(%g%%, %g%%) scale(%g)", 100*u, 100*v, c.Viewport.Zoom()))
	if !c.compose() {
		return
	}
	pixels := js.Global().Get("Uint8ClampedArray").New(len(c.frame.Pix))
	js.CopyBytesToJS(pixels, c.frame.Pix)
	c.plain.Call("putImageData", js.Global().Get("ImageData").New(pixels, board.Side, board.Side), 0, 0)
}
