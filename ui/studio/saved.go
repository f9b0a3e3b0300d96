//go:build js

package studio

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"syscall/js"
	"time"

	"github.com/mcdm/mcdm/ui/dom"
	"github.com/mcdm/mcdm/ui/recipe"
)

// What lies in the browser's storage: the recipe that is on the page, as JSON, behind
// a u where its number of steps is still the page's own and a p where it was put there
// and is as it was; the one that Bring mine back would bring; and every picture of the
// history, as its PNG file in base64 behind one letter, f for a favourite. The tab's own
// storage has both recipes, too: another tab may put its own in their place.
const (
	savedNow     = "mcdm-now"
	savedMine    = "mcdm-mine"
	savedPicture = "mcdm-picture-"
)

// restoreSaved brings back what an earlier visit left.
func (s *Studio) restoreSaved() {
	var ok bool
	if s.storage, s.tab, ok = dom.OpenStorages(); !ok {
		return
	}
	s.storing, s.toldFull = true, map[string]bool{}
	dom.Show(dom.Get("stored"), true)
	go s.restoreHistory()
	if now, ok := s.saved(savedNow); ok {
		s.notice(s.restore(now.Recipe)...)
		s.board.Forget() // Undo goes back to what was found, not to an empty board
		s.drawn()
		s.untouched = now.usual
		if now.placed {
			s.placed = s.mark()
		}
		if now.usual || now.placed {
			s.storeNow() // restore took it for a person's own
		}
	}
	if m, ok := s.saved(savedMine); ok {
		s.mine = []mine{m}
		s.offerMine()
	}
}

// saved reads a recipe, this tab's before the last of all.
func (s *Studio) saved(key string) (m mine, ok bool) {
	text := cmp.Or(s.tab.Get(key), s.storage.Get(key))
	if text == "" {
		return m, false
	}
	text, usual := strings.CutPrefix(text, "u")
	text, placed := strings.CutPrefix(text, "p")
	r, err := recipe.Parse([]byte(text))
	if err != nil {
		js.Global().Get("console").Call("warn", fmt.Sprintf("%s: %v", key, err))
	}
	return mine{r, usual, placed}, err == nil
}

// text is what saved reads.
func (m mine) text() (string, error) {
	text, err := recipe.Text(m.Recipe)
	marks := ""
	if m.usual {
		marks += "u"
	}
	if m.placed {
		marks += "p"
	}
	return marks + string(text), err
}

// write keeps a text. Where that fails, or there is none, an older one is no help.
func write(store dom.Storage, key, text string) {
	if text == "" || store.Set(key, text) != nil {
		store.Remove(key)
	}
}

// restoreHistory brings back the pictures, newest first, and lets the page
// breathe between two.
func (s *Studio) restoreHistory() {
	keys := s.storage.Keys(savedPicture)
	slices.Reverse(keys)
	for _, key := range keys {
		p, err := storedPicture(s.storage.Get(key))
		if err != nil { // of a version that this page does not know; it stays there
			js.Global().Get("console").Call("warn", fmt.Sprintf("%s: %v", key, err))
			continue
		}
		p.id = strings.TrimPrefix(key, savedPicture)
		s.history = append(s.history, p)
		s.addButton(p, len(s.history)-1)
		time.Sleep(time.Millisecond)
	}
	s.marked()
}

func storedPicture(text string) (*picture, error) {
	if text == "" {
		return nil, fmt.Errorf("it is empty")
	}
	file, err := base64.StdEncoding.DecodeString(text[1:])
	if err != nil {
		return nil, err
	}
	img, r, err := recipe.Read(file)
	if err != nil {
		return nil, err
	}
	return &picture{image: recipe.RGBA(img), recipe: r, favourite: text[0] == 'f', stored: true}, nil
}

// text is the picture as it lies in the storage.
func (p *picture) text() (string, error) {
	file, err := p.file()
	mark := "-"
	if p.favourite {
		mark = "f"
	}
	return mark + base64.StdEncoding.EncodeToString(file), err
}

// store keeps a picture of the history over reloads.
func (s *Studio) store(p *picture) {
	if !s.storing {
		return
	}
	if p.favourite {
		go dom.Persist()
	}
	text, err := p.text()
	if err == nil {
		err = s.set(savedPicture+p.id, text, p)
	}
	if p.stored = err == nil; !p.stored {
		s.full("pictures for which there is no room are", err)
	}
}

// set keeps a text. Where there is no room the oldest pictures make some, but for
// favourites; none that is newer does for p, unless that is a favourite.
func (s *Studio) set(key, text string, p *picture) error {
	full := s.storage.Set(key, text)
	err, dropped := full, false
	for _, old := range slices.Backward(s.history) {
		if err == nil || old == p && !p.favourite {
			break
		}
		if old == p || s.isFavourite(old) || !old.stored {
			continue
		}
		s.drop(old)
		dropped = true
		err = s.storage.Set(key, text)
	}
	switch {
	case err != nil && dropped:
		s.storeRest(p) // it was in vain
	case err == nil && full != nil:
		s.full("the oldest pictures that are no favourites are", full)
	}
	return err
}

// isFavourite tells whether a picture is a favourite here or in another tab.
func (s *Studio) isFavourite(p *picture) bool {
	p.favourite = p.favourite || s.storing && strings.HasPrefix(s.storage.Get(savedPicture+p.id), "f")
	return p.favourite
}

func (s *Studio) drop(p *picture) {
	s.storage.Remove(savedPicture + p.id)
	p.stored = false
}

// unstore forgets a picture, and keeps what there was no room for.
func (s *Studio) unstore(p *picture) {
	if !s.storing {
		return
	}
	s.drop(p)
	s.storeChange()
	s.storeRest(nil)
}

// storeRest keeps the pictures for which there is room by now, newest first, without
// one that was tried already.
func (s *Studio) storeRest(without *picture) {
	for _, p := range s.history {
		if p.stored || p == without {
			continue
		}
		text, err := p.text()
		if p.stored = err == nil && s.storage.Set(savedPicture+p.id, text) == nil; !p.stored {
			return
		}
	}
}

// full tells, once, what is lost for want of room.
func (s *Studio) full(lost string, err error) {
	if s.toldFull[lost] {
		return
	}
	s.toldFull[lost] = true
	s.notice("The browser's storage for this page is full: " + lost + " lost when the page closes. " +
		"Nothing on the page is lost now. Save pictures that you want as PNG, or delete some from the history.")
	js.Global().Get("console").Call("warn", err.Error())
}

// storeNow keeps what is on the page.
func (s *Studio) storeNow() {
	if !s.storing {
		return
	}
	text, err := mine{s.current(), s.untouched, s.mark() == s.placed}.text()
	if err == nil {
		write(s.tab, savedNow, text)
		err = s.set(savedNow, text, nil)
	}
	if err != nil {
		s.full("what you draw and type from now on is", err)
		return
	}
	s.savedMark = s.mark()
}

// storeChange keeps what is on the page if it was changed here: another tab may have
// stored its own since.
func (s *Studio) storeChange() {
	if s.mark() != s.savedMark {
		s.storeNow()
	}
}

// watch sees every change of what is on the page, whatever made it: drawing,
// typing, undo, an example.
func (s *Studio) watch() {
	s.fingerprint = s.mark()
	document := js.Global().Get("document")
	for _, event := range []string{"pointerup", "click", "keyup", "input", "change"} {
		dom.On(document, event, func(js.Value) { s.changedSoon() })
	}
	s.savedMark = s.fingerprint
	store := func(js.Value) { s.storeChange() }
	dom.On(document, "visibilitychange", store)
	dom.On(js.Global(), "pagehide", store)
	dom.On(js.Global(), "beforeunload", func(e js.Value) {
		s.storeChange()
		if s.losing() {
			e.Call("preventDefault") // the browser asks
		}
	})
}

// losing tells whether a person would lose something if the page closed now.
func (s *Studio) losing() bool {
	lost := s.storing && s.mark() != s.savedMark
	if !s.storing {
		_, unmade := s.unmade()
		lost = unmade || len(s.mine) > 0
	}
	return lost || slices.ContainsFunc(s.history, func(p *picture) bool { return !p.stored })
}

// mark is another one whenever the recipe may have changed.
func (s *Studio) mark() string {
	m := fmt.Sprintf("%d %q %q %g", s.board.Version(), s.prompt.text(), s.not.text(), value("not-weight"))
	for _, c := range s.cards {
		m += fmt.Sprint(s.input(c))
	}
	for _, id := range []string{"sampler", "steps", "eta", "corrector", "seed"} {
		m += " " + dom.Get(id).Get("value").String()
	}
	start, part := s.start()
	return m + fmt.Sprintf(" %p %g", start, part)
}

// changedSoon looks for a change once the handlers of an event are done, and
// keeps it a little later: not at every letter.
func (s *Studio) changedSoon() {
	if s.looking {
		return
	}
	s.looking = true
	go func() {
		time.Sleep(time.Millisecond)
		s.looking = false
		if m := s.mark(); m == s.fingerprint {
			return
		} else {
			s.fingerprint = m
		}
		s.liveChanged()
		if s.savingSoon {
			return
		}
		s.savingSoon = true
		time.Sleep(500 * time.Millisecond)
		s.savingSoon = false
		s.storeNow()
	}()
}
