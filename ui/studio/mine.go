//go:build js

package studio

import (
	"slices"
	"strings"

	"github.com/mcdm/mcdm/ui/dom"
	"github.com/mcdm/mcdm/ui/recipe"
)

// A picture that is brought back, a file and an example take the place of what a
// person drew, typed and set. Where no picture of the history has that, it is kept
// aside, and a button brings it back.

// mine is a recipe of a person's own.
type mine struct {
	recipe.Recipe
	usual  bool // its number of steps is the page's
	placed bool // it is nobody's own, but was put there
}

// replace puts something else in the place of what is on the page. hint says how to
// undo that, where there is something to bring back.
func (s *Studio) replace(by func()) (hint string) {
	if now, ok := s.unmade(); ok {
		s.mine = append(s.mine, mine{now, s.untouched, false})
		hint = " Bring mine back undoes that."
	}
	by()
	s.placed = s.mark()
	s.offerMine()
	return hint
}

// offerMine offers what there is to bring back, also to the next visit.
func (s *Studio) offerMine() {
	dom.Show(dom.Get("mine"), len(s.mine) > 0)
	if !s.storing {
		return
	}
	old, text := s.tab.Get(savedMine), ""
	if n := len(s.mine); n > 0 {
		text, _ = s.mine[n-1].text()
	}
	write(s.tab, savedMine, text)
	if text != "" || s.storage.Get(savedMine) == old { // not another tab's
		write(s.storage, savedMine, text)
	}
}

// bringMine brings back what was replaced last, and keeps what is there now: by
// pressing on, one sees all of them in turn.
func (s *Studio) bringMine() {
	last := len(s.mine) - 1
	back := s.mine[last]
	s.mine = s.mine[:last]
	if now, ok := s.unmade(); ok {
		s.mine = slices.Insert(s.mine, 0, mine{now, s.untouched, false})
	}
	s.notice(s.restore(back.Recipe)...) // it may be of an earlier visit
	s.untouched = back.usual
	s.storeNow()
	s.liveChanged() // it comes without a picture
	if len(s.mine) == 0 {
		dom.Get("open").Call("focus", map[string]any{"preventScroll": true})
	}
	s.offerMine()
	s.tell("Yours is back: drawing, sentence and settings.")
}

// unmade is what is on the page; ok tells whether a person would miss it: it is not
// empty, nothing that was put there, and of no picture that was made.
func (s *Studio) unmade() (r recipe.Recipe, ok bool) {
	r = s.current()
	empty := r.Sketch == nil && r.Mask == nil && r.Colours == nil && r.Image == nil && strings.TrimSpace(r.Prompt) == "" && r.Not.Text == ""
	made := slices.ContainsFunc(s.history, func(p *picture) bool { return r.Same(p.recipe) })
	return r, !empty && !made && s.mark() != s.placed
}

// current is the recipe that is on the page, without an import's lines, which are
// not yet anybody's.
func (s *Studio) current() recipe.Recipe {
	r, _ := s.recipe()
	r.Sketch = s.board.Kept()
	return r
}
