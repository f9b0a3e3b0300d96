//go:build js

package studio

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"syscall/js"

	"github.com/mcdm/mcdm/ui/board"
	"github.com/mcdm/mcdm/ui/dom"
	"github.com/mcdm/mcdm/weights/bundle"
	"github.com/mcdm/mcdm/weights/dataset/examples"
	"github.com/mcdm/mcdm/weights/tokenizer"
)

// card is the row of one modality: on or off, and its weight in the merge.
type card struct {
	network, modality string
	box, slider       js.Value
}

func (c *card) on() bool { return c.box.Get("checked").Bool() }

func (c *card) weight() float64 {
	w, _ := strconv.ParseFloat(c.slider.Get("value").String(), 64)
	return w
}

// controls fills and connects everything on the page.
func (s *Studio) controls() {
	for i := range s.bundle.Manifest.Networks {
		if n := &s.bundle.Manifest.Networks[i]; n.Modality != bundle.Unconditional {
			s.addCard(n)
		}
	}
	s.addLabels()
	tools := map[string]board.Tool{"pencil": board.Pencil, "brush": board.Brush, "bucket": board.Bucket, "eraser": board.Eraser}
	for name, tool := range tools {
		click("tool-"+name, func() { s.choose(tool) })
	}
	size := dom.Get("size")
	dom.On(size, "input", func(js.Value) {
		v, _ := strconv.ParseFloat(size.Get("value").String(), 64)
		s.board.SetSize(v)
		s.sizes[s.board.Tool()] = v
		dom.Text(dom.Get("size-out"), "%g", v)
	})
	click("undo", func() { s.board.Undo(); s.drawn() })
	click("redo", func() { s.board.Redo(); s.drawn() })
	click("clear", func() { s.board.Clear(); s.drawn() })
	click("dice", func() { dom.Get("seed").Set("value", strconv.Itoa(int(rand.Uint32N(1_000_000)))) })
	click("generate", func() { go s.generate() })
	click("stop", func() {
		if s.stop != nil {
			s.stop()
		}
	})
	click("save", save)
	click("example", s.example)
	dom.On(dom.Get("prompt"), "input", func(js.Value) { s.words() })
	dom.On(dom.Get("prompt"), "keydown", func(e js.Value) {
		if e.Get("key").String() == "Enter" && !dom.Get("generate").Get("disabled").Bool() {
			go s.generate()
		}
	})
	dom.On(js.Global().Get("document"), "keydown", s.keys)
	s.choose(board.Pencil)
	s.words()
	s.drawn()
}

func click(id string, f func()) {
	dom.On(dom.Get(id), "click", func(js.Value) { f() })
}

// keys are the shortcuts of the board; text fields keep theirs.
func (s *Studio) keys(e js.Value) {
	tag := e.Get("target").Get("tagName").String()
	if tag == "INPUT" || tag == "SELECT" {
		return
	}
	key := strings.ToLower(e.Get("key").String())
	command := e.Get("ctrlKey").Bool() || e.Get("metaKey").Bool()
	switch {
	case command && key == "z" && e.Get("shiftKey").Bool(), command && key == "y":
		s.board.Redo()
	case command && key == "z":
		s.board.Undo()
	default:
		return
	}
	e.Call("preventDefault")
	s.drawn()
}

func (s *Studio) addCard(n *bundle.Network) {
	c := &card{network: n.Name, modality: n.Modality, box: dom.New("input", ""), slider: dom.New("input", "")}
	row := dom.New("div", "")
	row.Set("className", "modality")
	label := dom.New("label", "")
	c.box.Set("type", "checkbox")
	c.box.Set("checked", true)
	c.box.Set("id", "use-"+n.Modality)
	label.Call("append", c.box, strings.ToUpper(n.Modality[:1])+n.Modality[1:])
	c.slider.Set("type", "range")
	c.slider.Set("min", 0)
	c.slider.Set("max", 2)
	c.slider.Set("step", 0.1)
	c.slider.Set("value", 1)
	c.slider.Set("id", "weight-"+n.Modality)
	c.slider.Call("setAttribute", "aria-label", "Weight of the "+n.Modality)
	out := dom.New("output", "1.0")
	dom.On(c.slider, "input", func(js.Value) { dom.Text(out, "%.1f", c.weight()) })
	dom.On(c.box, "change", func(js.Value) { c.slider.Set("disabled", !c.on()) })
	row.Call("append", label, c.slider, out)
	dom.Get("modalities").Call("append", row)
	s.cards = append(s.cards, c)
}

func (s *Studio) addLabels() {
	box := dom.Get("labels")
	for i, l := range s.board.Labels() {
		b := dom.New("button", "")
		b.Set("type", "button")
		b.Set("id", fmt.Sprintf("label-%s", l.Name))
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
	if s.sizes == nil {
		s.sizes = map[board.Tool]float64{board.Pencil: 2, board.Brush: 12, board.Bucket: 1, board.Eraser: 10}
	}
	s.board.SetTool(t)
	s.board.SetSize(s.sizes[t])
	size := dom.Get("size")
	size.Set("value", s.sizes[t])
	size.Set("disabled", t == board.Bucket)
	dom.Text(dom.Get("size-out"), "%g", s.sizes[t])
	s.pressed()
}

// pressed marks the chosen tool and label.
func (s *Studio) pressed() {
	for name, t := range map[string]board.Tool{"pencil": board.Pencil, "brush": board.Brush, "bucket": board.Bucket, "eraser": board.Eraser} {
		dom.Get("tool-"+name).Call("setAttribute", "aria-pressed", strconv.FormatBool(t == s.board.Tool()))
	}
	painting := s.board.Tool() == board.Brush || s.board.Tool() == board.Bucket
	for i, l := range s.board.Labels() {
		dom.Get("label-"+l.Name).Call("setAttribute", "aria-pressed", strconv.FormatBool(painting && i == s.board.Label()))
	}
}

// drawn follows a change of the drawing.
func (s *Studio) drawn() {
	if s.canvas != nil {
		s.canvas.Redraw()
	}
	dom.Get("undo").Set("disabled", !s.board.CanUndo())
	dom.Get("redo").Set("disabled", !s.board.CanRedo())
	var on []string
	if s.board.HasSketch() {
		on = append(on, "a sketch")
	}
	if s.board.HasMask() {
		on = append(on, "painted parts")
	}
	text := "empty"
	if len(on) > 0 {
		text = "with " + strings.Join(on, " and ")
	}
	dom.Get("board").Call("setAttribute", "aria-label", "Drawing board, "+text)
}

// words shows the sentence as the text network reads it: what it does not
// know is struck out.
func (s *Studio) words() {
	out := dom.Get("words")
	out.Set("textContent", "")
	t := s.tokenizer()
	if t == nil {
		return
	}
	text := promptText()
	var ignored []js.Value
	for _, w := range t.Tokens(text) {
		if w.ID == tokenizer.Unknown || w.Cut {
			ignored = append(ignored, dom.New("s", w.Word))
		}
	}
	if len(ignored) == 0 {
		return
	}
	out.Call("append", "Not understood, ignored: ")
	for i, w := range ignored {
		if i > 0 {
			out.Call("append", ", ")
		}
		out.Call("append", w)
	}
}

func (s *Studio) tokenizer() *tokenizer.Tokenizer {
	for _, n := range s.bundle.Manifest.Networks {
		if n.TextEncoder != nil {
			return n.TextEncoder.Tokenizer
		}
	}
	return nil
}

// example fills in a portrait that no network saw in training.
func (s *Studio) example() {
	list, err := examples.All()
	if err != nil || len(list) == 0 {
		dom.Text(dom.Get("status"), "There are no examples: %v", err)
		return
	}
	e := list[s.nextExample%len(list)]
	s.nextExample++
	s.board.Load(e.Sketch, e.Mask)
	dom.Get("prompt").Set("value", e.Caption)
	s.words()
	s.drawn()
}
