//go:build js

package studio

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"syscall/js"

	"github.com/mcdm/mcdm/engine"
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

// controls fills and connects everything on the page.
func (s *Studio) controls() {
	for _, modality := range []string{engine.Sketch, engine.Mask, engine.Text} {
		s.addCard(modality)
	}
	s.addTools()
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
	s.words()
	s.drawn()
}

func click(id string, f func()) {
	dom.On(dom.Get(id), "click", func(js.Value) { f() })
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

// held tells what each modality holds, and whether it counts.
func (s *Studio) held() {
	sketch, parts := s.board.HasSketch(), s.painted()
	dom.Get("clear").Set("disabled", !sketch && len(parts) == 0)
	dom.Get("clear-sketch").Set("disabled", !sketch)
	dom.Get("clear-mask").Set("disabled", len(parts) == 0)
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
