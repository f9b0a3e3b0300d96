package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine"
	"github.com/mcdm/mcdm/weights/golden"
	"github.com/mcdm/mcdm/weights/safetensors"
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

// What fails after the pictures are there loses none of them.
func TestPicturesAreWrittenWhateverComesAfter(t *testing.T) {
	folder, out := t.TempDir(), filepath.Join(t.TempDir(), "x.png")
	files, err := golden.Bundle(16)
	require.NoError(t, err)
	for name, data := range files {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), data, 0o644))
	}
	printed, err := run(t, "sample", "--bundle", folder, "--device", "cpu", "--steps", "1", "--count", "2", "--sort", "--seed", "3", "--out", out)
	assert.ErrorContains(t, err, "there is nothing to score")
	for _, name := range []string{"x-1.png", "x-2.png"} {
		assert.FileExists(t, filepath.Join(filepath.Dir(out), name))
		assert.Contains(t, printed, name)
	}
}

func TestDevicesRefusesCounts(t *testing.T) {
	for _, count := range []string{"0", "-1", "2048"} {
		_, err := run(t, "devices", "--bundle", "../../../weights/bundles/avatars", "--count", count)
		assert.ErrorContains(t, err, "want 1 to 64 pictures")
	}
}

// A condition in another order of axes has as many values, and is refused.
func TestEpsInputShapes(t *testing.T) {
	floats := func(shape ...int) safetensors.Tensor {
		n := 1
		for _, s := range shape {
			n *= s
		}
		return safetensors.F32(make([]float32, n), shape...)
	}
	x := safetensors.File{"sample": floats(1, 12, 2, 2), "timestep": floats(1), "cond.sketch": floats(1, 3, 2, 2)}
	_, err := epsInput(x)
	require.NoError(t, err)
	x["cond.sketch"] = floats(1, 2, 2, 3)
	_, err = epsInput(x)
	assert.ErrorContains(t, err, "want [1, channels, 2, 2], as sample has")
}
