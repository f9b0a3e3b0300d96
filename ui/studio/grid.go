//go:build js

package studio

import (
	"fmt"
	"slices"
	"strings"
	"syscall/js"

	"github.com/mcdm/mcdm/engine"
	"github.com/mcdm/mcdm/ui/dom"
)

// The frame shows one picture, s.shown, or all of s.batch as a grid.

func (s *Studio) addGrid() {
	grid := dom.Get("grid")
	dom.On(grid, "click", func(e js.Value) {
		if i := dom.Among(grid, e); i >= 0 {
			s.show(s.batch[i])
			dom.Get("all").Call("focus")
		}
	})
	click("all", func() {
		i := slices.Index(s.batch, s.shown)
		s.showGrid()
		grid.Get("children").Index(i).Call("focus") // the button is gone
	})
	click("save", s.save)
}

// show shows one picture large.
func (s *Studio) show(p *picture) {
	s.shown = p
	_, using := request(p.recipe, s.bundle)
	s.describe(p.label(using))
	s.paint()
	s.marked()
}

// showForming shows a picture that is yet to come; until it does, the one before
// stays in sight.
func (s *Studio) showForming(p *picture) {
	s.shown = p
	s.describe("The picture, still forming")
	s.paint()
	s.marked()
}

// showGrid shows all pictures of the last run, or that there are none.
func (s *Studio) showGrid() {
	s.shown = nil
	grid := dom.Get("grid")
	grid.Set("textContent", "")
	grid.Get("classList").Call("toggle", "many", len(s.batch) > 4)
	for i, p := range s.batch {
		b := dom.New("button", "")
		b.Set("type", "button")
		label := fmt.Sprintf("Picture %d of %d, seed %d", i+1, len(s.batch), p.recipe.Seed)
		b.Call("append", dom.New("canvas", ""))
		if scores := p.recipe.Verdict.Scores; scores.Of > 0 {
			rank := dom.New("span", ordinal(scores.Rank))
			rank.Set("className", "rank")
			b.Call("append", rank)
			label += fmt.Sprintf(", %s in obeying", ordinal(scores.Rank))
		}
		b.Call("setAttribute", "aria-label", label)
		b.Set("title", fmt.Sprintf("Seed %d", p.recipe.Seed))
		grid.Call("append", b)
	}
	s.paint()
	s.marked()
}

// paint shows what is to be shown, as it is now.
func (s *Studio) paint() {
	defer s.verdict()
	one := s.shown != nil
	all := !one && len(s.batch) > 0
	dom.Show(dom.Get("grid"), all)
	dom.Get("picture").Set("ariaHidden", all) // it lies below
	dom.Show(dom.Get("all"), one && slices.Contains(s.batch, s.shown) && len(s.batch) > 1)
	dom.Get("save").Set("disabled", !one || s.shown.image == nil)
	dom.Show(dom.Get("enlarge"), one && s.shown.large == nil && s.enlargeable(s.shown))
	if !one {
		cells := dom.Get("grid").Get("children")
		for i, p := range s.batch {
			if p.image != nil {
				p.paint(cells.Index(i).Get("firstElementChild"))
			}
		}
		dom.Show(dom.Get("picture-hint"), len(s.batch) == 0)
		s.overlay()
		return
	}
	if s.shown.image != nil {
		s.last = s.shown.image
		s.shown.paint(dom.Get("picture"))
		dom.Show(dom.Get("picture-hint"), false)
		if s.canvas.View.UnderOpacity > 0 {
			s.view()
		}
	}
	s.overlay()
}

// add sums up which networks shaped sample n, by all that they were given.
func (p *picture) add(influence engine.Influence, n int) {
	for name, samples := range influence {
		name = strings.TrimSuffix(name, second)
		if p.influence == nil {
			p.influence = map[string][]float32{}
		}
		if p.influence[name] == nil {
			p.influence[name] = make([]float32, len(samples[n]))
		}
		for i, v := range samples[n] {
			p.influence[name][i] += v
		}
	}
}

// shaping is the card whose influence is to be seen, or nil.
func (s *Studio) shaping() *card {
	for _, c := range s.cards {
		if c.shapes.Get("checked").Bool() {
			return c
		}
	}
	return nil
}

// showInfluence follows the tick in a card. One influence is seen at a time.
func (s *Studio) showInfluence(c *card) {
	if c.shapes.Get("checked").Bool() {
		for _, other := range s.cards {
			other.shapes.Set("checked", other == c)
		}
		if s.shown == nil || s.shown.influence[c.network] == nil {
			s.tell(fmt.Sprintf("Press Generate: while the picture forms, pixels are tinted where they follow the %s. "+
				"(All do, and none is, where it counts alone with weight 1.)", names[c.modality]))
		}
	}
	s.overlay()
}

// overlay tints the pixels that a network shapes: the stronger, the more it
// pulled there, over the steps that were seen.
func (s *Studio) overlay() {
	c := s.shaping()
	canvas := dom.Get("influence")
	var pull []float32
	if c != nil && s.shown != nil {
		pull = s.shown.influence[c.network]
	}
	dom.Show(canvas, pull != nil)
	if pull != nil {
		dom.Paint(canvas, tinted(pull, s.shown.image.Rect))
	}
}

// paint shows the picture at its largest. A small one's pixels are left to be seen,
// as its networks made them.
func (p *picture) paint(canvas js.Value) { p.paintAt(canvas, p.large != nil) }

// paintAt shows the large picture, which there must be, or the small one.
func (p *picture) paintAt(canvas js.Value, large bool) {
	img := p.image
	if large {
		img = p.large
	}
	dom.Paint(canvas, img)
	canvas.Get("classList").Call("toggle", "large", large)
}

// save offers the picture that is shown as a file with its recipe.
func (s *Studio) save() {
	p := s.shown
	if p == nil || p.image == nil {
		return
	}
	if !s.savesLarge() {
		s.download(p.recipe.Seed, "", p.file)
		return
	}
	go func() {
		switch state := s.run.State(); {
		case p.large != nil:
		case !s.enlargeable(p), state != Ready:
			s.download(p.recipe.Seed, "", p.file)
			why := "it can be made larger when the networks are ready"
			if state == Sampling {
				why = "it can be made larger when this run is over"
			}
			if !s.enlargeable(p) {
				why = "these networks make no picture of that size larger"
			}
			s.notice(fmt.Sprintf("Saved with %d×%d pixels: %s.", p.image.Rect.Dx(), p.image.Rect.Dy(), why))
			return
		case !s.enlarge("", p):
			return // it has said why
		}
		s.download(p.recipe.Seed, fmt.Sprintf("-%d", p.large.Rect.Dx()), p.largeFile)
	}()
}

func (s *Studio) download(seed uint64, size string, encode func() ([]byte, error)) {
	file, err := encode()
	if err != nil {
		s.notice(fmt.Sprintf("The picture could not be saved: %v.", err))
		return
	}
	dom.Download(fmt.Sprintf("mcdm-%d%s.png", seed, size), "image/png", file)
}
