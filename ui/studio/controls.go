//go:build js

package studio

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"syscall/js"

	"github.com/mcdm/mcdm/engine"
	"github.com/mcdm/mcdm/ui/dom"
	"github.com/mcdm/mcdm/ui/recipe"
	"github.com/mcdm/mcdm/weights/dataset/examples"
)

// card is one modality's: on or off, its weight in the merge and its window,
// what it holds, and whether its influence is shown.
type card struct {
	network, modality string
	root, box, slider js.Value
	start, end        js.Value // percent
	shapes            js.Value // show what it shapes
	state             js.Value
}

func (c *card) on() bool { return c.box.Get("checked").Bool() }

func (c *card) weight() float64 {
	w, _ := strconv.ParseFloat(c.slider.Get("value").String(), 64)
	return w
}

// window is the card's window, 0 to 1, and the whole way where it is none.
func (c *card) window() (start, end float64, err error) {
	start, errStart := strconv.ParseFloat(c.start.Get("value").String(), 64)
	end, errEnd := strconv.ParseFloat(c.end.Get("value").String(), 64)
	if errStart != nil || errEnd != nil || start < 0 || end > 100 || start > end {
		return 0, 1, fmt.Errorf("The %s counts from a number to a larger one, both from 0 to 100%%.", names[c.modality])
	}
	return start / 100, end / 100, nil
}

// usual tells whether the window is the one that the page begins with: nothing
// to point out.
func (c *card) usual() bool {
	same := func(field js.Value) bool { return field.Get("value").Equal(field.Get("defaultValue")) }
	return same(c.start) && same(c.end)
}

// set brings back what a recipe says.
func (c *card) set(in recipe.Input) {
	c.box.Set("checked", in.On)
	c.slider.Set("value", in.Weight)
	c.start.Set("value", math.Round(100*in.Start))
	c.end.Set("value", math.Round(100*in.End))
	c.show()
}

// show writes the slider's value beside it.
func (c *card) show() { dom.Text(c.slider.Get("nextElementSibling"), "%.1f", c.weight()) }

// controls fills and connects everything on the page.
func (s *Studio) controls() {
	for _, modality := range []string{engine.Sketch, engine.Mask, engine.Text} {
		s.addCard(modality)
	}
	s.addTools()
	click("dice", func() { s.newSeed() })
	click("lock", func() { press("lock", !pressed("lock")) })
	click("generate", func() { go s.generate() })
	click("stop", s.run.Stop)
	click("example", s.example)
	dom.Get("example").Set("disabled", false)
	s.addSuggestions()
	dom.On(dom.Get("prompt"), "input", func(js.Value) { s.words() })
	dom.On(dom.Get("prompt"), "keydown", func(e js.Value) {
		if s.suggestionKey(e) {
			e.Call("preventDefault")
			return
		}
		if e.Get("key").String() == "Enter" && !e.Get("shiftKey").Bool() && !e.Get("isComposing").Bool() {
			e.Call("preventDefault")
			go s.generate()
		}
	})
	s.addGrid()
	s.addHistory()
	s.addLive()
	s.words()
	s.drawn()
	s.restoreSaved()
	s.watch()
}

// pressed and press read and set a button that stays down.
func pressed(id string) bool {
	return dom.Get(id).Call("getAttribute", "aria-pressed").String() == "true"
}

func press(id string, down bool) {
	dom.Get(id).Call("setAttribute", "aria-pressed", strconv.FormatBool(down))
}

func (s *Studio) newSeed() { dom.Get("seed").Set("value", strconv.Itoa(int(rand.Uint32N(1_000_000)))) }

func click(id string, f func()) {
	dom.On(dom.Get(id), "click", func(js.Value) { f() })
}

// addCard connects the card of a modality, or hides it when the bundle has no
// network for it.
func (s *Studio) addCard(modality string) {
	root := dom.Get("card-" + modality)
	for _, n := range s.bundle.Networks {
		if n.Modality != modality {
			continue
		}
		c := &card{
			network: n.Name, modality: modality, root: root,
			box: dom.Get("use-" + modality), slider: dom.Get("weight-" + modality), state: dom.Get("state-" + modality),
			start: dom.Get("start-" + modality), end: dom.Get("end-" + modality), shapes: dom.Get("map-" + modality),
		}
		dom.On(c.slider, "input", func(js.Value) { c.show(); s.held() })
		for _, e := range []js.Value{c.box, c.start, c.end} {
			dom.On(e, "change", func(js.Value) { s.held() })
		}
		dom.On(c.shapes, "change", func(js.Value) { s.showInfluence(c) })
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
		default:
			if !c.usual() {
				text += ", " + percent(s.input(c))
			}
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
