package engine

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/engine/sampler"
)

// gap is the largest distance between the samples' distribution and the exact
// one, of one coordinate of each (Kolmogorov and Smirnov).
func gap(z []float32, coordinates, coordinate int, exact sampler.Mixture) (most float64) {
	var v []float64
	for i := coordinate; i < len(z); i += coordinates {
		v = append(v, float64(z[i]))
	}
	slices.Sort(v)
	n := float64(len(v))
	for i, x := range v {
		p := exact.CDF(coordinate, x)
		most = max(most, math.Abs(p-float64(i)/n), math.Abs(p-float64(i+1)/n))
	}
	return most
}

// noise of the gap: it stays below in 99.9% of all cases of n samples.
func gapNoise(n int) float64 { return 1.95 / math.Sqrt(float64(n)) }

// TestMixtureAlone samples from one network of a mixture in one and two
// dimensions: nothing is merged, and every sampler, with and without corrector,
// must come to the mixture itself, but for the error of its finite steps.
func TestMixtureAlone(t *testing.T) {
	s := linear(t)
	const n = 2048
	line := sampler.Mixture{
		{Weight: .7, Independent: sampler.Independent{{Mean: -.5, Var: .01}}},
		{Weight: .3, Independent: sampler.Independent{{Mean: .4, Var: .04}}},
	}
	plane := sampler.Mixture{
		{Weight: .5, Independent: sampler.Independent{{Mean: -.5, Var: .02}, {Mean: -.5, Var: .03}}},
		{Weight: .2, Independent: sampler.Independent{{Mean: .5, Var: .03}, {Mean: -.4, Var: .01}}},
		{Weight: .3, Independent: sampler.Independent{{Mean: .4, Var: .02}, {Mean: .6, Var: .04}}},
	}
	for _, c := range []struct {
		o      sampler.Options
		finite float64 // what the steps may add to the gap
	}{
		{sampler.Options{Name: "ddpm", Steps: 250}, .02},
		{sampler.Options{Name: "ddim", Steps: 100}, .02},
		{sampler.Options{Name: "ddim", Steps: 200, Eta: 1}, .02},
		{sampler.Options{Name: "dpmsolver++", Steps: 50}, .02},
		{sampler.Options{Name: "sde-dpmsolver++", Steps: 150}, .02},
		{sampler.Options{Name: "ddpm", Steps: 100, Corrector: 1}, .03},
		{sampler.Options{Name: "dpmsolver++", Steps: 50, Corrector: 2, CorrectorSize: .1}, .03},
	} {
		steps, err := c.o.StepsOf(s)
		require.NoError(t, err)
		for where, m := range machines(t) {
			t.Run(fmt.Sprintf("%+v %s", c.o, where), func(t *testing.T) {
				defer m.Release()
				e := Exact{Networks: []sampler.Known{sampler.Copies{Of: line, N: 4}}, Weights: []float64{1}, Count: n / 4, Seed: 3}
				z, err := e.Run(context.Background(), m, s, steps, nil)
				require.NoError(t, err)
				assert.Less(t, gap(z, 1, 0, line), gapNoise(n)+c.finite)

				e = Exact{Networks: []sampler.Known{sampler.Copies{Of: plane, N: 2}}, Weights: []float64{1}, Count: n / 2, Seed: 3, Velocity: true}
				z, err = e.Run(context.Background(), m, s, steps, nil)
				require.NoError(t, err)
				for i := range 2 {
					assert.Less(t, gap(z, 2, i, plane), gapNoise(n)+c.finite, "coordinate %d", i)
				}
				// The clusters keep their weights, not only their shadows on the axes.
				right := 0
				for i := 0; i < len(z); i += 2 {
					if z[i] > 0 && z[i+1] < .1 {
						right++
					}
				}
				assert.InDelta(t, .2, float64(right)/n, 4*math.Sqrt(.16/n)+c.finite)
			})
		}
	}
}

// TestMixtureMerged lets three networks see one coordinate of the plane each,
// and the coordinates depend on each other: the merge is not exact, and the
// corrector comes nearer to the exact product than its sampler alone.
func TestMixtureMerged(t *testing.T) {
	s := linear(t)
	prior := sampler.Mixture{
		{Weight: .5, Independent: sampler.Independent{{Mean: -.4, Var: .03}, {Mean: -.4, Var: .03}}},
		{Weight: .5, Independent: sampler.Independent{{Mean: .4, Var: .03}, {Mean: .4, Var: .03}}},
	}
	a, b, c := prior.Given(0, .1, .3), prior.Given(1, .1, .3), prior.Given(0, .2, .2)
	exact := a.Given(1, .1, .3).Given(0, .2, .2)
	const n = 4096
	off := func(m record.Machine, o sampler.Options) (gaps float64) {
		steps, err := o.StepsOf(s)
		require.NoError(t, err)
		e := Exact{Weights: sampler.Merge([]float64{1, 1, 1}), Count: n / 2, Seed: 8}
		for _, k := range []sampler.Known{prior, a, b, c} {
			e.Networks = append(e.Networks, sampler.Copies{Of: k, N: 2})
		}
		z, err := e.Run(context.Background(), m, s, steps, nil)
		require.NoError(t, err)
		return max(gap(z, 2, 0, exact), gap(z, 2, 1, exact))
	}
	for where, m := range machines(t) {
		t.Run(where, func(t *testing.T) {
			defer m.Release()
			ddim, ddpm := off(m, sampler.Options{Name: "ddim", Steps: 100}), off(m, sampler.Options{Name: "ddpm", Steps: 100})
			corrected := off(m, sampler.Options{Name: "ddpm", Steps: 100, Corrector: 2})
			t.Logf("off by %.3f (ddim), %.3f (ddpm), %.3f (corrected); noise %.3f", ddim, ddpm, corrected, gapNoise(n))
			assert.Greater(t, ddpm, gapNoise(n), "the merge is not exact")
			assert.Less(t, corrected, ddpm-gapNoise(n))
			assert.Less(t, ddpm, ddim-gapNoise(n))
		})
	}
}
