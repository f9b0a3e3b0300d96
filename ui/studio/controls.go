//go:build js

package studio

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"syscall/js"

	"github.com/mcdm/mcdm/engine"
	"github.com/mcdm/mcdm/ui/board"
	"github.com/mcdm/mcdm/ui/dom"
	"github.com/mcdm/mcdm/weights/dataset/examples"
	"github.com/mcdm/mcdm/weights/tokenizer"
)

// card is one modality's: on or off, its weight in the merge, what it holds.
type card struct {
	network, modality string
	root, box, slider js.Value
	state             js.Value
}

func (c *card) on() bool { return c.box.Get("checked").Bool() }

func (c *card) weight() float64 {
	w, _ := strconv.ParseFloat(c.slider.Get("value").String(), 64)
	return w
}

var tools = []struct {
	id, key string
	tool    board.Tool
}{
	{"tool-pencil", "p", board.Pencil}, {"tool-brush", "b", board.Brush},
	{"tool-bucket", "f", board.Bucket}, {"tool-eraser", "e", board.Eraser},
}

// controls fills and connects everything on the page.
func (s *Studio) controls() {
	for _, modality := range []string{engine.Sketch, engine.Mask, engine.Text} {
		s.addCard(modality)
	}
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
	click("dice", func() { dom.Get("seed").Set("value", strconv.Itoa(int(rand.Uint32N(1_000_000)))) })
	click("generate", func() { go s.generate() })
	click("stop", s.run.Stop)
	click("save", s.save)
	click("example", s.example)
	dom.Get("example").Set("disabled", false)
	dom.On(dom.Get("prompt"), "input", func(js.Value) { s.words() })
	dom.On(dom.Get("prompt"), "keydown", func(e js.Value) {
		if e.Get("key").String() == "Enter" && !e.Get("shiftKey").Bool() && !e.Get("isComposing").Bool() {
			e.Call("preventDefault")
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

// addCard connects the card of a modality, or hides it when the bundle has no
// network for it.
func (s *Studio) addCard(modality string) {
	root := dom.Get("card-" + modality)
	for _, n := range s.bundle.Manifest.Networks {
		if n.Modality != modality {
			continue
		}
		c := &card{
			network: n.Name, modality: modality, root: root,
			box: dom.Get("use-" + modality), slider: dom.Get("weight-" + modality), state: dom.Get("state-" + modality),
		}
		out := c.slider.Get("nextElementSibling")
		dom.On(c.slider, "input", func(js.Value) { dom.Text(out, "%.1f", c.weight()); s.held() })
		dom.On(c.box, "change", func(js.Value) { s.held() })
		s.cards = append(s.cards, c)
		return
	}
	dom.Show(root, false)
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

// held tells what each modality holds, and whether it counts.
func (s *Studio) held() {
	sketch, parts := s.board.HasSketch(), s.painted()
	dom.Get("clear").Set("disabled", !sketch && len(parts) == 0)
	dom.Show(dom.Get("board-hint"), !sketch && len(parts) == 0)
	for _, c := range s.cards {
		text := ""
		switch c.modality {
		case engine.Sketch:
			if sketch {
				text = "drawn"
			}
		case engine.Mask:
			text = counted(len(parts), "part")
		case engine.Text:
			text = counted(len(strings.Fields(promptText())), "word")
		}
		used := text != "" && c.on() && c.weight() > 0
		switch {
		case text == "":
			text = "empty"
		case !c.on():
			text = "off"
		case c.weight() == 0:
			text = "weight 0: off"
		}
		dom.Text(c.state, "%s", text)
		c.state.Get("classList").Call("toggle", "used", used)
		c.root.Get("classList").Call("toggle", "off", !c.on())
	}
	var on []string
	if sketch {
		on = append(on, "a sketch")
	}
	on = append(on, parts...)
	dom.Get("board").Call("setAttribute", "aria-label", "Drawing board, "+List(on, "empty"))
}

// counted is "1 word", "2 words" or, for none, nothing.
func counted(n int, what string) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
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

// words shows which words of the sentence the text network does not know.
func (s *Studio) words() {
	s.held()
	out := dom.Get("words")
	t := s.tokenizer()
	if t == nil {
		return
	}
	var unknown, cut []string
	for _, w := range t.Tokens(promptText()) {
		switch {
		case w.Cut:
			cut = append(cut, w.Word)
		case w.ID == tokenizer.Unknown:
			unknown = append(unknown, w.Word)
		}
	}
	out.Set("textContent", "")
	struck := func(why string, words []string) {
		for i, w := range words {
			out.Call("append", why, dom.New("s", w))
			if why = ", "; i == len(words)-1 {
				out.Call("append", ". ")
			}
		}
	}
	struck("Words it does not know, ignored: ", unknown)
	struck("Too long, ignored: ", cut)
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
		s.notice(fmt.Sprintf("There are no examples: %v", err))
		return
	}
	e := list[s.nextExample%len(list)]
	s.nextExample++
	s.board.Load(e.Sketch, e.Mask)
	dom.Get("prompt").Set("value", e.Caption)
	s.words()
	s.drawn()
	dom.Text(dom.Get("example"), "Another example")
}
