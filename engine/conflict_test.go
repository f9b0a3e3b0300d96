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
	"github.com/mcdm/mcdm/weights/bundle"
)

// The angles of a run's step are those between the differences of what Eps says
// about the same z, with weights and a map.
func TestConflictIsTheAngleBetweenPulls(t *testing.T) {
	sketch, mask := drawing()
	_, left := portrait()
	ctx := context.Background()
	m := load(t, record.CPU())
	q := Request{
		Conditions: Conditions{Sketch: sketch, Mask: mask}, Sampler: sampler.Options{Name: "ddpm", Steps: 1}, Count: 2, Conflict: true,
		Weights: map[string]float64{"sketch": .7, "mask": -.4}, Maps: map[string]image.Image{"mask": left},
	}
	for _, prediction := range []string{bundle.Epsilon, bundle.Velocity} {
		m.diffusion.PredictionType = prediction
		var last Progress
		_, err := m.Sample(ctx, q, func(p Progress) { last = p })
		require.NoError(t, err)
		assert.Nil(t, last.Influence)
		require.Len(t, last.Conflict, 2)
		eps, _, err := m.Eps(ctx, inputs(999, [][]float64{noise(0), noise(1)}, sketch, mask))
		require.NoError(t, err)
		for n, c := range last.Conflict {
			assert.Equal(t, []string{"sketch", "mask"}, c.Names)
			dot, aa, bb := 0.0, 0.0, 0.0
			for i := range 12 * 64 {
				at := n*12*64 + i
				a, b := float64(eps["sketch"][at]-eps["none"][at]), -float64(eps["mask"][at]-eps["none"][at])
				if i%8 >= 4 { // the right half of the grid
					b = 0
				}
				dot, aa, bb = dot+a*b, aa+a*a, bb+b*b
			}
			want := dot / math.Sqrt(aa*bb)
			require.Greater(t, math.Abs(want), 1e-3)
			assert.InDelta(t, want, c.Pairs[0][1], 1e-5, "%s sample %d", prediction, n)
			assert.InDelta(t, want, c.Pairs[1][0], 1e-5)
			assert.InDelta(t, 1, c.Pairs[0][0], 1e-12)
			assert.InDeltaSlice(t, []float64{want, want}, c.Rest, 1e-5, "of two, the others are the other")
		}
	}
}

// Glimpses leave out the steps that have no preview.
func TestConflictGlimpses(t *testing.T) {
	sketch, mask := drawing()
	m := load(t, record.CPU())
	q := Request{Conditions: Conditions{Sketch: sketch, Mask: mask}, Sampler: sampler.Options{Name: "ddpm", Steps: 1}, Conflict: true, Glimpses: true}
	_, err := m.Sample(context.Background(), q, func(p Progress) { assert.Len(t, p.Conflict, 1, "the last step has a preview") })
	require.NoError(t, err)
	tell := func() (p Progress) {
		require.NoError(t, m.current.tell(context.Background(), &p, q, m.diffusion, sampler.Step{}, []float64{-1, 1, 1}))
		return p
	}
	assert.Nil(t, tell().Conflict)
	q.Glimpses = false
	assert.Len(t, tell().Conflict, 1)
}

func TestCosines(t *testing.T) {
	pairs, rest := cosines([][]float64{{2, 0}, {0, 3}, {-1, -1}, {0, 0}})
	r := math.Sqrt(.5)
	for i, want := range [][]float64{{1, 0, -r, 0}, {0, 1, -r, 0}, {-r, -r, 1, 0}, {0, 0, 0, 0}} {
		assert.InDeltaSlice(t, want, pairs[i], 1e-12)
	}
	// (2, 0) with (-1, 2), (0, 3) with (1, -1), (-1, -1) with (2, 3).
	assert.InDeltaSlice(t, []float64{-1 / math.Sqrt(5), -r, -5 / math.Sqrt(2*13), 0}, rest, 1e-12)
	_, rest = cosines([][]float64{{1, 2}})
	assert.Equal(t, []float64{0}, rest, "nobody else")
}
