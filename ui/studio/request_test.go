package studio

import (
	"image"
	"image/color"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine"
	"github.com/mcdm/mcdm/engine/sampler"
	"github.com/mcdm/mcdm/ui/recipe"
	"github.com/mcdm/mcdm/weights/bundle"
)

var manifest = &bundle.Manifest{Networks: []bundle.Network{
	{Name: "none", Modality: engine.Unconditional}, {Name: "lines", Modality: engine.Sketch},
	{Name: "mask", Modality: engine.Mask}, {Name: "text", Modality: engine.Text},
	{Name: "colour", Modality: engine.Colour},
}}

func whole() recipe.Recipe {
	return recipe.Recipe{
		Prompt: "a person", Seed: 7,
		Sketch:   image.NewGray(image.Rect(0, 0, 4, 4)),
		Mask:     image.NewPaletted(image.Rect(0, 0, 4, 4), color.Palette{color.Black}),
		Colours:  image.NewNRGBA(image.Rect(0, 0, 2, 2)),
		Networks: map[string]recipe.Input{"lines": {On: true, Weight: .7, End: 1}, "mask": {On: true, Weight: 1, End: 1}, "text": {On: true, Weight: 1.5, Start: .2, End: .6}, "colour": {On: true, Weight: .9, End: 1}},
		Sampler:  recipe.Sampler{Name: "ddpm", Steps: 30, Eta: .5, Corrector: 2},
	}
}

func TestRequest(t *testing.T) {
	r := whole()
	q, using := request(r, manifest)
	assert.Equal(t, []string{"sketch", "parts", "sentence", "colours"}, using)
	assert.Equal(t, map[string]float64{"lines": .7, "mask": 1, "text": 1.5, "colour": .9}, q.Weights)
	assert.Equal(t, map[string]engine.Window{"text": {Start: .2, End: .6}}, q.Windows)
	assert.Equal(t, r.Sketch, q.Conditions.Sketch)
	assert.Equal(t, r.Mask, q.Conditions.Mask)
	assert.Equal(t, "a person", q.Conditions.Text)
	assert.Equal(t, r.Colours, q.Conditions.Colour)
	assert.Equal(t, uint64(7), q.Seed)
	assert.Equal(t, []any{"ddpm", 30, .5, 2}, []any{q.Sampler.Name, q.Sampler.Steps, q.Sampler.Eta, q.Sampler.Corrector})
}

// What is off, weighs nothing or is empty is not given, so that its network is
// not run.
func TestRequestLeavesOut(t *testing.T) {
	r := whole()
	r.Networks["lines"] = recipe.Input{Weight: 1, End: 1}
	r.Networks["mask"] = recipe.Input{On: true, End: 1}
	r.Prompt, r.Colours = "  ", nil
	q, using := request(r, manifest)
	assert.Empty(t, using)
	assert.Empty(t, q.Weights)
	assert.Empty(t, q.Windows)
	assert.Nil(t, q.Conditions.Sketch)
	assert.Nil(t, q.Conditions.Mask)
	assert.Empty(t, q.Conditions.Text)
	assert.Nil(t, q.Conditions.Colour)
	r = whole()
	r.Sketch, r.Mask, r.Colours = nil, nil, nil
	_, using = request(r, manifest)
	assert.Equal(t, []string{"sentence"}, using)
	r.Image, r.Sampler.Start = image.NewRGBA(image.Rect(0, 0, 4, 4)), .4
	q, using = request(r, manifest)
	assert.Equal(t, []string{"sentence", "the start picture"}, using)
	assert.Equal(t, r.Image, q.Image)
	assert.Equal(t, .4, q.Sampler.Start)
}

// What is over before a run from a start picture begins does not count, nor is it
// said to.
func TestRequestOver(t *testing.T) {
	r := whole()
	r.Sampler.Start = .6
	_, using := request(r, manifest)
	assert.Equal(t, []string{"sketch", "parts", "sentence", "colours"}, using, "from noise")
	r.Image = image.NewRGBA(image.Rect(0, 0, 4, 4))
	q, using := request(r, manifest)
	assert.Equal(t, []string{"sketch", "parts", "colours", "the start picture"}, using)
	assert.NotContains(t, q.Weights, "text")
	r.Sampler.Start = .59
	_, using = request(r, manifest)
	assert.Contains(t, using, "sentence")
}

// The page counts the steps behind a start as the sampler does, but for one that lies
// just at it.
func TestStepsRun(t *testing.T) {
	schedule, err := sampler.NewSchedule(1000, 1e-4, .02)
	require.NoError(t, err)
	for percent := 5; percent <= 95; percent++ { // of #start-change
		start := 1 - float64(percent)/100
		for n := 1; n <= 200; n++ {
			steps, err := sampler.Options{Steps: n, Start: start}.StepsOf(schedule)
			got := stepsRun(recipe.Sampler{Steps: n, Start: start})
			assert.InDelta(t, len(steps), got, 1, "%d steps from %g", n, start)
			assert.Equal(t, err != nil, got == 0, "%d steps from %g", n, start)
		}
		for _, n := range []int{1, 8} {
			least := stepsFor(n, start)
			assert.Equal(t, n, stepsRun(recipe.Sampler{Steps: least, Start: start}), "%g", start)
			assert.Less(t, stepsRun(recipe.Sampler{Steps: least - 1, Start: start}), n, "%g", start)
		}
	}
	assert.Equal(t, []int{8, 20, 160}, []int{stepsFor(8, 0), stepsFor(1, .95), stepsFor(8, .95)})
}

// What is not wanted is the second sentence, with its weight below 0, in the
// sentence's window; with a first one or without.
func TestRequestNot(t *testing.T) {
	r := whole()
	r.Not = recipe.Not{Text: "a person with glasses", Weight: .5}
	q, using := request(r, manifest)
	assert.Equal(t, []string{"sketch", "parts", "sentence", "“Not this”", "colours"}, using)
	assert.Equal(t, []string{"a person with glasses"}, q.Conditions.MoreTexts)
	assert.Equal(t, -.5, q.Weights["text.2"])
	assert.Equal(t, 1.5, q.Weights["text"])
	assert.Equal(t, engine.Window{Start: .2, End: .6}, q.Windows["text.2"])

	r.Prompt = ""
	q, using = request(r, manifest)
	assert.Equal(t, []string{"sketch", "parts", "“Not this”", "colours"}, using)
	assert.Empty(t, q.Conditions.Text)
	assert.Equal(t, map[string]float64{"lines": .7, "mask": 1, "text.2": -.5, "colour": .9}, q.Weights)

	r.Not.Weight = 0
	q, _ = request(r, manifest)
	assert.Empty(t, q.Conditions.MoreTexts)
	r.Not.Weight = 1
	r.Networks["text"] = recipe.Input{Weight: 1, End: 1}
	q, _ = request(r, manifest)
	assert.Empty(t, q.Conditions.MoreTexts, "the card is off")

	none, weaker := r, r
	none.Not, weaker.Not.Weight = recipe.Not{}, .5
	assert.Equal(t, []string{"not this: “a person with glasses”, none"}, differences(r, none, manifest))
	assert.Equal(t, []string{"weight of “not this”: 1, 0.5"}, differences(r, weaker, manifest))
}

func TestDifferences(t *testing.T) {
	a, b := whole(), whole()
	assert.Empty(t, differences(a, b, manifest))
	b.Seed, b.Prompt, b.Sketch, b.Colours = 8, "", nil, nil
	b.Networks["text"] = recipe.Input{Weight: 1, Start: .2, End: 1}
	b.Sampler.Steps = 50
	b.Networks["lines"] = recipe.Input{On: true, Weight: a.Networks["lines"].Weight, Start: .125, End: .57}
	assert.Equal(t, []string{
		"seed: 7, 8", "another sketch", "other colours", "sentence: “a person”, none", "window of the sketch: 0–100%, 12.5–57%",
		"sentence: on, off", "weight of the sentence: 1.5, 1", "window of the sentence: 20–60%, 20–100%", "steps: 30, 50",
	}, differences(a, b, manifest))
	stopped := a
	stopped.Unfinished = true
	assert.Equal(t, []string{"one was stopped early"}, differences(stopped, a, manifest))
}
