//go:build js

package studio

import (
	"fmt"
	"slices"
	"strings"
	"syscall/js"

	"github.com/mcdm/mcdm/ui/dom"
)

// maxHistory bounds the history: the oldest that is no favourite goes first.
const maxHistory = 200

// addHistory connects the strip of pictures made so far.
func (s *Studio) addHistory() {
	click("favourite", func() {
		p := s.shown
		p.favourite = !p.favourite
		s.store(p)
		s.marked()
	})
	click("delete", func() {
		s.remove(s.shown)
		dom.Get("bring-back").Call("focus") // Delete can be pressed no more
	})
	click("bring-back", s.bringBack)
	click("compare", func() {
		s.compared = [2]*picture{s.shown, s.shown}
		if !s.compareNext(1) {
			s.compareNext(-1) // the oldest is shown
		}
	})
	click("older", func() { s.compareNext(1) })
	click("newer", func() { s.compareNext(-1) })
	click("comparing-close", func() { dom.Get("comparing").Call("close") })
	strip := dom.Get("strip")
	dom.On(strip, "click", func(e js.Value) {
		if i := dom.Among(strip, e); i >= 0 {
			s.recall(s.history[i])
		}
	})
	dom.On(strip, "keydown", s.stripKey)
}

// keep puts new pictures, in order, at the head of the history.
func (s *Studio) keep(pictures []*picture) {
	for n, p := range pictures {
		if p.image == nil {
			continue
		}
		p.id = s.newID(n)
		s.history = slices.Insert(s.history, 0, p)
		s.addButton(p, 0)
		s.store(p)
	}
	for i := len(s.history) - 1; i > 0 && len(s.history) > maxHistory; i-- {
		if p := s.history[i]; !s.isFavourite(p) && p != s.shown {
			s.forget(p)
		}
	}
	s.marked()
}

// newID is later than all before it, also those of other windows.
func (s *Studio) newID(n int) string {
	now := int64(js.Global().Get("Date").Call("now").Float())
	return fmt.Sprintf("%013d-%02d", now, n)
}

// addButton shows a picture in the strip, at place i, which is its place in the
// history.
func (s *Studio) addButton(p *picture, i int) {
	b := dom.New("button", "")
	b.Set("type", "button")
	canvas := dom.New("canvas", "")
	b.Call("append", canvas)
	dom.Paint(canvas, p.image)
	p.button = b
	strip := dom.Get("strip")
	var next any
	if before := strip.Get("children").Index(i); before.Truthy() {
		next = before
	}
	strip.Call("insertBefore", b, next)
}

// recall brings back a picture and all that made it.
func (s *Studio) recall(p *picture) {
	var misfits []string
	hint := s.replace(func() { misfits = s.restore(p.recipe) })
	s.show(p)
	go s.enlargeByItself(p)
	text := fmt.Sprintf("Back: seed %d, with its drawing, sentence and settings.%s", p.recipe.Seed, hint)
	if s.run.State() == Sampling {
		s.Say(text + " The run goes on.")
	} else {
		s.tell(text)
	}
	s.notice(append(s.foreign(p.recipe.Bundle), misfits...)...)
}

// marked shows which picture of the history is in the frame, and what can be
// done with it.
func (s *Studio) marked() {
	here := s.shown != nil && slices.Contains(s.history, s.shown)
	dom.Show(dom.Get("history"), len(s.history) > 0 || len(s.deleted) > 0)
	dom.Show(dom.Get("bring-back"), len(s.deleted) > 0)
	for _, id := range []string{"favourite", "delete"} {
		dom.Get(id).Set("disabled", !here)
	}
	dom.Get("compare").Set("disabled", !here || len(s.history) < 2)
	press("favourite", here && s.shown.favourite)
	stop := s.history[:min(1, len(s.history))] // one of the strip is reached by Tab
	if here {
		stop = []*picture{s.shown}
	}
	for _, p := range s.history {
		b := p.button
		tab := -1
		if slices.Contains(stop, p) {
			tab = 0
		}
		b.Set("tabIndex", tab)
		b.Call("setAttribute", "aria-pressed", fmt.Sprint(p == s.shown))
		label := fmt.Sprintf("Seed %d", p.recipe.Seed)
		if p.recipe.Prompt != "" {
			label += ", " + p.recipe.Prompt
		}
		b.Set("title", label)
		star := b.Call("querySelector", ".star")
		switch {
		case p.favourite && !star.Truthy():
			star = dom.New("span", "★")
			star.Set("className", "star")
			star.Call("setAttribute", "aria-hidden", "true")
			b.Call("append", star)
		case !p.favourite && star.Truthy():
			star.Call("remove")
		}
		if p.favourite {
			label = "Favourite. " + label
		}
		b.Call("setAttribute", "aria-label", label)
	}
}

// stripKey moves through the strip.
func (s *Studio) stripKey(e js.Value) {
	at := dom.Among(dom.Get("strip"), e)
	if at < 0 {
		return
	}
	to := at
	switch e.Get("key").String() {
	case "ArrowLeft":
		to = max(at-1, 0)
	case "ArrowRight":
		to = min(at+1, len(s.history)-1)
	case "Home":
		to = 0
	case "End":
		to = len(s.history) - 1
	case "Delete":
		if e.Get("repeat").Truthy() { // held, it would empty the history
			return
		}
		s.remove(s.history[at])
		to = min(at, len(s.history)-1)
	default:
		return
	}
	e.Call("preventDefault")
	if to >= 0 {
		s.history[to].button.Call("focus")
	} else {
		dom.Get("bring-back").Call("focus")
	}
}

// deletion is a picture that was deleted, and where in the history.
type deletion struct {
	*picture
	at int
}

// remove deletes a picture; bringBack undoes the last deletion.
func (s *Studio) remove(p *picture) {
	s.deleted = append(s.deleted, deletion{p, slices.Index(s.history, p)})
	clear(s.toldFull)
	s.forget(p)
	s.marked()
	s.Say("Deleted. Undo delete brings it back.")
}

// forget takes a picture out of the history.
func (s *Studio) forget(p *picture) {
	s.history = slices.DeleteFunc(s.history, func(q *picture) bool { return q == p })
	p.button.Call("remove")
	s.unstore(p)
}

func (s *Studio) bringBack() {
	last := len(s.deleted) - 1
	p, at := s.deleted[last].picture, min(s.deleted[last].at, len(s.history))
	s.deleted = s.deleted[:last]
	s.history = slices.Insert(s.history, at, p)
	s.addButton(p, at)
	s.store(p)
	s.show(p)
	p.button.Call("focus")
}

// neighbour is the picture so many places older than the one on the right of the
// comparison, the one on its left left out; nil at the end.
func (s *Studio) neighbour(older int) *picture {
	at := slices.Index(s.history, s.compared[1])
	if at < 0 {
		return nil
	}
	for at += older; at >= 0 && at < len(s.history); at += older {
		if s.history[at] != s.compared[0] {
			return s.history[at]
		}
	}
	return nil
}

// compareNext shows an older or newer picture beside the one that was shown when
// the comparison began; false where there is none.
func (s *Studio) compareNext(older int) bool {
	left, right := s.compared[0], s.neighbour(older)
	if right == nil {
		return false
	}
	s.compared[1] = right
	large := left.large != nil && right.large != nil // or one would look sharper for that alone
	for id, q := range map[string]*picture{"left": left, "right": right} {
		canvas := dom.Get(id)
		q.paintAt(canvas, large)
		_, using := request(q.recipe, s.bundle)
		canvas.Call("setAttribute", "aria-label", q.label(using))
		dom.Text(dom.Get(id+"-text"), "Seed %d, from %s", q.recipe.Seed, List(using, "chance alone"))
	}
	text := "Nothing differs but chance."
	if d := differences(left.recipe, right.recipe, s.bundle); len(d) > 0 {
		text = "What differs (left, right): " + strings.Join(d, "; ") + "."
	}
	dom.Text(dom.Get("difference"), "%s", text)
	dom.Get("older").Set("disabled", s.neighbour(1) == nil)
	dom.Get("newer").Set("disabled", s.neighbour(-1) == nil)
	if dialog := dom.Get("comparing"); !dialog.Get("open").Bool() {
		dialog.Call("showModal")
	}
	return true
}
