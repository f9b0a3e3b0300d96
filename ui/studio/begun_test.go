package studio

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestBegunWord(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "a ": "", "with Lon": "lon", "a person’s hai": "hai", "—é": "é", "woman's": "woman's", "two. ": "", "x2": "",
	} {
		assert.Equal(t, want, begunWord(text), text)
	}
}
