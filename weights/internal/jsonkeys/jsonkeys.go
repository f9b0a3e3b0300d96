// Package jsonkeys finds repeated keys in JSON objects, which encoding/json
// takes silently (the last one wins): in a file whose hash is trusted by one
// reader and whose values by another, that is a way to lie. Keys that differ in
// case alone are repeated too, since encoding/json fills one field from both.
package jsonkeys

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// Check returns an error for the first object that names a key twice, for
// malformed JSON, and for anything after the first value.
func Check(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	type level struct {
		seen map[string]bool // nil in an array
		key  bool            // the next token is a key
	}
	var stack []level
	for {
		token, err := dec.Token()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		top := len(stack) - 1
		if name, ok := token.(string); ok && top >= 0 && stack[top].key {
			folded := strings.Map(fold, name)
			if stack[top].seen[folded] {
				return fmt.Errorf("key %.100q appears twice in one object", name)
			}
			stack[top].seen[folded] = true
			stack[top].key = false
			continue
		}
		switch token {
		case json.Delim('{'):
			stack = append(stack, level{seen: map[string]bool{}, key: true})
			continue
		case json.Delim('['):
			stack = append(stack, level{})
			continue
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:top]
		}
		top = len(stack) - 1
		if top < 0 {
			break
		}
		stack[top].key = stack[top].seen != nil
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON value")
	}
	return nil
}

// fold maps all cases of a letter to one, as encoding/json does: k, K and the
// sign of kelvin are the same.
func fold(r rune) rune {
	least := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		least = min(least, other)
	}
	return least
}
