package main

import (
	"context"
	"image"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine"
)

func TestConditionFlags(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, img image.Image) string {
		path := filepath.Join(dir, name)
		require.NoError(t, writePNG(path, img))
		return path
	}
	one, two := file("one.png", image.NewGray(image.Rect(0, 0, 3, 3))), file("two.png", image.NewGray(image.Rect(0, 0, 5, 5)))
	g := conditionFlags{
		sketches: []string{one, two}, texts: []string{"long hair", "a smile"}, nots: []string{"glasses", "a beard"},
		colours: []string{two}, weights: []string{"text.4=-0.5", "sketch=2"}, maps: []string{"sketch.2=" + one},
	}
	var q engine.Request
	require.NoError(t, g.read(&q))
	assert.Equal(t, 3, q.Conditions.Sketch.Bounds().Dx())
	require.Len(t, q.Conditions.MoreSketches, 1)
	assert.Equal(t, 5, q.Conditions.MoreSketches[0].Bounds().Dx())
	assert.Equal(t, 5, q.Conditions.Colour.Bounds().Dx())
	assert.Empty(t, q.Conditions.MoreColours)
	assert.Equal(t, "long hair", q.Conditions.Text)
	assert.Equal(t, []string{"a smile", "glasses", "a beard"}, q.Conditions.MoreTexts)
	require.Contains(t, q.Maps, "sketch.2")
	r, _, _, _ := q.Maps["sketch.2"].At(0, 0).RGBA()
	assert.Zero(t, r)

	// What is forbidden has weight -1, where none is given.
	m, err := (&target{bundle: "../../../weights/bundles/avatars", device: "cpu"}).load(context.Background())
	require.NoError(t, err)
	defer m.Release()
	require.NoError(t, g.negate(&q, m))
	assert.Equal(t, map[string]float64{"text.3": -1, "text.4": -.5, "sketch": 2}, q.Weights)

	for _, c := range []struct {
		g    conditionFlags
		want string
	}{
		{conditionFlags{texts: []string{" "}}, "an empty sentence is given to --text or --not"},
		{conditionFlags{nots: []string{""}}, "an empty sentence is given to --text or --not"},
		{conditionFlags{maps: []string{"sketch"}}, "--map sketch: want NAME=PNG"},
		{conditionFlags{maps: []string{"sketch=" + dir + "/none.png"}}, "--map sketch: "},
		{conditionFlags{sketches: []string{one, dir + "/none.png"}}, "--sketch: "},
		{conditionFlags{colours: []string{dir + "/none.png"}}, "--colour: "},
		{conditionFlags{masks: []string{file("c.png", image.NewRGBA(image.Rect(0, 0, 2, 2)))}}, "--mask"},
	} {
		assert.ErrorContains(t, c.g.read(&engine.Request{}), c.want)
	}
}
