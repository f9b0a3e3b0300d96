package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine"
)

func TestParseWindows(t *testing.T) {
	w, err := parseWindows([]string{"sketch=0:0.6", "text=.25:1"})
	require.NoError(t, err)
	assert.Equal(t, map[string]engine.Window{"sketch": {Start: 0, End: .6}, "text": {Start: .25, End: 1}}, w)
	for _, s := range []string{"sketch", "sketch=0.5", "sketch=a:1", "sketch=0:b", "0:1"} {
		_, err := parseWindows([]string{s})
		assert.ErrorContains(t, err, "want NAME=START:END", s)
	}
}
