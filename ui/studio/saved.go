//go:build js

package studio

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"syscall/js"
	"time"

	"github.com/mcdm/mcdm/ui/dom"
	"github.com/mcdm/mcdm/ui/recipe"
)

// What lies in the browser's storage: the recipe that is on the page, as JSON,
// whether its number of steps is still the page's own, and every picture of the
// history, as its PNG file in base64 behind one letter, f for a favourite.
const (
	savedNow     = "mcdm-now"
	savedUsual   = "mcdm-usual-steps"
	savedPicture = "mcdm-picture-"
)

// restoreSaved brings back what an earlier visit left.
func (s *Studio) restoreSaved() {
	var ok bool
	if s.storage, ok = dom.OpenStorage(); !ok {
		return
	}
	s.storing = true
	dom.Show(dom.Get("stored"), true)
	go s.restoreHistory()
	if text := s.storage.Get(savedNow); text != "" {
		r, err := recipe.Parse([]byte(text))
		if err != nil {
			js.Global().Get("console").Call("warn", fmt.Sprintf("%s: %v", savedNow, err))
			return
		}
		usual := s.storage.Get(savedUsual) != ""
		s.restore(r)
		if s.untouched = usual; usual {
			s.storeNow() // restore took it for a person's own number
		}
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
	return &picture{image: recipe.RGBA(img), recipe: r, favourite: text[0] == 'f'}, nil
}

// store keeps a picture of the history over reloads.
func (s *Studio) store(p *picture) {
	if !s.storing {
		return
	}
	file, err := p.file()
	if err == nil {
		mark := "-"
		if p.favourite {
			mark = "f"
		}
		err = s.storage.Set(savedPicture+p.id, mark+base64.StdEncoding.EncodeToString(file))
	}
	s.stored(err)
}

func (s *Studio) unstore(p *picture) {
	if s.storing {
		s.storage.Remove(savedPicture + p.id)
	}
}

// stored tells, once, that there is no room.
func (s *Studio) stored(err error) {
	if err == nil || s.toldFull {
		s.toldFull = s.toldFull && err != nil
		return
	}
	s.toldFull = true
	s.notice("The browser's storage for this page is full: what you make from now on is lost when the page closes. " +
		"Nothing on the page is lost now. Save pictures that you want as PNG, or delete some from the history.")
	js.Global().Get("console").Call("warn", err.Error())
}

// storeNow keeps what is on the page.
func (s *Studio) storeNow() {
	if !s.storing {
		return
	}
	s.savedMark = s.mark()
	r, _ := s.recipe()
	r.Sketch = s.board.Kept() // lines of an import are not yet anybody's
	text, err := recipe.Text(r)
	if err == nil {
		err = s.storage.Set(savedNow, string(text))
	}
	if err == nil && s.untouched {
		err = s.storage.Set(savedUsual, "yes")
	} else {
		s.storage.Remove(savedUsual)
	}
	s.stored(err)
}

// watch sees every change of what is on the page, whatever made it: drawing,
// typing, undo, an example.
func (s *Studio) watch() {
	s.fingerprint = s.mark()
	document := js.Global().Get("document")
	for _, event := range []string{"pointerup", "click", "keyup", "input", "change"} {
		dom.On(document, event, func(js.Value) { s.changedSoon() })
	}
	// Only what was changed here: another tab may have stored its own since.
	s.savedMark = s.fingerprint
	store := func(js.Value) {
		if s.mark() != s.savedMark {
			s.storeNow()
		}
	}
	dom.On(document, "visibilitychange", store)
	dom.On(js.Global(), "pagehide", store)
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
