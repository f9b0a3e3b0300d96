//go:build js

package studio

import (
	"fmt"
	"slices"
	"strings"
	"syscall/js"
	"unicode/utf16"

	"github.com/mcdm/mcdm/ui/dom"
	"github.com/mcdm/mcdm/weights/bundle"
	"github.com/mcdm/mcdm/weights/tokenizer"
)

// sentence is a field for one. Below it stand the words that are offered for the
// one that is being typed, and those that the text network does not know.
type sentence struct {
	field, offers, words js.Value
	said                 js.Value            // what words tells, for those who do not see it
	encoder              *bundle.TextEncoder // nil: the bundle has no text network
	struck               string              // what words tells, so that it is told once
	chosen               int                 // of the offers; -1: none
	before               string              // what stood before the caret when they were made
	changed, enter       func()
}

// addSentence connects a field, the lists #FIELD-offers and #FIELD-words, and
// #FIELD-words-said.
// changed is told of every change, enter of the key.
func (s *Studio) addSentence(id string, changed, enter func()) *sentence {
	t := &sentence{
		field: dom.Get(id), offers: dom.Get(id + "-offers"), words: dom.Get(id + "-words"), said: dom.Get(id + "-words-said"),
		encoder: s.textEncoder(), chosen: -1, changed: changed, enter: enter,
	}
	dom.On(t.field, "input", func(js.Value) { t.look() })
	dom.On(t.field, "blur", func(js.Value) { t.look() })
	// Where the caret goes, what was offered for where it was does not fit.
	dom.On(js.Global().Get("document"), "selectionchange", func(js.Value) {
		if before, _ := t.caret(); before != t.before {
			t.close()
		}
	})
	dom.On(t.field, "keydown", t.key)
	// Before the sentence loses the focus, which a click would take.
	dom.On(t.offers, "pointerdown", func(e js.Value) {
		if i := dom.Among(t.offers, e); i >= 0 {
			e.Call("preventDefault")
			t.complete(i)
		}
	})
	return t
}

func (s *Studio) textEncoder() *bundle.TextEncoder {
	for _, n := range s.bundle.Networks {
		if n.TextEncoder != nil {
			return n.TextEncoder
		}
	}
	return nil
}

func (t *sentence) text() string { return t.field.Get("value").String() }

func (t *sentence) set(text string) {
	t.field.Set("value", text)
	t.look()
}

// look follows a change of the sentence or of the caret's place: it offers words
// and shows which ones the text network does not know.
func (t *sentence) look() {
	t.changed()
	if t.encoder == nil {
		return
	}
	t.offer()
	var unknown, cut []string
	typing := -1 // where a word ends that is still being typed
	if before, _ := t.caret(); t.offers.Get("childElementCount").Int() > 0 {
		typing = len(before)
	}
	for _, w := range t.encoder.Tokenizer.Tokens(t.text()) {
		if w.End == typing {
			continue
		}
		switch {
		case w.Cut:
			cut = append(cut, w.Word)
		case w.ID == tokenizer.Unknown:
			unknown = append(unknown, w.Word)
		}
	}
	if now := fmt.Sprint(unknown, cut); now != t.struck {
		t.struck = now
		t.words.Set("textContent", "")
		t.strike("Words it does not know, ignored: ", unknown)
		t.strike("Too long, ignored: ", cut)
	}
	// Said when a word is complete, not at every letter.
	if text := t.words.Get("textContent").String(); text != t.said.Get("textContent").String() && (begunWord(t.before) == "" || !t.focused()) {
		dom.Text(t.said, "%s", text)
	}
}

// strike lists words that do not count.
func (t *sentence) strike(why string, words []string) {
	for i, w := range words {
		t.words.Call("append", why, dom.New("s", w))
		if why = ", "; i == len(words)-1 {
			t.words.Call("append", ". ")
		}
	}
}

// mostOffers are how many words are offered at once.
const mostOffers = 8

func (t *sentence) close() {
	t.offers.Set("textContent", "")
	dom.Show(t.offers, false)
	t.field.Call("removeAttribute", "aria-activedescendant")
	t.chosen = -1
}

// offer offers the words of the vocabulary that go on as the word before the
// caret begins.
func (t *sentence) offer() {
	t.close()
	t.before, _ = t.caret()
	begun := begunWord(t.before)
	if begun == "" || !t.focused() {
		return
	}
	var fit []string
	for _, w := range t.encoder.Vocabulary[2:] { // after <pad> and <unk>
		if strings.HasPrefix(w, begun) && w != begun {
			fit = append(fit, w)
		}
	}
	slices.Sort(fit)
	for i, w := range fit[:min(len(fit), mostOffers)] {
		item := dom.New("li", w)
		item.Set("id", fmt.Sprintf("%s-%d", t.offers.Get("id").String(), i))
		item.Call("setAttribute", "role", "option")
		item.Call("setAttribute", "aria-selected", "false")
		t.offers.Call("append", item)
	}
	dom.Show(t.offers, len(fit) > 0)
}

func (t *sentence) focused() bool {
	return js.Global().Get("document").Get("activeElement").Equal(t.field)
}

// caret parts the sentence where the caret stands, which browsers count in
// UTF-16.
func (t *sentence) caret() (before, after string) {
	units := utf16.Encode([]rune(t.text()))
	at := min(t.field.Get("selectionEnd").Int(), len(units))
	return string(utf16.Decode(units[:at])), string(utf16.Decode(units[at:]))
}

// complete puts an offered word in the place of the one that was begun.
func (t *sentence) complete(offer int) {
	word := t.offers.Get("children").Index(offer).Get("textContent").String()
	before, after := t.caret()
	if after == "" || after[0] != ' ' {
		word += " "
	}
	units := func(text string) int { return len(utf16.Encode([]rune(text))) }
	t.field.Call("setSelectionRange", units(before)-units(lastWord(before)), units(before))
	// As typing does: Ctrl+Z takes it back, and all who listen are told, the autosave among them.
	js.Global().Get("document").Call("execCommand", "insertText", false, word)
}

// key moves through the offered words and takes one; Enter is else for the
// whole sentence. A browser that fills in the field sends events without a key.
func (t *sentence) key(e js.Value) {
	items := t.offers.Get("children")
	n := items.Length()
	if e.Get("isComposing").Truthy() {
		return
	}
	switch key := e.Get("key").String(); {
	case key == "Enter" && e.Get("repeat").Truthy(): // held, it would take a word and start a run after it
	case key == "Enter" && t.chosen >= 0:
		t.complete(t.chosen)
	case key == "Enter" && !e.Get("shiftKey").Bool():
		t.enter()
	case key == "ArrowDown" && n > 0:
		t.choose((t.chosen + 1) % n)
	case key == "ArrowUp" && t.chosen >= 0:
		t.choose((t.chosen + n - 1) % n)
	case key == "Escape" && n > 0:
		t.close()
	default:
		return
	}
	e.Call("preventDefault")
}

// choose marks an offered word.
func (t *sentence) choose(offer int) {
	t.chosen = offer
	items := t.offers.Get("children")
	for i := range items.Length() {
		items.Index(i).Call("setAttribute", "aria-selected", fmt.Sprint(i == offer))
	}
	t.field.Call("setAttribute", "aria-activedescendant", items.Index(offer).Get("id"))
}
