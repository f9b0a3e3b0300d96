//go:build js

package studio

import (
	"fmt"
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
	{"tool-bucket", "f", board.Bucket}, {"tool-eraser", "e", board.Eraser},
}

// addTools connects what draws: tools, parts, layers, undo and their keys.
func (s *Studio) addTools() {
	s.addLabels()
	for _, t := range tools {
		click(t.id, func() { s.choose(t.tool) })
	}
	s.sizes = map[board.Tool]float64{board.Pencil: 2, board.Brush: 12, board.Bucket: 1, board.Eraser: 10}
	dom.On(dom.Get("size"), "input", func(js.Value) {
		v, _ := strconv.ParseFloat(dom.Get("size").Get("value").String(), 64)
		s.resize(v)
	})
	click("undo", func() { s.board.Undo(); s.drawn() })
	click("redo", func() { s.board.Redo(); s.drawn() })
	click("clear", func() { s.board.Clear(); s.drawn() })
	for _, id := range []string{"show-sketch", "show-mask", "show-picture"} {
		dom.On(dom.Get(id), "change", func(js.Value) { s.view() })
	}
	dom.On(js.Global().Get("document"), "keydown", s.keys)
	s.choose(board.Pencil)
}

// keys are the shortcuts of the board; fields keep theirs.
func (s *Studio) keys(e js.Value) {
	target := e.Get("target")
	tag, kind := target.Get("tagName").String(), target.Get("type").String()
	if tag == "TEXTAREA" || tag == "SELECT" || tag == "INPUT" && kind != "range" && kind != "checkbox" {
		return
	}
	key := strings.ToLower(e.Get("key").String())
	command := e.Get("ctrlKey").Bool() || e.Get("metaKey").Bool()
	switch {
	case command && key == "z" && e.Get("shiftKey").Bool(), command && key == "y":
		s.board.Redo()
	case command && key == "z":
		s.board.Undo()
	case command || e.Get("altKey").Bool():
		return
	case key == "[":
		s.resize(s.board.Size() - 1)
	case key == "]":
		s.resize(s.board.Size() + 1)
	default:
		for _, t := range tools {
			if t.key == key {
				s.choose(t.tool)
			}
		}
		return
	}
	e.Call("preventDefault")
	s.drawn()
}

func (s *Studio) addLabels() {
	box := dom.Get("labels")
	for i, l := range s.board.Labels() {
		b := dom.New("button", "")
		b.Set("type", "button")
		b.Set("id", "label-"+l.Name)
		swatch := dom.New("span", "")
		swatch.Set("className", "swatch")
		swatch.Get("style").Set("background", fmt.Sprintf("#%02x%02x%02x", l.Color.R, l.Color.G, l.Color.B))
		b.Call("append", swatch, l.Name)
		box.Call("append", b)
		dom.On(b, "click", func(js.Value) {
			s.board.SetLabel(i)
			if t := s.board.Tool(); t != board.Brush && t != board.Bucket {
				s.choose(board.Brush)
			}
			s.pressed()
		})
	}
}

// choose takes a tool; every tool keeps its own size.
func (s *Studio) choose(t board.Tool) {
	s.board.SetTool(t)
	dom.Get("size").Set("disabled", t == board.Bucket)
	s.resize(s.sizes[t])
	s.pressed()
}

// resize sets the size of the tool in hand.
func (s *Studio) resize(v float64) {
	s.board.SetSize(v)
	v = s.board.Size()
	s.sizes[s.board.Tool()] = v
	dom.Get("size").Set("value", v)
	dom.Text(dom.Get("size-out"), "%g", v)
}

// pressed marks the chosen tool and part.
func (s *Studio) pressed() {
	for _, t := range tools {
		dom.Get(t.id).Call("setAttribute", "aria-pressed", strconv.FormatBool(t.tool == s.board.Tool()))
	}
	painting := s.board.Tool() == board.Brush || s.board.Tool() == board.Bucket
	for i, l := range s.board.Labels() {
		dom.Get("label-"+l.Name).Call("setAttribute", "aria-pressed", strconv.FormatBool(painting && i == s.board.Label()))
	}
}

// view shows the layers that are ticked.
func (s *Studio) view() {
	v := &s.canvas.View
	ticked := func(id string, opacity float64) float64 {
		if dom.Get(id).Get("checked").Bool() {
			return opacity
		}
		return 0
	}
	v.InkOpacity = ticked("show-sketch", 1)
	v.UnderOpacity = ticked("show-picture", 1)
	v.Under = s.last
	parts := 0.75
	if v.Under != nil && v.UnderOpacity > 0 {
		parts = 0.35 // the picture shines through
	}
	v.MaskOpacity = ticked("show-mask", parts)
	s.canvas.Refresh()
}

// drawn follows a change of the drawing.
func (s *Studio) drawn() {
	s.canvas.Redraw()
	dom.Get("undo").Set("disabled", !s.board.CanUndo())
	dom.Get("redo").Set("disabled", !s.board.CanRedo())
	s.held()
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
