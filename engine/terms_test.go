package engine

import (
	"context"
	"image"
	"image/color"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/engine/sampler"
	"github.com/mcdm/mcdm/shaders"
	"github.com/mcdm/mcdm/weights/bundle"
)

func TestChooseMoreOfAModality(t *testing.T) {
	sketch, mask := drawing()
	m := load(t, record.CPU())
	more := Conditions{Sketch: sketch, Mask: mask, MoreSketches: []image.Image{nil, sketch}, MoreMasks: []*image.Paletted{mask}}
	steps := []sampler.Step{{T: 999}, {T: 0}}
	terms, w, err := m.choose(Request{
		Conditions: more, Weights: map[string]float64{"sketch.3": -.5, "mask": 2},
		Windows: map[string]Window{"mask.2": {Start: .5, End: 1}},
	}, steps)
	require.NoError(t, err)
	assert.Equal(t, []string{"none", "sketch", "sketch.3", "mask", "mask.2"}, names(terms))
	assert.Equal(t, [][]float64{{-1.5, 1, -.5, 2, 0}, {-2.5, 1, -.5, 2, 1}}, w)
	// A second one without a first.
	terms, _, err = m.choose(Request{Conditions: Conditions{MoreSketches: []image.Image{sketch}}}, steps)
	require.NoError(t, err)
	assert.Equal(t, []string{"sketch.2"}, names(terms))

	one := Conditions{Sketch: sketch}
	for _, c := range []struct {
		q    Request
		want string
	}{
		{Request{Conditions: one, Weights: map[string]float64{"sketch.2": 1}}, "weight sketch.2=1: no such condition is given: want sketch"},
		{Request{Conditions: one, Windows: map[string]Window{"sketch.2": {End: 1}}}, "window of sketch.2: no such condition"},
		{Request{Conditions: one, Maps: map[string]image.Image{"voice": sketch}}, `map of voice: the bundle has no network "voice"`},
		{Request{Conditions: one, Maps: map[string]image.Image{"none": sketch}}, "map of none: the unconditional network takes what the others leave"},
		{Request{Conditions: one, Weights: map[string]float64{"none": .5}}, "weight none=0.5: the unconditional network takes what the others leave"},
		{Request{Conditions: one, Windows: map[string]Window{"none": {End: .5}}}, "window of none: the unconditional network takes what the others leave"},
		{Request{Conditions: Conditions{MoreTexts: []string{"a hat"}}}, "a text is given, but the bundle has no network for it"},
	} {
		_, _, err := m.choose(c.q, steps)
		assert.ErrorContains(t, err, c.want)
	}
	// Sample passes over what is said of conditions that are not given; CheckNames does not.
	require.NoError(t, m.CheckNames(Request{Conditions: more, Weights: map[string]float64{"sketch.3": 2}, Maps: map[string]image.Image{"mask": sketch}}))
	for want, q := range map[string]Request{
		"of mask: no such condition is given: there are sketch": {Conditions: one, Weights: map[string]float64{"mask": 2}},
		"of sketch: no such condition is given: there are none": {Windows: map[string]Window{"sketch": {End: .6}}},
		"of colour: no such condition is given":                 {Conditions: one, Maps: map[string]image.Image{"colour": sketch}},
	} {
		_, _, err := m.choose(q, steps)
		require.NoError(t, err)
		assert.ErrorContains(t, m.CheckNames(q), want)
	}
	m.networks = m.networks[1:]
	_, _, err = m.choose(Request{Conditions: one, Maps: map[string]image.Image{"sketch": sketch}}, steps)
	assert.ErrorContains(t, err, "which the bundle lacks: leave out the map")

	many := Request{Conditions: Conditions{MoreSketches: make([]image.Image, shaders.MaxNetworks+1)}}
	for i := range many.Conditions.MoreSketches {
		many.Conditions.MoreSketches[i] = sketch
	}
	_, err = load(t, record.CPU()).Sample(context.Background(), many, nil)
	assert.ErrorContains(t, err, "at most 16 can be merged")
}

// Two halves of one condition are the condition, and what pulls one way as hard
// as the other does not pull at all.
func TestMoreConditionsAreSummed(t *testing.T) {
	sketch, mask := drawing()
	for where, machine := range machines(t) {
		m := load(t, machine)
		q := Request{Conditions: Conditions{Sketch: sketch}, Sampler: sampler.Options{Steps: 3}, Seed: 4}
		one := sample(t, m, q)[0]
		q.Conditions.MoreSketches = []image.Image{sketch}
		q.Weights = map[string]float64{"sketch": .25, "sketch.2": .75}
		assert.LessOrEqual(t, difference(one, sample(t, m, q)[0]), 1, where)
		q.Weights = map[string]float64{"sketch": .75, "sketch.2": -.75}
		free := sample(t, m, Request{Sampler: q.Sampler, Seed: q.Seed})[0]
		assert.LessOrEqual(t, difference(free, sample(t, m, q)[0]), 1, where)
		// The second is not the first.
		blank := image.NewGray(image.Rect(0, 0, 8, 8))
		q.Conditions.MoreSketches, q.Conditions.MoreMasks = []image.Image{blank}, []*image.Paletted{mask}
		q.Weights = map[string]float64{"sketch": 0, "mask.2": 0}
		alone := sample(t, m, Request{Conditions: Conditions{Sketch: blank}, Sampler: q.Sampler, Seed: q.Seed})[0]
		assert.Positive(t, difference(one, alone))
		assert.Zero(t, difference(alone, sample(t, m, q)[0]), where)
	}
}

// counting counts how often each program is run.
type counting struct {
	record.Machine
	runs map[string]int
}

type countingLoaded struct {
	record.Loaded
	runs map[string]int
}

func (m counting) Load(ctx context.Context, p *record.Plan, progress func(done, total int)) (record.Loaded, error) {
	l, err := m.Machine.Load(ctx, p, progress)
	return countingLoaded{l, m.runs}, err
}

func (l countingLoaded) Run(ctx context.Context, programs ...*record.Program) error {
	for _, g := range programs {
		l.runs[g.Name]++
	}
	return l.Loaded.Run(ctx, programs...)
}

// silent is a loaded plan that does nothing.
type silent struct{ record.Loaded }

func (silent) Write(shaders.Tensor, []byte) error            { return nil }
func (silent) Run(context.Context, ...*record.Program) error { return nil }

func TestStepsAllocateNothing(t *testing.T) {
	ctx := context.Background()
	m := load(t, record.CPU())
	steps, err := sampler.Options{Steps: 10}.StepsOf(m.schedule)
	require.NoError(t, err)
	sketch, mask := drawing()
	q := Request{Conditions: Conditions{Sketch: sketch, Mask: mask}, Windows: map[string]Window{"sketch": {End: .5}}}
	terms, weights, err := m.choose(q, steps)
	require.NoError(t, err)
	s := m.square(2)
	s.sets = patterns(terms, weights)
	x, err := m.newSession(ctx, terms, s)
	require.NoError(t, err)
	defer x.loaded.Release()
	x.loaded = silent{x.loaded}
	params := stepParams(1)
	at := 0
	allocations := testing.AllocsPerRun(100, func() {
		i := at % len(steps)
		at++
		setStep(&params, m.diffusion.PredictionType, steps[i], weights[i], i+1)
		if err := x.advance(ctx, &params, steps[i].T, weights[i]); err != nil {
			panic(err)
		}
	})
	require.Zero(t, allocations)
	require.NotEqual(t, x.evaluate(weights[0]), x.evaluate(weights[9]), "both sets of networks must be among the steps")
}

// A window between two steps silences its condition.
func TestUnheard(t *testing.T) {
	sketch, mask := drawing()
	q := Request{
		Conditions: Conditions{Sketch: sketch, Mask: mask}, Sampler: sampler.Options{Steps: 10},
		Windows: map[string]Window{"sketch": {Start: .95, End: 1}, "mask": {Start: .5, End: 1}},
	}
	m := load(t, record.CPU())
	names, err := m.Unheard(q)
	require.NoError(t, err)
	assert.Equal(t, []string{"sketch"}, names)
	q.Weights = map[string]float64{"sketch": 0} // it is meant
	names, err = m.Unheard(q)
	require.NoError(t, err)
	assert.Empty(t, names)
}

// A network is not run in steps where it has no weight.
func TestNetworksWithoutWeightAreNotRun(t *testing.T) {
	sketch, mask := drawing()
	_, left := portrait()
	both := Conditions{Sketch: sketch, Mask: mask}
	half := map[string]Window{"sketch": {Start: 0, End: .5}}
	for name, c := range map[string]struct {
		q    Request
		want map[string]int
	}{
		"always": {Request{Conditions: both}, map[string]int{"eps none+sketch+mask": 10}},
		"window": {Request{Conditions: both, Windows: half}, map[string]int{"eps none+sketch+mask": 5, "eps mask": 5}},
		"weight": {Request{Conditions: both, Windows: half, Weights: map[string]float64{"mask": 0}}, map[string]int{"eps none": 5, "eps sketch": 5}},
		"shared": {Request{Conditions: both, Weights: map[string]float64{"sketch": .3, "mask": .7}}, map[string]int{"eps sketch+mask": 10}},
		"map":    {Request{Conditions: Conditions{Sketch: sketch}, Maps: map[string]image.Image{"sketch": left}}, map[string]int{"eps none+sketch": 10}},
		"map, for a while": {
			Request{
				Conditions: both, Maps: map[string]image.Image{"sketch": left},
				Windows: map[string]Window{"sketch": half["sketch"], "mask": {Start: .5, End: 1}},
			},
			map[string]int{"eps none+sketch": 5, "eps mask": 5},
		},
		"nothing": {Request{}, map[string]int{"eps none": 10}},
	} {
		m := counting{record.CPU(), map[string]int{}}
		model := load(t, m)
		c.q.Sampler = sampler.Options{Steps: 10}
		sample(t, model, c.q)
		c.want["step"], c.want["begin"], c.want["encode"] = 10, 1, 1
		assert.Equal(t, c.want, m.runs, name)
	}
}

// What is left of an earlier run does not show: networks that did not run are
// not read.
func TestSkippedNetworksLeaveNoTrace(t *testing.T) {
	sketch, mask := drawing()
	q := Request{
		Conditions: Conditions{Sketch: sketch, Mask: mask}, Sampler: sampler.Options{Steps: 4},
		Windows: map[string]Window{"sketch": {Start: 0, End: .3}, "mask": {Start: .6, End: 1}},
	}
	for where, machine := range machines(t) {
		m := load(t, machine)
		fresh := sample(t, m, q)[0]
		other := q
		other.Seed, other.Windows = 77, map[string]Window{"sketch": {Start: 0, End: .6}, "mask": {Start: .3, End: 1}}
		sample(t, m, other)
		assert.Zero(t, difference(fresh, sample(t, m, q)[0]), where)
	}
}

// With one step every pixel of the merge is its own: it is that of the sketch's
// network where the map is white, of the unconditional one where it is black,
// and nothing of the map stays behind.
func TestMapsWeighPixels(t *testing.T) {
	sketch, _ := drawing()
	_, left := portrait()
	for where, machine := range machines(t) {
		m := load(t, machine)
		q := Request{Sampler: sampler.Options{Steps: 1}, Seed: 2}
		free := sample(t, m, q)[0]
		q.Conditions.Sketch = sketch
		whole := sample(t, m, q)[0]
		q.Maps = map[string]image.Image{"sketch": left}
		both := sample(t, m, q)[0]
		different := 0
		for i := range both.Pix {
			want := free.Pix[i]
			if i/4%16 < 8 {
				want = whole.Pix[i]
			}
			require.InDelta(t, int(want), int(both.Pix[i]), 1, "%s byte %d", where, i)
			if free.Pix[i] != whole.Pix[i] {
				different++
			}
		}
		require.Greater(t, different, 100)
		q.Maps = nil
		assert.Zero(t, difference(whole, sample(t, m, q)[0]), where)

		// A gray map is a weight.
		gray := image.NewGray(image.Rect(0, 0, 1, 1))
		gray.SetGray(0, 0, color.Gray{102})
		q.Maps = map[string]image.Image{"sketch": gray}
		by := sample(t, m, q)[0]
		q.Maps, q.Weights = nil, map[string]float64{"sketch": .4}
		assert.LessOrEqual(t, difference(sample(t, m, q)[0], by), 1, where)

		q.Maps = map[string]image.Image{"sketch": image.NewGray(image.Rectangle{})}
		_, err := m.Sample(context.Background(), q, nil)
		assert.ErrorContains(t, err, "the map of sketch: it has no pixels")
	}
}

// shipped is the shipped bundle on the adapter.
func shipped(t testing.TB) *Model {
	b, err := bundle.Open(os.DirFS("../weights/bundles/avatars"))
	require.NoError(t, err)
	m, err := Load(context.Background(), onGPU(t), b, nil)
	require.NoError(t, err)
	t.Cleanup(m.Release)
	return m
}

// Texts are encoded each for itself: in the shipped bundle two of one sentence
// are the sentence, another one forbidden changes the picture, and the order does
// not.
func TestMoreTexts(t *testing.T) {
	m := shipped(t)
	const red = "a person with long red hair"
	q := Request{Conditions: Conditions{Text: red}, Sampler: sampler.Options{Steps: 1}}
	one := sample(t, m, q)[0]
	q.Conditions.MoreTexts, q.Weights = []string{red}, map[string]float64{"text": .5, "text.2": .5}
	assert.LessOrEqual(t, difference(one, sample(t, m, q)[0]), 1)
	q.Conditions.MoreTexts, q.Weights = []string{"a person with glasses"}, map[string]float64{"text.2": -1}
	other := sample(t, m, q)[0]
	assert.Greater(t, difference(one, other), 5)
	q.Conditions.Text, q.Conditions.MoreTexts, q.Weights = "a person with glasses", []string{red}, map[string]float64{"text": -1}
	assert.LessOrEqual(t, difference(other, sample(t, m, q)[0]), 1)
}
