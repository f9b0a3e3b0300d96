package engine

import (
	"context"
	"image"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/engine/sampler"
)

// extremes counts the bytes of a picture that are black or white.
func extremes(p *image.RGBA) (n int) {
	for i, v := range p.Pix {
		if i%4 < 3 && (v == 0 || v == 255) {
			n++
		}
	}
	return n
}

// With one step, where x0 of random networks lies far outside, a picture is
// clipped at the asked percentile: so many of its bytes are at the ends, on the
// adapter and on the twins, for every picture of a batch by itself.
func TestThresholdClipsAPart(t *testing.T) {
	sketch, mask := drawing()
	for where, machine := range machines(t) {
		m := load(t, machine)
		q := Request{
			Conditions: Conditions{Sketch: sketch, Mask: mask}, Weights: map[string]float64{"sketch": 3, "mask": 3},
			Sampler: sampler.Options{Steps: 1}, Count: 2,
		}
		for _, p := range sample(t, m, q) {
			require.Greater(t, extremes(p), 600, where)
		}
		q.Threshold = .9
		both := sample(t, m, q)
		for _, p := range both {
			// A tenth, and what rounds to the ends.
			assert.InDelta(t, 768/10, extremes(p), 8, where)
		}
		q.Seed, q.Count = q.Seed+1, 1
		assert.LessOrEqual(t, difference(both[1], sample(t, m, q)[0]), 1, where)
	}
}

// A whole rescale undoes what a common factor on all weights does to the
// deviation, and changes nothing where one condition's prediction is the merge.
func TestRescale(t *testing.T) {
	sketch, _ := drawing()
	for where, machine := range machines(t) {
		m := load(t, machine)
		q := Request{Conditions: Conditions{Sketch: sketch}, Sampler: sampler.Options{Name: "ddpm", Steps: 3}, Threshold: .99}
		plain := sample(t, m, q)[0]
		q.Rescale = 1
		assert.LessOrEqual(t, difference(plain, sample(t, m, q)[0]), 1, where)
		q.Weights = map[string]float64{"sketch": 4}
		rescaled := sample(t, m, q)[0]
		q.Rescale = 0
		assert.Greater(t, difference(rescaled, sample(t, m, q)[0]), 5, where)
	}
}

func TestDynamicsRefusals(t *testing.T) {
	m := load(t, record.CPU())
	for _, q := range []Request{{Threshold: -1}, {Threshold: 1.1}, {Threshold: math.NaN()}, {Rescale: 2}, {Rescale: -.1}, {Rescale: math.NaN()}} {
		_, err := m.Sample(context.Background(), q, nil)
		assert.ErrorContains(t, err, "want")
	}
}
