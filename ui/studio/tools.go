//go:build js

package studio

import (
	"fmt"
	"image/color"
	"strconv"
	"strings"
	"syscall/js"

	"github.com/mcdm/mcdm/ui/board"
	"github.com/mcdm/mcdm/ui/dom"
)

var tools = []struct {
	id, key string
	tool    board.Tool
}{
	{"tool-pencil", "p", board.Pencil}, {"tool-brush", "b", board.Brush},
	{"tool-dab", "d", board.Dab}, {"tool-bucket", "f", board.Bucket}, {"tool-eraser", "e", board.Eraser},
}

// addTools connects what draws: tools, parts, layers, undo and their keys.
func (s *Studio) addTools() {
	s.addLabels()
	s.addColours()
	for _, t := range tools {
		click(t.id, func() { s.choose(t.tool) })
	}
	dom.On(dom.Get("size"), "input", func(js.Value) { s.board.SetSize(value("size")); s.sized() })
	s.canvas.OnSize = func(n int) { s.board.Resize(n); s.sized() }
	s.canvas.OnLook = s.looked
	click("mirror", s.mirror)
	click("fit", s.fit)
	click("undo", func() { s.board.Undo(); s.drawn() })
	click("redo", func() { s.board.Redo(); s.drawn() })
	click("clear", func() { s.board.Clear(); s.drawn() })
	click("clear-sketch", func() { s.board.Clear(board.SketchLayer); s.drawn() })
	click("clear-mask", func() { s.board.Clear(board.MaskLayer); s.drawn() })
	click("clear-colour", func() { s.board.Clear(board.ColourLayer); s.drawn() })
	for _, layer := range []string{"sketch", "mask", "colour", "picture"} {
		dom.On(dom.Get("show-"+layer), "change", func(js.Value) { s.view() })
		dom.On(dom.Get("opacity-"+layer), "input", func(js.Value) {
			dom.Get("show-"+layer).Set("checked", true) // who moves it wants to see it
			s.view()
		})
	}
	dom.On(js.Global().Get("document"), "keydown", s.keys)
	s.addImport()
	s.choose(board.Pencil)
	s.view()
}

// value is the number in a field or slider.
func value(id string) float64 {
	v, _ := strconv.ParseFloat(dom.Get(id).Get("value").String(), 64)
	return v
}

// keys are the shortcuts of the board; fields keep theirs, and while pictures are
// compared there are none.
func (s *Studio) keys(e js.Value) {
	if dom.Get("comparing").Get("open").Bool() || dom.Typing(e.Get("target")) || e.Get("key").Type() != js.TypeString {
		return
	}
	key := strings.ToLower(e.Get("key").String())
	command := e.Get("ctrlKey").Bool() || e.Get("metaKey").Bool()
	switch {
	case command && key == "z" && e.Get("shiftKey").Bool(), command && key == "y":
		s.board.Redo()
		s.drawn()
	case command && key == "z":
		s.board.Undo()
		s.drawn()
	case command || e.Get("altKey").Bool():
		return
	case key == "[":
		s.board.Resize(-1)
		s.sized()
	case key == "]":
		s.board.Resize(1)
		s.sized()
	case key == "m":
		s.mirror()
	case key == "0":
		s.fit()
	case key == "+", key == "=":
		s.zoom(1.5)
	case key == "-":
		s.zoom(1 / 1.5)
	case len(key) == 1 && '1' <= key[0] && key[0] <= '9':
		s.part(int(key[0] - '1'))
	default:
		for _, t := range tools {
			if t.key == key && !dom.Get(t.id).Get("hidden").Bool() {
				s.choose(t.tool)
			}
		}
		return
	}
	e.Call("preventDefault")
}

func (s *Studio) mirror() {
	s.board.SetMirror(!s.board.Mirror())
	press("mirror", s.board.Mirror())
	s.canvas.Redraw()
}

func (s *Studio) fit() {
	s.canvas.Viewport.Fit()
	s.canvas.Redraw()
	s.looked()
}

// zoom enlarges the middle of what is shown.
func (s *Studio) zoom(factor float64) {
	s.canvas.Viewport.ZoomAt(.5, .5, factor)
	s.canvas.Redraw()
	s.looked()
}

// looked follows a change of what part of the board is shown.
func (s *Studio) looked() {
	fit, zoomed := dom.Get("fit"), s.canvas.Viewport.Zoom() > 1
	fit.Set("disabled", !zoomed)
	text := "Show the whole board"
	if zoomed {
		text = fmt.Sprintf("Show the whole board, now at %.0f%%", 100*s.canvas.Viewport.Zoom())
	}
	fit.Call("setAttribute", "aria-label", text)
}

func (s *Studio) addLabels() {
	box := dom.Get("labels")
	some := len(s.board.Labels()) > 0 // else nothing can be painted
	for _, id := range []string{"tool-brush", "layer-mask"} {
		dom.Show(dom.Get(id), some)
	}
	dom.Show(dom.Get("tool-bucket"), some || s.board.Colours() != nil)
	for i, l := range s.board.Labels() {
		b := dom.New("button", "")
		b.Set("type", "button")
		b.Set("id", "label-"+l.Name)
		swatch := dom.New("span", "")
		swatch.Set("className", "swatch")
		paint(swatch, l.Color)
		b.Call("append", swatch, l.Name)
		b.Set("title", "Paint "+l.Name)
		if i < 9 {
			key := dom.New("kbd", strconv.Itoa(i+1))
			key.Call("setAttribute", "aria-hidden", "true")
			b.Call("append", key)
			b.Call("setAttribute", "aria-keyshortcuts", strconv.Itoa(i+1))
		}
		box.Call("append", b)
		dom.On(b, "click", func(js.Value) { s.part(i) })
	}
}

// paint gives an element the colour of a part or a dab.
func paint(e js.Value, c color.NRGBA) { e.Get("style").Set("background", hexOf(c)) }

func hexOf(c color.NRGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

// addColours connects the choice of a colour to dab, where there is a network
// for it: its field and, beside it, buttons whose value is a colour.
func (s *Studio) addColours() {
	if s.board.Colours() == nil {
		return
	}
	dom.Show(dom.Get("tool-dab"), true)
	dom.Show(dom.Get("layer-colour"), true)
	field := dom.Get("colour")
	dom.On(field, "input", func(js.Value) { s.colour(field.Get("value").String()) })
	palette := dom.Get("palette")
	for i := range palette.Get("children").Length() {
		b := palette.Get("children").Index(i)
		b.Get("style").Set("background", b.Get("value"))
	}
	dom.On(palette, "click", func(e js.Value) {
		if b := e.Get("target").Call("closest", "button"); b.Truthy() {
			s.colour(b.Get("value").String())
		}
	})
	s.setColour(field.Get("value").String())
}

// colour takes a colour to dab, #rrggbb, and the dab tool unless fill is in hand.
func (s *Studio) colour(text string) {
	s.setColour(text)
	if t := s.board.Tool(); t != board.Dab && t != board.Bucket {
		s.board.SetTool(board.Dab)
	}
	s.choose(s.board.Tool())
}

func (s *Studio) setColour(text string) {
	var c color.NRGBA
	fmt.Sscanf(text, "#%02x%02x%02x", &c.R, &c.G, &c.B)
	s.board.SetColour(c)
	dom.Get("colour").Set("value", text)
}

// part takes a part to paint, and the brush unless fill is in hand.
func (s *Studio) part(i int) {
	if i >= len(s.board.Labels()) {
		return
	}
	s.board.SetLabel(i)
	if t := s.board.Tool(); t != board.Brush && t != board.Bucket {
		s.board.SetTool(board.Brush)
	}
	s.choose(s.board.Tool())
}

// choose takes a tool; every tool keeps its own size.
func (s *Studio) choose(t board.Tool) {
	s.board.SetTool(t)
	dom.Get("size").Set("disabled", t == board.Bucket)
	s.sized()
	s.pressed()
}

// sized shows the size of the tool in hand.
func (s *Studio) sized() {
	dom.Get("size").Set("value", s.board.Size())
	dom.Text(dom.Get("size-out"), "%g", s.board.Size())
	s.canvas.Redraw()
}

// pressed marks the chosen tool and part.
func (s *Studio) pressed() {
	for _, t := range tools {
		press(t.id, t.tool == s.board.Tool())
	}
	tool, on := s.board.Tool(), s.board.On()
	painting := tool == board.Brush || tool == board.Bucket && on == board.MaskLayer
	for i, l := range s.board.Labels() {
		press("label-"+l.Name, painting && i == s.board.Label())
	}
	if len(s.board.Labels()) > 0 {
		l := s.board.Labels()[s.board.Label()]
		for _, id := range []string{"brush-part", "bucket-part"} {
			paint(dom.Get(id), l.Color)
		}
		dom.Get("tool-brush").Set("title", fmt.Sprintf("Brush: paint the chosen part, %s (B)", l.Name))
		dom.Get("tool-bucket").Set("title", fmt.Sprintf("Fill: pour the chosen part, %s, between the lines (F)", l.Name))
	}
	if s.board.Colours() == nil {
		return
	}
	c := s.board.Colour()
	paint(dom.Get("dab-colour"), c)
	if on == board.ColourLayer {
		paint(dom.Get("bucket-part"), c)
		dom.Get("tool-bucket").Set("title", "Fill: pour the chosen colour over cells, between the lines (F)")
	}
	swatches := dom.Get("palette").Get("children")
	for i := range swatches.Length() {
		b := swatches.Index(i)
		chosen := on == board.ColourLayer && b.Get("value").String() == hexOf(c)
		b.Call("setAttribute", "aria-pressed", strconv.FormatBool(chosen))
	}
	s.canvas.View.Grid = on == board.ColourLayer
	s.canvas.Refresh()
}

// view shows the layers that are ticked.
func (s *Studio) view() {
	v := &s.canvas.View
	opacity := func(layer string) float64 {
		if !dom.Get("show-" + layer).Get("checked").Bool() {
			return 0
		}
		return value("opacity-"+layer) / 100
	}
	v.InkOpacity, v.MaskOpacity, v.ColourOpacity, v.UnderOpacity = opacity("sketch"), opacity("mask"), opacity("colour"), opacity("picture")
	v.Under = s.under(s.last)
	s.viewImport(v)
	s.canvas.Refresh()
	s.hint()
}

// hint shows what the board is for as long as it shows nothing.
func (s *Studio) hint() {
	v := s.canvas.View
	picture := v.Under != nil && v.UnderOpacity > 0
	dom.Show(dom.Get("board-hint"), !picture && !s.board.Drawing() && !s.board.HasSketch() && !s.board.HasMask() && !s.board.HasColours())
}

// drawn follows a change of the drawing: a stroke begun or ended, undo and the
// like.
func (s *Studio) drawn() {
	s.canvas.Redraw()
	dom.Get("undo").Set("disabled", !s.board.CanUndo())
	dom.Get("redo").Set("disabled", !s.board.CanRedo())
	s.drawnOver()
	s.hint()
	s.held()
	if !s.board.Drawing() {
		dom.Text(dom.Get("board-text"), "%s", s.board.Describe())
	}
}

// painted names the parts on the board.
func (s *Studio) painted() []string {
	if !s.board.HasMask() {
		return nil
	}
	labels := s.board.Labels()
	count := make([]int, len(labels)+1)
	for _, v := range s.board.Mask().Pix {
		count[v]++
	}
	var out []string
	for i, l := range labels {
		if count[i] > 0 {
			out = append(out, l.Name)
		}
	}
	return out
}
