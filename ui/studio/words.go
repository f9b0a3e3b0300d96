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

// words shows which words of the sentence the text network does not know.
func (s *Studio) words() {
	s.held()
	out := dom.Get("words")
	s.suggest()
	encoder := s.textEncoder()
	if encoder == nil {
		return
	}
	t := encoder.Tokenizer
	var unknown, cut []string
	typing := -1 // where a word ends that is still being typed
	if before, _ := caret(); dom.Get("suggestions").Get("childElementCount").Int() > 0 {
		typing = len(before)
	}
	for _, w := range t.Tokens(promptText()) {
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

func (s *Studio) textEncoder() *bundle.TextEncoder {
	for _, n := range s.bundle.Networks {
		if n.TextEncoder != nil {
			return n.TextEncoder
		}
	}
	return nil
}

// suggestions are how many words are offered at once.
const suggestions = 8

func (s *Studio) addSuggestions() {
	dom.On(dom.Get("prompt"), "blur", func(js.Value) { s.words() })
}

func closeSuggestions() {
	dom.Get("suggestions").Set("textContent", "")
	dom.Show(dom.Get("suggestions"), false)
	dom.Get("prompt").Call("removeAttribute", "aria-activedescendant")
}

// suggest offers the words of the vocabulary that go on as the word before the
// caret begins.
func (s *Studio) suggest() {
	closeSuggestions()
	list := dom.Get("suggestions")
	s.suggested = -1
	encoder := s.textEncoder()
	before, _ := caret()
	begun := begunWord(before)
	if encoder != nil && begun != "" && focused() == "prompt" {
		var fit []string
		for _, w := range encoder.Vocabulary[2:] { // after <pad> and <unk>
			if strings.HasPrefix(w, begun) && w != begun {
				fit = append(fit, w)
			}
		}
		slices.Sort(fit)
		for _, w := range fit[:min(len(fit), suggestions)] {
			item := dom.New("li", w)
			item.Set("id", fmt.Sprintf("suggestion-%d", list.Get("childElementCount").Int()))
			item.Call("setAttribute", "role", "option")
			item.Call("setAttribute", "aria-selected", "false")
			// Before the sentence loses the focus, which a click would take.
			dom.On(item, "pointerdown", func(e js.Value) { e.Call("preventDefault"); s.complete(w) })
			list.Call("append", item)
		}
	}
	dom.Show(list, list.Get("childElementCount").Int() > 0)
}

func focused() string {
	return js.Global().Get("document").Get("activeElement").Get("id").String()
}

// caret parts the sentence where the caret stands, which browsers count in
// UTF-16.
func caret() (before, after string) {
	e := dom.Get("prompt")
	units := utf16.Encode([]rune(e.Get("value").String()))
	at := min(e.Get("selectionEnd").Int(), len(units))
	return string(utf16.Decode(units[:at])), string(utf16.Decode(units[at:]))
}

// complete puts a word in the place of the one that was begun.
func (s *Studio) complete(word string) {
	before, after := caret()
	before = strings.TrimSuffix(before, lastWord(before)) + word
	if after == "" || after[0] != ' ' {
		before += " "
	}
	e := dom.Get("prompt")
	e.Set("value", before+after)
	at := len(utf16.Encode([]rune(before)))
	e.Call("setSelectionRange", at, at)
	s.words()
	s.changedSoon()
}

// suggestionKey moves through the offered words and takes one; it tells whether
// it used the key.
func (s *Studio) suggestionKey(e js.Value) bool {
	items := dom.Get("suggestions").Get("children")
	n := items.Length()
	if n == 0 || e.Get("isComposing").Bool() {
		return false
	}
	switch e.Get("key").String() {
	case "ArrowDown":
		s.suggested = (s.suggested + 1) % n
	case "ArrowUp":
		if s.suggested < 0 {
			return false
		}
		s.suggested = (s.suggested + n - 1) % n
	case "Escape":
		closeSuggestions()
		return true
	case "Enter":
		if s.suggested < 0 {
			return false
		}
		s.complete(items.Index(s.suggested).Get("textContent").String())
		return true
	default:
		return false
	}
	for i := range n {
		on := "false"
		if i == s.suggested {
			on = "true"
			dom.Get("prompt").Call("setAttribute", "aria-activedescendant", items.Index(i).Get("id"))
		}
		items.Index(i).Call("setAttribute", "aria-selected", on)
	}
	return true
}
