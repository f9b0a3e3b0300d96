// Package tokenizer splits a text into the ids that a text encoder was trained
// on. It is the twin of weights/train/tokenizer.py: a golden file made by that
// one is the test of this one.
//
// The rule: every code point is mapped to lower case alone (the simple mapping
// of the Unicode Character Database: no special casing, no final sigma, and
// U+0130 becomes a plain i). A token is a maximal run of letters (categories L*)
// and decimal digits (Nd). An apostrophe, ' or ’, with such a code point on both
// sides belongs to the token and is written '. Everything else separates.
//
// Id 0 is <pad>, 1 is <unk>, the others are the vocabulary's words in order.
// Every text is cut or padded to a fixed length.
package tokenizer

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The ids that are no words.
const (
	Pad     = 0
	Unknown = 1
)

// Token is one word of a text.
type Token struct {
	Word       string // lower case, apostrophes written '
	ID         int32
	Start, End int  // bytes of the text: text[Start:End] is what was written
	Cut        bool // known, but beyond what EncodeKnown keeps: the network does not see it
}

// Known says whether the word is in the vocabulary.
func (t Token) Known() bool { return t.ID != Unknown }

// Tokenizer has a vocabulary and a length.
type Tokenizer struct {
	ids    map[string]int32
	length int
}

// New makes a tokenizer. vocabulary[id] is a word and begins with <pad> and
// <unk> (bundle.TextEncoder.Vocabulary); length is the number of ids of every
// text (textencoder.Config.Length).
func New(vocabulary []string, length int) (*Tokenizer, error) {
	if len(vocabulary) < 2 || vocabulary[Pad] != "<pad>" || vocabulary[Unknown] != "<unk>" {
		return nil, fmt.Errorf("vocabulary begins with %.40q: want <pad>, <unk>", vocabulary[:min(2, len(vocabulary))])
	}
	if length < 1 {
		return nil, fmt.Errorf("length = %d: want a positive number of ids", length)
	}
	t := &Tokenizer{ids: make(map[string]int32, len(vocabulary)), length: length}
	for id, word := range vocabulary {
		if other, twice := t.ids[word]; twice {
			return nil, fmt.Errorf("vocabulary: %q is id %d and %d", word, other, id)
		}
		t.ids[word] = int32(id)
	}
	return t, nil
}

// Encode returns the ids of a text, exactly as many as the length, and the words
// that the vocabulary does not have, each once, in order.
func (t *Tokenizer) Encode(text string) (ids []int32, unknown []string) {
	ids = make([]int32, t.length) // Pad
	seen := map[string]bool{}
	for i, token := range t.Tokens(text) {
		if i < t.length {
			ids[i] = token.ID
		}
		if !token.Known() && !seen[token.Word] {
			seen[token.Word] = true
			unknown = append(unknown, token.Word)
		}
	}
	return ids, unknown
}

// EncodeKnown is Encode with the words left out that the vocabulary does not
// have: a network that never met Unknown in training is led astray by it.
func (t *Tokenizer) EncodeKnown(text string) []int32 {
	ids := make([]int32, t.length) // Pad
	n := 0
	for _, token := range t.Tokens(text) {
		if token.Known() && n < t.length {
			ids[n] = token.ID
			n++
		}
	}
	return ids
}

// Tokens returns all words of a text with where they stand in it, those that
// EncodeKnown cuts off included and marked.
func (t *Tokenizer) Tokens(text string) []Token {
	var tokens []Token
	var word strings.Builder
	start, known := 0, 0
	flush := func(end int) {
		if word.Len() == 0 {
			return
		}
		token := Token{Word: word.String(), ID: Unknown, Start: start, End: end}
		if id, ok := t.ids[token.Word]; ok {
			token.ID = id
		}
		if token.Known() {
			token.Cut = known >= t.length
			known++
		}
		tokens = append(tokens, token)
		word.Reset()
	}
	for i, r := range text {
		switch {
		case isWord(r):
			if word.Len() == 0 {
				start = i
			}
			word.WriteRune(lower(r))
		case isApostrophe(r) && word.Len() > 0 && wordFollows(text[i+utf8.RuneLen(r):]):
			word.WriteByte('\'')
		default:
			flush(i)
		}
	}
	flush(len(text))
	return tokens
}

func isApostrophe(r rune) bool { return r == '\'' || r == '’' }

// isWord looks at the lower-case form, as the Python twin does.
func isWord(r rune) bool {
	r = lower(r)
	return unicode.IsLetter(r) || unicode.Is(unicode.Nd, r)
}

func lower(r rune) rune { return unicode.ToLower(r) }

func wordFollows(rest string) bool {
	r, _ := utf8.DecodeRuneInString(rest)
	return isWord(r)
}
