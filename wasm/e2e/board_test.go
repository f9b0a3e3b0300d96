package e2e

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/image/draw"

	"github.com/mcdm/mcdm/ui/recipe"
	"github.com/mcdm/mcdm/weights/dataset/examples"
)

// mouse sends one event of the mouse at a spot of the board.
func (p *page) mouse(e input.DispatchMouseEventParams, s spot) {
	p.t.Helper()
	x, y, w, h := p.board()
	e.X, e.Y = x+s.x*w, y+s.y*h
	_, err := chromedp.Call(p.ctx, input.DispatchMouseEvent, e)
	require.NoError(p.t, err)
}

// wheel turns the mouse's wheel over the board; upwards is below 0.
func (p *page) wheel(s spot, turn float64, modifiers int64) {
	p.t.Helper()
	p.mouse(input.DispatchMouseEventParams{Type: "mouseWheel", DeltaX: 1e-6, DeltaY: turn, Modifiers: modifiers}, s)
	time.Sleep(150 * time.Millisecond)
}

func (p *page) attribute(id, name string) string {
	return eval[string](p, `document.getElementById(%q).getAttribute(%q) ?? ""`, id, name)
}

// A line is drawn, zoomed at, moved, mirrored, and the layers are weighed; also where
// the browser takes WebGL away.
func TestBoard(t *testing.T) {
	p := openAt(t, serve(t, small(t)), 1280, 900, 4*time.Minute)
	p.until("ready", 3*time.Minute)
	p.draw(spot{.2, .25}, spot{.6, .25})
	require.True(t, dark(p.seen(spot{.5, .25})))

	// The wheel zooms where the mouse is: that place stays, the rest moves out.
	for range 3 {
		p.wheel(spot{.5, .25}, -100, 0)
	}
	assert.Contains(t, p.attribute("fit", "aria-label"), "212%")
	assert.True(t, dark(p.seen(spot{.5, .25})))
	assert.True(t, dark(p.seen(spot{.7, .25})), "the line's end is at .5 + .1 * 2.1")
	assert.Equal(t, white, p.seen(spot{.75, .25}))
	// What is drawn now lies under the mouse, too.
	p.draw(spot{.3, .6}, spot{.8, .6})
	assert.True(t, dark(p.seen(spot{.6, .6})))
	p.screenshot("board-zoomed")

	// Dragged with the middle button, and with the space bar.
	p.mouse(input.DispatchMouseEventParams{Type: "mousePressed", Button: "middle", Buttons: 4, ClickCount: 1}, spot{.5, .5})
	p.mouse(input.DispatchMouseEventParams{Type: "mouseMoved", Button: "middle", Buttons: 4}, spot{.5, .6})
	p.mouse(input.DispatchMouseEventParams{Type: "mouseReleased", Button: "middle", ClickCount: 1}, spot{.5, .6})
	assert.True(t, dark(p.seen(spot{.6, .7})))
	p.click("#undo") // takes the focus, which the space bar must not press
	assert.Equal(t, white, p.seen(spot{.6, .7}))
	p.click("#redo")
	p.mouse(input.DispatchMouseEventParams{Type: "mouseMoved"}, spot{.5, .5})
	p.key("keyDown", " ", 32)
	p.draw(spot{.5, .7}, spot{.5, .6})
	p.key("keyUp", " ", 32)
	assert.True(t, dark(p.seen(spot{.6, .6})))
	assert.Equal(t, white, p.seen(spot{.5, .66}), "dragging draws nothing")

	// Who goes on by keys and leaves the mouse there has the space bar for switches.
	p.mouse(input.DispatchMouseEventParams{Type: "mouseMoved"}, spot{.5, .5})
	p.key("keyDown", "Tab", 9)
	p.run(chromedp.Focus("#use-sketch"))
	p.key("keyDown", " ", 32)
	p.key("keyUp", " ", 32)
	assert.False(t, eval[bool](p, `document.getElementById("use-sketch").checked`))
	p.click("#use-sketch")

	p.run(chromedp.KeyEvent("0"))
	assert.Equal(t, "Show the whole board", p.attribute("fit", "aria-label"))
	assert.True(t, dark(p.seen(spot{.4, .25})))

	// Ctrl and the wheel is the size.
	p.key("keyDown", "Control", 17)
	p.wheel(spot{.5, .5}, -100, 2)
	p.key("keyUp", "Control", 17)
	assert.Equal(t, "4", p.text("#size-out"))
	assert.True(t, eval[bool](p, `document.getElementById("fit").disabled`), "it does not zoom")

	// Who scrolls the page down over the board scrolls up again.
	p.run(chromedp.EmulateViewport(1280, 600))
	p.wheel(spot{.5, .5}, 100, 0)
	require.Eventually(t, func() bool { return eval[float64](p, "scrollY") > 0 }, 5*time.Second, 10*time.Millisecond)
	p.wheel(spot{.5, .5}, -300, 0)
	assert.True(t, eval[bool](p, `document.getElementById("fit").disabled`), "it zooms")
	require.Eventually(t, func() bool { return eval[float64](p, "scrollY") == 0 }, 5*time.Second, 10*time.Millisecond)
	p.run(chromedp.EmulateViewport(1280, 900))

	// Mirrored.
	p.run(chromedp.KeyEvent("m"))
	assert.Equal(t, "true", p.attribute("mirror", "aria-pressed"))
	p.draw(spot{.1, .8}, spot{.3, .9})
	assert.True(t, dark(p.seen(spot{.2, .85})))
	assert.True(t, dark(p.seen(spot{.8, .85})))
	p.screenshot("board-mirror")
	p.run(chromedp.KeyEvent("m"))

	// A pen pressed hard draws a thicker line than a mouse, and one hardly pressed
	// a thinner one.
	p.click("#undo")
	p.set("size", "6")
	for _, line := range []struct {
		y, force, width float64
	}{{.48, .02, 2}, {.55, .5, 6}, {.7, 1, 10}} {
		e := input.DispatchMouseEventParams{Type: "mousePressed", Button: "left", Buttons: 1, ClickCount: 1, Force: line.force, PointerType: "pen"}
		p.mouse(e, spot{.2, line.y})
		e.Type, e.ClickCount = "mouseMoved", 0
		p.mouse(e, spot{.5, line.y})
		p.mouse(e, spot{.8, line.y})
		p.mouse(input.DispatchMouseEventParams{Type: "mouseReleased", Button: "left", PointerType: "pen"}, spot{.8, line.y})
		half := line.width / 2 / side
		assert.True(t, dark(p.seen(spot{.6, line.y})), "force %g", line.force)
		assert.True(t, dark(p.seen(spot{.6, line.y + half - .006})), "force %g: too thin", line.force)
		assert.False(t, dark(p.seen(spot{.6, line.y + half + .008})), "force %g: too thick", line.force)
		p.click("#undo")
	}

	// Parts by number; opacity; one layer cleared.
	p.run(chromedp.KeyEvent("2"))
	assert.Equal(t, "true", p.attribute("label-hair", "aria-pressed"))
	assert.Equal(t, "true", p.attribute("tool-brush", "aria-pressed"))
	p.draw(spot{.4, .5}, spot{.6, .5})
	hair := p.seen(spot{.5, .5})
	p.set("opacity-mask", "20")
	assert.Greater(t, p.seen(spot{.5, .5}).G, hair.G)
	p.set("opacity-sketch", "50")
	assert.InDelta(t, 137, p.seen(spot{.4, .25}).R, 10)
	assert.Contains(t, p.text("#board-text"), "hair: 3% in the middle")
	p.click("#clear-sketch")
	assert.Equal(t, white, p.seen(spot{.4, .25}))
	assert.NotEqual(t, white, p.seen(spot{.5, .5}))
	assert.NotContains(t, p.text("#board-text"), "Lines")

	// Without WebGL the board goes on, with zoom and mirror.
	p.click("#clear")
	p.set("opacity-sketch", "100")
	p.run(chromedp.KeyEvent("p"))
	p.set("size", "2")
	p.draw(spot{.2, .25}, spot{.6, .25})
	eval[bool](p, `(document.querySelector("#board canvas").getContext("webgl2").getExtension("WEBGL_lose_context").loseContext(), true)`)
	require.Eventually(t, func() bool {
		return eval[bool](p, `document.querySelector("#board canvas").getContext("2d") !== null`)
	}, 10*time.Second, 100*time.Millisecond)
	assert.True(t, dark(p.seen(spot{.5, .25})), "what was drawn is gone")
	p.wheel(spot{.5, .25}, -300, 0)
	assert.True(t, dark(p.seen(spot{.7, .25})), "the line's end is at .5 + .1 * 2.1")
	assert.Equal(t, white, p.seen(spot{.75, .25}))
	p.run(chromedp.KeyEvent("0"), chromedp.KeyEvent("m"))
	p.draw(spot{.1, .8}, spot{.3, .8})
	assert.True(t, dark(p.seen(spot{.2, .8})))
	assert.True(t, dark(p.seen(spot{.8, .8})))
	p.set("opacity-sketch", "50")
	assert.InDelta(t, 137, p.seen(spot{.8, .8}).R, 25)
	p.screenshot("board-plain")
	p.quiet()
}

// Drawing stays smooth while a picture is sampled: what the page does with an
// event of the mouse takes no 50 ms.
func TestDrawingWhileSampling(t *testing.T) {
	p := studio(t, 1280, 900, 5*time.Minute)
	p.click("#example")
	p.alone("") // one network is faster than all
	p.set("steps", "1000")
	p.click("#generate")
	require.Eventually(t, func() bool { return strings.HasPrefix(p.text("#status"), "Step ") }, 2*time.Minute, 50*time.Millisecond)
	eval[bool](p, `(() => {
		globalThis.took = []; globalThis.tasks = []; globalThis.frames = [];
		let began = 0, last = 0;
		addEventListener("pointermove", () => began = performance.now(), true);
		addEventListener("pointermove", () => took.push(performance.now() - began)); // after the board
		const frame = (t) => { if (last) frames.push(t - last); last = t; if (document.getElementById("studio").dataset.state === "sampling") requestAnimationFrame(frame); };
		requestAnimationFrame(frame);
		new PerformanceObserver(l => l.getEntries().forEach(e => tasks.push(e.duration))).observe({type: "longtask"});
		return true;
	})()`)
	var way []spot
	for i := range 60 {
		a := float64(i) / 12
		way = append(way, spot{.5 + .3*math.Cos(a), .5 + .3*math.Sin(a)})
	}
	p.draw(way...)
	require.Equal(t, "sampling", p.state())
	took, frames := eval[[]float64](p, "took"), eval[[]float64](p, "frames")
	require.Greater(t, len(took), 30)
	require.Greater(t, len(frames), 10)
	slices.Sort(took)
	slices.Sort(frames)
	t.Logf("%d moves: median %.1f ms, longest %.1f; between frames: median %.0f ms, 95%% %.0f, longest %.0f; tasks over 50 ms: %.0f",
		len(took), took[len(took)/2], took[len(took)-1], frames[len(frames)/2], frames[len(frames)*95/100], frames[len(frames)-1], eval[[]float64](p, "tasks"))
	assert.Less(t, took[len(took)-1], 50.)
	// A picture is saved meanwhile, as it is.
	_, _, err := recipe.Read(p.savedAs(0))
	require.NoError(t, err)
	assert.Contains(t, p.text("#notice-text"), "64×64 pixels: it can be made larger when this run is over")
	p.click("#stop")
	p.until("ready", 20*time.Second)
	assert.True(t, dark(p.seen(spot{.2, .5})))
}

// key sends one event of a key, as long as it is held.
func (p *page) key(kind input.DispatchKeyEventType, key string, code int64) {
	p.t.Helper()
	e := input.DispatchKeyEventParams{Type: kind, Key: key, WindowsVirtualKeyCode: code}
	if key == " " {
		e.Code = "Space"
		if kind == "keyDown" {
			e.Text = " "
		}
	}
	_, err := chromedp.Call(p.ctx, input.DispatchKeyEvent, e)
	require.NoError(p.t, err)
}

// photo is a picture like a camera's: an oval face before a gray wall, with
// noise, in a file that is wider than high.
func photo() []byte {
	img := image.NewRGBA(image.Rect(0, 0, 800, 600))
	for y := range 600 {
		for x := range 800 {
			c := color.RGBA{120, 130, 140, 255}
			if math.Hypot(float64(x-400)/180, float64(y-300)/240) < 1 {
				c = color.RGBA{225, 180, 150, 255}
			}
			n := uint8((x*7 + y*13) % 5)
			img.SetRGBA(x, y, color.RGBA{c.R + n, c.G + n, c.B + n, 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// give drops a file on the page, or pastes it.
func (p *page) give(event, name, kind string, data []byte) {
	p.t.Helper()
	eval[bool](p, `(() => {
		const bytes = Uint8Array.from(atob(%q), c => c.charCodeAt(0));
		const data = new DataTransfer();
		data.items.add(new File([bytes], %q, {type: %q}));
		const of = {bubbles: true, cancelable: true};
		if (%q === "paste") document.body.dispatchEvent(new ClipboardEvent("paste", {...of, clipboardData: data}));
		else for (const kind of ["dragover", "drop"]) document.body.dispatchEvent(new DragEvent(kind, {...of, dataTransfer: data}));
		return true;
	})()`, base64.StdEncoding.EncodeToString(data), name, kind, event)
}

// A photo becomes a sketch, or the picture to start from; a drawing its lines.
func TestImport(t *testing.T) {
	p := studio(t, 1280, 900, 4*time.Minute)
	p.draw(spot{.1, .1}, spot{.3, .1})
	hidden := func(id string) bool { return eval[bool](p, `document.getElementById(%q).hidden`, id) }
	shown := func(id string) {
		t.Helper()
		require.Eventually(t, func() bool { return !hidden(id) }, 10*time.Second, 50*time.Millisecond, "%s; %s", id, p.text("#notice-text"))
	}

	kept := func() string {
		return eval[string](p, `(document.dispatchEvent(new Event("visibilitychange")), JSON.parse(localStorage.getItem("mcdm-now").replace(/^u/, "")).sketch)`)
	}
	drawn := kept()
	require.NotEmpty(t, drawn)

	// Contours: the oval's left and right end, in the square that was cut out.
	p.give("drop", "me.jpg", "image/jpeg", photo())
	shown("import")
	assert.Equal(t, "me.jpg", p.text("#import-name"))
	assert.True(t, eval[bool](p, `document.getElementById("import-photo").checked`))
	left, right := spot{.5 - 180./600, .5}, spot{.5 + 180./600, .5}
	assert.True(t, p.near(left, dark), "no contour on the left")
	assert.True(t, p.near(right, dark))
	assert.False(t, p.near(spot{.5, .5}, dark))
	assert.False(t, p.near(spot{.2, .1}, dark), "the sketch makes room")
	assert.Equal(t, drawn, kept(), "lines that are only tried are not what the next visit finds")
	p.screenshot("import")
	p.click("#import-cancel")
	assert.True(t, hidden("import"))
	assert.True(t, dark(p.seen(spot{.2, .1})), "cancelled, nothing is lost")
	assert.Equal(t, white, p.seen(left))

	// Pasted into the sentence, text is text, whatever lies beside it.
	assert.True(t, eval[bool](p, `(() => {
		const data = new DataTransfer();
		data.items.add(new File(["x"], "text.png", {type: "image/png"}));
		data.setData("text/plain", "a person");
		data.setData("text/html", "<b>a person</b>");
		return document.getElementById("prompt").dispatchEvent(new ClipboardEvent("paste", {bubbles: true, cancelable: true, clipboardData: data}));
	})()`), "it is taken for a picture")

	// Kept, and undone as one change.
	p.give("paste", "me.jpg", "image/jpeg", photo())
	shown("import")
	p.set("import-detail", "30")
	p.click("#import-keep")
	assert.True(t, p.near(left, dark))
	assert.Equal(t, white, p.seen(spot{.5, .5}))
	p.run(chromedp.KeyEvent("z", chromedp.KeyModifiers(chromedp.Modifier(2))))
	assert.True(t, dark(p.seen(spot{.2, .1})))
	assert.Equal(t, white, p.seen(left))

	// A drawing gives its lines, and drawing on keeps them.
	list, err := examples.All()
	require.NoError(t, err)
	p.give("drop", "lines.jpg", "image/jpeg", encoded(list[2].Sketch))
	shown("import")
	assert.True(t, eval[bool](p, `document.getElementById("import-drawing").checked`))
	p.draw(spot{.05, .95}, spot{.2, .95})
	assert.True(t, hidden("import"))
	assert.True(t, dark(p.seen(spot{.1, .95})))

	// A photo that the camera marked as taken upright (Exif's orientation 6: its
	// first row is on the right) is turned: the horizontal border stands.
	p.give("drop", "turned.jpg", "image/jpeg", turned())
	require.Eventually(t, func() bool { return p.text("#import-name") == "turned.jpg" && !hidden("import") }, 10*time.Second, 50*time.Millisecond)
	assert.True(t, p.near(spot{.5, .2}, dark))
	assert.False(t, p.near(spot{.2, .5}, dark))
	p.click("#import-cancel")

	// The start picture.
	p.give("drop", "me.jpg", "image/jpeg", photo())
	shown("import")
	p.click("#import-start")
	p.screenshot("import-start")
	p.click("#import-keep")
	shown("start")
	p.set("start-change", "80")
	assert.Equal(t, "80%", p.text("#start-out"))
	assert.InDelta(t, 227, p.seen(spot{.5, .55}).R, 12)
	p.screenshot("start")
	p.click("#start-remove")
	assert.True(t, hidden("start"))

	// What an example takes the place of is gone from the board, too.
	p.give("drop", "me.jpg", "image/jpeg", photo())
	shown("import")
	p.click("#import-start")
	p.click("#example")
	assert.True(t, hidden("import"))
	assert.Equal(t, "example", eval[string](p, "document.activeElement.id"))

	// A notice does not move the board, and is seen wherever the page is.
	eval[bool](p, `(document.getElementById("notice-close").click(), scrollTo(0, 0), true)`)
	_, before, _, _ := p.rect("#board")
	p.give("drop", "notes.txt", "text/plain", []byte("no picture"))
	require.Eventually(t, func() bool { return strings.Contains(p.text("#notice-text"), "notes.txt") }, 10*time.Second, 50*time.Millisecond)
	assert.Contains(t, p.text("#notice-text"), "PNG")
	_, after, _, _ := p.rect("#board")
	assert.Equal(t, before, after)
	eval[bool](p, "(scrollTo(0, 120), true)")
	_, top, _, _ := p.rect("#notice")
	assert.InDelta(t, 8, top, 2)
	p.click("#notice-close")
	p.quiet()
}

// The square of a photo is dragged, zoomed by two fingers, a touchpad, the wheel and
// the slider, and moved by keys; the contours follow, and what is kept is what it holds.
func TestCrop(t *testing.T) {
	p := openAt(t, serve(t, small(t)), 1280, 1100, 8*time.Minute)
	p.until("ready", 3*time.Minute)
	p.give("drop", "me.jpg", "image/jpeg", photo())
	require.Eventually(t, func() bool { return p.text("#import-name") == "me.jpg" }, 10*time.Second, 50*time.Millisecond, p.text("#notice-text"))
	// The photo is 800 x 600; its oval reaches from 220 to 580 across. At first the
	// square holds 100 to 700 of it.
	line := func(x float64, why string) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); !p.near(spot{x, .5}, dark); time.Sleep(100 * time.Millisecond) {
			require.True(t, time.Now().Before(end), why)
		}
	}
	line(120./600, "no contour on the left")
	x, y, w, h := p.rect("#import-crop")
	assert.InDelta(t, 4./3, w/h, .02, "the whole photo is shown")
	mouse := func(kind input.DispatchMouseEventType, u float64, turn float64) {
		_, err := chromedp.Call(p.ctx, input.DispatchMouseEvent, input.DispatchMouseEventParams{
			Type: kind, X: x + u*w, Y: y + h/2, Button: input.MouseButtonLeft, Buttons: 1, ClickCount: 1, DeltaX: 1e-6, DeltaY: turn})
		require.NoError(t, err)
	}
	mouse("mousePressed", .5, 0)
	mouse("mouseMoved", .55, 0)
	mouse("mouseMoved", .9, 0)
	mouse("mouseReleased", .9, 0)
	line(20./600, "dragged to the right end, it holds 200 to 800")
	assert.False(t, p.near(spot{120. / 600, .5}, dark))
	p.screenshot("crop")

	// Keys: six twentieths of the side and it is at the left end, 0 to 600.
	p.run(chromedp.Focus("#import-crop"))
	for range 8 {
		p.run(chromedp.KeyEvent(kb.ArrowLeft))
	}
	line(220./600, "moved to the left end, it holds 0 to 600")
	assert.Equal(t, "75% of the width, from 0% across and 0% down.", p.text("#announce"))
	p.run(chromedp.KeyEvent("+"))
	assert.Equal(t, "1.1", p.text("#import-zoom-out"))
	assert.Contains(t, p.attribute("fit", "aria-label"), "Show the whole board", "the board keeps its zoom")
	assert.NotContains(t, p.attribute("fit", "aria-label"), "%")
	// The wheel zooms by how far it turns, and not when a touchpad turns it sideways.
	mouse("mouseWheel", .4, -100)
	assert.Eventually(t, func() bool { return p.text("#import-zoom-out") == "1.4" }, 5*time.Second, 50*time.Millisecond, p.text("#import-zoom-out"))
	eval[bool](p, `document.getElementById("import-crop").dispatchEvent(new WheelEvent("wheel", {deltaX: 50, deltaY: 0, cancelable: true}))`)
	assert.Equal(t, "1.4", p.text("#import-zoom-out"))

	// Two fingers, of which one moves away from the other until they are 1.5 times as far
	// apart: from 150 to 450, the square is zoomed and follows them by half, to 180 to 380.
	p.set("import-zoom", "2")
	p.touch("#import-crop", "touchStart", spot{.5, .5})
	p.touch("#import-crop", "touchStart", spot{.5, .5}, spot{.4, .5})
	for u := .39; u > .345; u -= .01 {
		p.touch("#import-crop", "touchMove", spot{.5, .5}, spot{u, .5})
	}
	p.touch("#import-crop", "touchEnd")
	assert.Equal(t, "3.0", p.text("#import-zoom-out"))
	line(40./200, "pinched, it holds 180 to 380")

	// Safari's touchpad: its gesture's scale is that since its beginning.
	assert.True(t, eval[bool](p, `((crop, fire) => (fire(crop, "gesturestart", 1), !fire(crop, "gesturechange", .5) && !fire(crop, "gesturechange", 2 / 3)))
		(document.getElementById("import-crop"), (e, kind, scale) => e.dispatchEvent(Object.assign(new Event(kind, {cancelable: true}), {scale})))`))
	assert.Equal(t, "2.0", p.text("#import-zoom-out"))

	// The slider: 205 to 355. Kept at once.
	p.set("import-zoom", "4")
	p.click("#import-start")
	p.click("#import-keep")
	assert.Less(t, p.seen(spot{.05, .5}).R, uint8(150), "background")
	assert.Greater(t, p.seen(spot{.2, .5}).R, uint8(215), "from 220 on it is the oval")
	assert.Greater(t, p.seen(spot{.9, .5}).R, uint8(215))
	p.screenshot("crop-kept")
	p.quiet()
}

// Sampling that starts late from a picture ends near it, and what it gives can
// be copied.
func TestStartPicture(t *testing.T) {
	p := studio(t, 1280, 900, 5*time.Minute)
	// The page copies without being asked; reading is the test's.
	_, err := chromedp.Call(p.ctx, browser.SetPermission, browser.SetPermissionParams{
		Permission: &browser.PermissionDescriptor{Name: "clipboard-read"}, Setting: "granted"})
	require.NoError(t, err)
	list, err := examples.All()
	require.NoError(t, err)
	p.give("drop", "portrait.jpg", "image/jpeg", encoded(list[3].Picture))
	require.Eventually(t, func() bool { return p.text("#import-name") == "portrait.jpg" }, 10*time.Second, 50*time.Millisecond)
	p.click("#import-start")

	// Who sees it on the board and generates has kept it.
	p.set("steps", "2")
	p.generate()
	assert.Contains(t, p.text("#status"), "from the start picture")
	assert.False(t, p.visible("import"))
	assert.NotEqual(t, "import-open", eval[string](p, "document.activeElement.id"))

	// What is over before it begins does not count; nor are there any steps then.
	p.set("prompt", "a person")
	assert.Equal(t, "2 words", p.text("#state-text"))
	p.set("start-change", "30")
	assert.Equal(t, "over before the start picture begins", p.text("#state-text"))
	p.set("prompt", "")
	p.set("start-change", "5")
	p.click("#generate")
	require.Eventually(t, func() bool { return strings.Contains(p.text("#status"), "at least 20 steps") }, 10*time.Second, 50*time.Millisecond, p.text("#status"))

	p.set("start-change", "10")
	p.set("steps", "25")
	assert.True(t, eval[bool](p, `document.getElementById("board-hint").hidden`), "the hint lies on the picture")
	got := p.generate()
	assert.Contains(t, p.text("#status"), "start picture")
	p.screenshot("started")
	own, other := distance(got, list[3].Picture), distance(got, list[4].Picture)
	t.Logf("mean difference in levels: %.1f from the start picture, %.1f from another one", own, other)
	assert.Less(t, own, 20.)
	assert.Greater(t, other, 2*own)

	p.click("#copy")
	require.Eventually(t, func() bool { return p.text("#status") == "The picture is on the clipboard." }, 10*time.Second, 50*time.Millisecond, p.text("#notice-text"))
	size, err := chromedp.Run(p.ctx, chromedp.Evaluate[int](`navigator.clipboard.read().then(i => i[0].getType("image/png")).then(createImageBitmap).then(b => b.width)`, chromedp.EvalAwaitPromise))
	require.NoError(t, err)
	assert.Equal(t, got.Rect.Dx(), size)

	// Live takes as many of its steps as are left of a person's.
	p.set("start-change", "5")
	p.click("#live")
	require.Eventually(t, func() bool { return strings.HasPrefix(p.text("#status"), "Done") }, time.Minute, 50*time.Millisecond, p.text("#status"))
	p.click("#live")

	// An example is all that counts then.
	p.set("not", "a person with glasses")
	p.click("#use-mask")
	p.click("#example")
	assert.False(t, p.visible("start"))
	assert.Empty(t, p.value("not"))
	assert.True(t, eval[bool](p, `document.getElementById("use-mask").checked`))
	p.click("#mine")
	assert.True(t, p.visible("start"))
	assert.Equal(t, "a person with glasses", p.value("not"))
	p.quiet()
}

// distance is the mean difference of two pictures, the second brought to the
// first's size.
func distance(a *image.RGBA, b image.Image) float64 {
	c := image.NewRGBA(a.Rect)
	draw.BiLinear.Scale(c, c.Rect, b, b.Bounds(), draw.Src, nil)
	sum := 0.
	for i := range a.Pix {
		sum += math.Abs(float64(a.Pix[i]) - float64(c.Pix[i]))
	}
	return sum / float64(len(a.Pix)) * 4 / 3 // alpha is the same
}

// turned is half dark and half light, one above the other in the file.
func turned() []byte {
	img := image.NewGray(image.Rect(0, 0, 200, 200))
	for i := range img.Pix[:100*200] {
		img.Pix[i] = 200
	}
	file := encoded(img)
	exif := "Exif\x00\x00MM\x00*\x00\x00\x00\x08" + // big endian, one directory at 8
		"\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00" + // with one entry: orientation, a short, 6
		"\x00\x00\x00\x00"
	app1 := append([]byte{0xff, 0xe1, 0, byte(len(exif) + 2)}, exif...)
	return slices.Concat(file[:2], app1, file[2:])
}

func encoded(img image.Image) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 95}); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// near tells whether the window shows a colour within 2% of the board around a
// spot.
func (p *page) near(s spot, is func(color.RGBA) bool) bool {
	p.t.Helper()
	x, y, w, h := p.board()
	img := p.window()
	for v := y + (s.y-.02)*h; v <= y+(s.y+.02)*h; v++ {
		for u := x + (s.x-.02)*w; u <= x+(s.x+.02)*w; u++ {
			if is(color.RGBAModel.Convert(img.At(int(u), int(v))).(color.RGBA)) {
				return true
			}
		}
	}
	return false
}

// Two fingers zoom and move the board and leave no line; the page stays where
// it is. At 2 screen pixels per CSS pixel everything is as sharp as the screen.
func TestPinch(t *testing.T) {
	p := studio(t, 390, 800, 8*time.Minute)
	p.run(chromedp.EmulateViewport(390, 800, chromedp.EmulateScale(2), chromedp.EmulateMobile, chromedp.EmulateTouch))
	p.finger(spot{.4, .5}, spot{.5, .5}, spot{.6, .5})
	require.True(t, dark(p.seen(spot{.5, .5})))

	p.touch("#board", "touchStart", spot{.45, .3})
	p.touch("#board", "touchStart", spot{.45, .3}, spot{.55, .3})
	for d := .05; d < .15; d += .01 {
		p.touch("#board", "touchMove", spot{.5 - d, .3}, spot{.5 + d, .3})
	}
	p.touch("#board", "touchEnd")
	assert.Contains(t, p.attribute("fit", "aria-label"), "%")
	assert.True(t, dark(p.seen(spot{.25, .85})), "the line is now at .3 + .2 * 2.8")
	assert.Equal(t, white, p.seen(spot{.4, .3}), "pinching draws nothing")
	p.screenshot("pinch")
	assert.Equal(t, 2, eval[int](p, `Math.round(document.querySelector("#board canvas").width / document.getElementById("board").clientWidth)`))

	// Who looks closer at the lines of an import has not decided about it.
	p.run(chromedp.KeyEvent("0"))
	p.give("drop", "me.jpg", "image/jpeg", photo())
	require.Eventually(t, func() bool { return p.visible("import") }, 10*time.Second, 50*time.Millisecond, p.text("#notice-text"))
	p.board()
	p.touch("#board", "touchStart", spot{.45, .3})
	p.touch("#board", "touchStart", spot{.45, .3}, spot{.55, .3})
	p.touch("#board", "touchMove", spot{.4, .3}, spot{.6, .3})
	p.touch("#board", "touchEnd")
	assert.Contains(t, p.attribute("fit", "aria-label"), "200%")
	require.True(t, p.visible("import-cancel"))
	p.click("#import-cancel")

	// Safari's touchpad: its gesture's scale is that since its beginning.
	p.run(chromedp.KeyEvent("0"))
	require.True(t, dark(p.seen(spot{.5, .5})))
	eval[bool](p, `(() => {
		const board = document.getElementById("board"), r = board.getBoundingClientRect();
		const fire = (kind, scale) => board.dispatchEvent(Object.assign(new Event(kind, {cancelable: true, bubbles: true}),
			{scale, clientX: r.left + r.width / 2, clientY: r.top + r.height / 4}));
		fire("gesturestart", 1);
		return !fire("gesturechange", 1.5) && !fire("gesturechange", 2);
	})()`)
	assert.Contains(t, p.attribute("fit", "aria-label"), "200%")
	assert.True(t, dark(p.seen(spot{.5, .75})), "the line is at .25 + .25 * 2")

	// Another pixel ratio, as after moving the window to another screen.
	p.run(chromedp.EmulateViewport(600, 800, chromedp.EmulateScale(1)))
	require.Eventually(t, func() bool {
		return eval[bool](p, `(c => c.width === c.clientWidth)(document.querySelector("#board canvas"))`)
	}, 5*time.Second, 100*time.Millisecond, "the canvas has %s pixels", fmt.Sprint(eval[int](p, `document.querySelector("#board canvas").width`)))
	p.quiet()
}
