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
	state, odds       js.Value
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
		return 0, 1, fmt.Errorf("%s: From may not be larger than To; both are 0 to 100.", capital(names[c.modality]))
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
	c.start.Set("value", inPercent(in.Start))
	c.end.Set("value", inPercent(in.End))
	c.show()
}

// show writes the slider's value beside it.
func (c *card) show() { dom.Text(c.slider.Get("nextElementSibling"), "%.1f", c.weight()) }

// controls fills and connects everything on the page.
func (s *Studio) controls() {
	cards := dom.Get("modalities").Get("children")
	for i := range cards.Length() {
		s.addCard(cards.Index(i))
	}
	s.addTools()
	click("mine", s.bringMine)
	click("dice", func() { s.newSeed() })
	click("lock", func() { press("lock", !pressed("lock")) })
	s.inTurn("generate", func() { go s.generate() })
	s.inTurn("stop", func() {
		s.liveAgain = false
		s.run.Stop()
	})
	click("example", s.example)
	dom.Get("example").Set("disabled", false)
	enter := func() { go s.generate() }
	s.prompt = s.addSentence("prompt", s.held, enter)
	s.not = s.addSentence("not", s.held, enter)
	dom.On(dom.Get("steps"), "input", func(js.Value) { s.untouched = false })
	dom.On(dom.Get("not-weight"), "input", func(js.Value) { s.showNot(); s.held() })
	s.addGrid()
	s.addUpscale()
	s.addBest()
	s.addHistory()
	s.addLive()
	s.drawn()
	s.restoreSaved()
	s.watch()
}

// showNot writes the weight of "Not this" beside its slider.
func (s *Studio) showNot() {
	dom.Text(dom.Get("not-weight").Get("nextElementSibling"), "%.1f", value("not-weight"))
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

// inTurn is click for buttons that take each other's place: the second click of a
// double click is not meant for the other one, nor is Enter that is held.
func (s *Studio) inTurn(id string, f func()) {
	dom.On(dom.Get(id), "click", func(e js.Value) {
		meant := e.Get("detail").Int() < 2 || s.clicked == id // 0: a key
		if s.clicked = id; meant {
			f()
		}
	})
	dom.On(dom.Get(id), "keydown", func(e js.Value) {
		if e.Get("repeat").Bool() && e.Get("key").String() == "Enter" {
			e.Call("preventDefault")
		}
	})
}

// addCard completes and connects the card of a modality, or hides it when the
// bundle has no network for it. The element is #card-MODALITY; data-weight,
// data-most and data-end say what its controls begin with.
func (s *Studio) addCard(root js.Value) {
	modality := strings.TrimPrefix(root.Get("id").String(), "card-")
	for _, n := range s.bundle.Networks {
		if n.Modality != modality {
			continue
		}
		root.Call("querySelector", ".head").Call("append", dom.Stamp("card-head", modality))
		root.Call("insertBefore", dom.Stamp("card-foot", modality), root.Call("querySelector", ".last"))
		c := &card{
			network: n.Name, modality: modality, root: root,
			box: dom.Get("use-" + modality), slider: dom.Get("weight-" + modality), state: dom.Get("state-" + modality), odds: dom.Get("odds-" + modality),
			start: dom.Get("start-" + modality), end: dom.Get("end-" + modality), shapes: dom.Get("map-" + modality),
		}
		data := root.Get("dataset")
		c.slider.Set("max", data.Get("most"))
		c.slider.Set("defaultValue", data.Get("weight"))
		c.end.Set("defaultValue", data.Get("end"))
		c.show()
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
	sketch, parts, cells := s.board.HasSketch(), s.painted(), s.board.Coloured()
	_, start := s.start()
	dom.Get("clear").Set("disabled", !sketch && len(parts) == 0 && cells == 0)
	dom.Get("clear-sketch").Set("disabled", !sketch)
	dom.Get("clear-mask").Set("disabled", len(parts) == 0)
	dom.Get("clear-colour").Set("disabled", cells == 0)
	for _, c := range s.cards {
		text, silent := "", c.weight() == 0
		switch c.modality {
		case engine.Sketch:
			if sketch {
				text = "drawn"
			}
		case engine.Mask:
			text = counted(len(parts), "part")
		case engine.Colour:
			text = counted(cells, "cell")
		case engine.Text:
			text = counted(len(strings.Fields(s.prompt.text())), "word")
			// What is not wanted has a weight of its own.
			if n := len(strings.Fields(s.not.text())); n > 0 && value("not-weight") > 0 {
				not := fmt.Sprintf("%d not wanted", n)
				if text == "" || silent {
					text = not
				} else {
					text = List([]string{text, not}, "")
				}
				silent = false
			}
		}
		past := over(s.input(c), start)
		used := text != "" && c.on() && !silent && !past
		switch {
		case text == "":
			text = "empty"
		case !c.on():
			text = "off"
		case silent:
			text = "weight 0: off"
		case past:
			text = "over before the start picture begins"
		default:
			if !c.usual() {
				text += ", " + percent(s.input(c))
			}
		}
		dom.Text(c.state, "%s", text)
		c.state.Set("title", text) // there is little room
		c.state.Get("classList").Call("toggle", "used", used)
		c.root.Get("classList").Call("toggle", "off", !c.on())
	}
	var on []string
	if sketch {
		on = append(on, "a sketch")
	}
	on = append(on, parts...)
	if cells > 0 {
		on = append(on, "colours")
	}
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
	hint := s.replace(func() {
		s.closeImport()
		s.board.Load(e.Sketch, e.Mask, e.Picture)
		s.startFrom(nil, "", usualStart)
		s.prompt.set(e.Caption)
		s.not.set("")
		for _, c := range s.cards {
			c.box.Set("checked", true)
		}
		s.drawn()
	})
	dom.Text(dom.Get("example"), "Another example")
	s.tell("The example has filled in drawing and sentence." + hint)
}
