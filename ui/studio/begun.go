package studio

import (
	"strings"
	"unicode"
)

// lastWord is the word that a text ends in, as it is written; "" where it ends
// in anything but a letter.
func lastWord(text string) string {
	letter := func(r rune) bool { return unicode.IsLetter(r) || r == '\'' }
	return text[len(strings.TrimRightFunc(text, letter)):]
}

// begunWord is the word that a text ends in, in lower case.
func begunWord(text string) string { return strings.ToLower(lastWord(text)) }
