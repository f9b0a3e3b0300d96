//go:build js

package studio

import (
	"fmt"
	"image"
	"math"
	"slices"
	"syscall/js"
	"time"

	"golang.org/x/image/draw"

	"github.com/mcdm/mcdm/ui/dom"
	"github.com/mcdm/mcdm/ui/edges"
)

// smallSide is the longer side of the copy on which a person crops.
const smallSide = 240

// held is a pointer that is pressed, in CSS pixels of the window.
type held struct {
	id   int
	x, y float64
}

func holding(e js.Value) held {
	return held{e.Get("pointerId").Int(), e.Get("clientX").Float(), e.Get("clientY").Float()}
}

// addCrop connects the small copy of an imported picture: its square is dragged,
// zoomed by two fingers, the wheel or the slider, and moved and zoomed by keys.
func (s *Studio) addCrop() {
	canvas := dom.Get("import-crop")
	var hand []held // one pointer, or two fingers
	find := func(e js.Value) int {
		id := e.Get("pointerId").Int()
		return slices.IndexFunc(hand, func(h held) bool { return h.id == id })
	}
	dom.On(canvas, "pointerdown", func(e js.Value) {
		if len(hand) < 2 && e.Get("button").Int() == 0 {
			hand = append(hand, holding(e))
			dom.Capture(canvas, e.Get("pointerId").Int())
		}
	})
	dom.On(canvas, "pointermove", func(e js.Value) {
		m, i := s.importing, find(e)
		if m == nil || i < 0 {
			return
		}
		was, is := hand[i], holding(e)
		hand[i] = is
		shown := canvas.Get("clientWidth").Float() // pixels of the page for the picture's width
		part := float64(m.whole.Rect.Dx()) / (shown * float64(m.crop.Rect().Dx()) * float64(len(hand)))
		m.crop.Move((is.x-was.x)*part, (is.y-was.y)*part)
		if len(hand) == 2 {
			other := hand[1-i]
			before, after := math.Hypot(was.x-other.x, was.y-other.y), math.Hypot(is.x-other.x, is.y-other.y)
			if before > 0 && after > 0 {
				m.crop.SetZoom(m.crop.Zoom() * after / before)
			}
		}
		s.cropped()
	})
	for _, end := range []string{"pointerup", "pointercancel", "lostpointercapture"} {
		dom.On(canvas, end, func(e js.Value) {
			if i := find(e); i >= 0 {
				hand = slices.Delete(hand, i, i+1)
			}
		})
	}
	dom.OnGesture(canvas, func(_ js.Value, factor float64) {
		if len(hand) == 0 {
			s.zoomCrop(factor)
		}
	})
	dom.On(canvas, "wheel", func(e js.Value) {
		e.Call("preventDefault")
		if factor := dom.Zoom(e); factor != 1 { // a touchpad turns sideways, too
			s.zoomCrop(factor)
		}
	}, map[string]any{"passive": false})
	dom.On(canvas, "keydown", s.cropKey)
	dom.On(dom.Get("import-zoom"), "input", func(js.Value) {
		if m := s.importing; m != nil {
			m.crop.SetZoom(value("import-zoom"))
			s.cropped()
		}
	})
}

func (s *Studio) cropKey(e js.Value) {
	const step = .05
	dx, dy, factor := 0., 0., 1.
	switch e.Get("key").String() {
	case "ArrowLeft":
		dx = -step
	case "ArrowRight":
		dx = step
	case "ArrowUp":
		dy = -step
	case "ArrowDown":
		dy = step
	case "+", "=":
		factor = 1.1
	case "-":
		factor = 1 / 1.1
	default:
		return
	}
	e.Call("preventDefault")
	e.Call("stopPropagation") // the board has keys of the same names
	if m := s.importing; m != nil {
		m.crop.Move(dx, dy)
		s.zoomCrop(factor)
		r := m.crop.Rect().Sub(m.whole.Rect.Min)
		percent := func(n, of int) int { return (100*n + of/2) / of }
		s.Say(fmt.Sprintf("%d%% of the width, from %d%% across and %d%% down.", percent(r.Dx(), m.whole.Rect.Dx()),
			percent(r.Min.X, m.whole.Rect.Dx()), percent(r.Min.Y, m.whole.Rect.Dy())))
	}
}

func (s *Studio) zoomCrop(factor float64) {
	if m := s.importing; m != nil {
		m.crop.SetZoom(m.crop.Zoom() * factor)
		s.cropped()
	}
}

// cropped follows a change of the square: at once on the small copy, and on the
// board, which takes longer, when the person rests.
func (s *Studio) cropped() {
	m := s.importing
	s.showCrop()
	m.moves++
	moves := m.moves
	go func() {
		time.Sleep(100 * time.Millisecond)
		if s.importing == m && m.moves == moves {
			s.recut()
		}
	}()
}

func (s *Studio) showCrop() {
	m := s.importing
	dom.Paint(dom.Get("import-crop"), m.crop.Show(m.small))
	dom.Get("import-zoom").Set("value", m.crop.Zoom())
	dom.Text(dom.Get("import-zoom-out"), "%.1f", m.crop.Zoom())
}

// recut brings what is on the board up to the square's last place.
func (s *Studio) recut() {
	if m := s.importing; m != nil && m.moves > 0 && !s.board.Drawing() {
		m.moves = 0
		m.cut()
		s.tryImport()
	}
}

// cut takes the square out of the picture and looks for lines in it.
func (m *imported) cut() {
	m.picture = m.crop.Cut(m.whole, importSide)
	m.contours, m.drawing = edges.Find(m.picture), edges.Draw(m.picture)
}

// reduced is a picture of at most side pixels, in its own proportions.
func reduced(img *image.RGBA, side int) *image.RGBA {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	scale := min(1, float64(side)/float64(max(w, h)))
	out := image.NewRGBA(image.Rect(0, 0, max(1, int(float64(w)*scale+.5)), max(1, int(float64(h)*scale+.5))))
	draw.BiLinear.Scale(out, out.Rect, img, img.Rect, draw.Src, nil)
	return out
}
