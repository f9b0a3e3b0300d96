package e2e

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// spot is a place on the board: 0, 0 is its upper left corner, 1, 1 the lower
// right one.
type spot struct{ x, y float64 }

// rect is where an element lies in the window, borders left out, in CSS pixels.
func (p *page) rect(selector string) (x, y, w, h float64) {
	p.t.Helper()
	r := eval[[]float64](p, `(() => {
		const e = document.querySelector(%q), r = e.getBoundingClientRect();
		return [r.left + e.clientLeft, r.top + e.clientTop, e.clientWidth, e.clientHeight];
	})()`, selector)
	require.Len(p.t, r, 4)
	return r[0], r[1], r[2], r[3]
}

// draw moves the mouse over the board with its button down.
func (p *page) draw(spots ...spot) {
	p.t.Helper()
	x, y, w, h := p.board()
	send := func(kind input.DispatchMouseEventType, s spot, button input.MouseButton, buttons int64) {
		_, err := chromedp.Call(p.ctx, input.DispatchMouseEvent, input.DispatchMouseEventParams{
			Type: kind, X: x + s.x*w, Y: y + s.y*h, Button: button, Buttons: buttons, ClickCount: 1,
		})
		require.NoError(p.t, err)
	}
	send("mouseMoved", spots[0], "none", 0)
	send("mousePressed", spots[0], "left", 1)
	for _, s := range spots[1:] {
		send("mouseMoved", s, "left", 1)
	}
	send("mouseReleased", spots[len(spots)-1], "left", 0)
	send("mouseMoved", spot{0.02, 0.02}, "none", 0) // the brush's ring out of sight
}

// board is where the board lies in the window, into which it is scrolled, as a
// person does before drawing.
func (p *page) board() (x, y, w, h float64) {
	p.t.Helper()
	eval[bool](p, `document.getElementById("board").scrollIntoView({block: "nearest"}), true`)
	return p.rect("#board")
}

// finger draws on the board by touch.
func (p *page) finger(spots ...spot) {
	p.t.Helper()
	x, y, w, h := p.board()
	send := func(kind input.DispatchTouchEventType, at ...*input.TouchPoint) {
		if at == nil {
			at = []*input.TouchPoint{}
		}
		_, err := chromedp.Call(p.ctx, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: kind, TouchPoints: at})
		require.NoError(p.t, err)
	}
	for i, s := range spots {
		kind := input.DispatchTouchEventType("touchMove")
		if i == 0 {
			kind = "touchStart"
		}
		send(kind, &input.TouchPoint{X: x + s.x*w, Y: y + s.y*h})
	}
	send("touchEnd")
}

// window is what the browser shows.
func (p *page) window() image.Image {
	p.t.Helper()
	data, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	require.NoError(p.t, err)
	img, err := png.Decode(bytes.NewReader(data))
	require.NoError(p.t, err)
	return img
}

// seen is what the window shows at a spot of the board.
func (p *page) seen(s spot) color.RGBA {
	p.t.Helper()
	x, y, w, h := p.board()
	img := p.window()
	ratio := eval[float64](p, "devicePixelRatio")
	at := image.Pt(int((x+s.x*w)*ratio), int((y+s.y*h)*ratio))
	require.True(p.t, at.In(img.Bounds()), fmt.Sprint(at, img.Bounds()))
	return color.RGBAModel.Convert(img.At(at.X, at.Y)).(color.RGBA)
}

func (p *page) click(selector string) {
	p.t.Helper()
	p.run(chromedp.Click(selector))
}

// enter presses Enter as a keyboard does: chromedp sends its letter apart, which
// then arrives although the page has used the key.
func (p *page) enter() {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, input.DispatchKeyEvent, input.DispatchKeyEventParams{
		Type: "keyDown", Key: "Enter", Code: "Enter", WindowsVirtualKeyCode: 13, Text: "\r",
	})
	require.NoError(p.t, err)
}
