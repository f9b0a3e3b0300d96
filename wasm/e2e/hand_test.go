package e2e

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"time"

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
	p.board()
	kind := input.DispatchTouchEventType("touchStart")
	for _, s := range spots {
		p.touch("#board", kind, s)
		kind = "touchMove"
	}
	p.touch("#board", "touchEnd")
}

// touch sends one event of the fingers that are on an element, in parts of its
// width and height.
func (p *page) touch(selector string, kind input.DispatchTouchEventType, fingers ...spot) {
	p.t.Helper()
	x, y, w, h := p.rect(selector)
	points := []*input.TouchPoint{}
	for i, s := range fingers {
		points = append(points, &input.TouchPoint{X: x + s.x*w, Y: y + s.y*h, ID: new(float64(i))})
	}
	_, err := chromedp.Call(p.ctx, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: kind, TouchPoints: points})
	require.NoError(p.t, err)
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

// click presses the middle of an element that is to be seen. chromedp's own click
// reads the whole document first, which in a page of one file holds all networks.
func (p *page) click(selector string) {
	p.t.Helper()
	p.press(selector, 1)
}

// doubleClick is two clicks at the same place.
func (p *page) doubleClick(selector string) {
	p.t.Helper()
	p.press(selector, 2)
}

func (p *page) press(selector string, clicks int64) {
	p.t.Helper()
	var at []float64
	require.Eventually(p.t, func() bool {
		at = eval[[]float64](p, `(() => {
			const e = document.querySelector(%q);
			if (!e?.checkVisibility()) return [];
			e.scrollIntoViewIfNeeded();
			const r = e.getClientRects()[0];
			return r.width && r.height ? [r.left + r.width / 2, r.top + r.height / 2] : [];
		})()`, selector)
		return len(at) == 2
	}, time.Minute, 20*time.Millisecond, "%s is not to be seen", selector)
	for n := range clicks {
		for _, kind := range []input.DispatchMouseEventType{"mouseMoved", "mousePressed", "mouseReleased"} {
			_, err := chromedp.Call(p.ctx, input.DispatchMouseEvent, input.DispatchMouseEventParams{
				Type: kind, X: at[0], Y: at[1], Button: "left", ClickCount: 1 + n,
			})
			require.NoError(p.t, err)
		}
	}
}

// enter presses Enter as a keyboard does: chromedp sends its letter apart, which
// then arrives although the page has used the key.
func (p *page) enter() { p.t.Helper(); p.pressEnter(false) }

// held is Enter as it comes again and again while it is held.
func (p *page) held() { p.t.Helper(); p.pressEnter(true) }

func (p *page) pressEnter(again bool) {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, input.DispatchKeyEvent, input.DispatchKeyEventParams{
		Type: "keyDown", Key: "Enter", Code: "Enter", WindowsVirtualKeyCode: 13, Text: "\r", AutoRepeat: &again,
	})
	require.NoError(p.t, err)
}
