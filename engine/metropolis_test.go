package engine

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/engine/sampler"
)

// langevin is n corrector steps that stay at t, and one step that does nothing
// but judge the last of them.
func langevin(s *sampler.Schedule, t, n int, size float64, metropolis bool) (steps []sampler.Step) {
	abar := s.ABar[t]
	p := sampler.Step{
		T: t, SqrtABar: math.Sqrt(abar), SqrtOneMinusABar: math.Sqrt(1 - abar), Corrector: true,
		X0: size * math.Sqrt(abar), Z: 1 - size, Noise: math.Sqrt(2 * size * (1 - abar)),
	}
	for range n {
		steps = append(steps, p)
		if metropolis {
			p.Judge = size
		}
	}
	return append(steps, sampler.Step{T: t, SqrtABar: p.SqrtABar, SqrtOneMinusABar: p.SqrtOneMinusABar, Z: 1, Judge: p.Judge})
}

// At one level, adjusted Langevin comes to the network's own distribution under
// noise, of a Gaussian and of clusters, with steps of a size at which unadjusted
// Langevin is far off.
func TestMetropolisMeetsTheLevel(t *testing.T) {
	s := linear(t)
	const at, n = 300, 4096
	abar := s.ABar[at]
	for name, c := range map[string]struct {
		net         sampler.Mixture
		size, trail float64 // trail: what the trapezoid rule may add to the gap
	}{
		"Gaussian": {sampler.Mixture{{Weight: 1, Independent: sampler.Independent{{Mean: .3, Var: .04}}}}, .9, 0},
		"clusters": {sampler.Mixture{
			{Weight: .6, Independent: sampler.Independent{{Mean: -.8, Var: .01}}},
			{Weight: .4, Independent: sampler.Independent{{Mean: .8, Var: .02}}},
		}, .9, .02},
	} {
		var under sampler.Mixture // noise
		for _, k := range c.net {
			g := k.Independent[0]
			under = append(under, sampler.Component{Weight: k.Weight, Independent: sampler.Independent{{
				Mean: math.Sqrt(abar) * g.Mean, Var: abar*g.Var + 1 - abar,
			}}})
		}
		run := func(m record.Machine, count int, metropolis bool) []float32 {
			defer m.Release()
			e := Exact{Networks: []sampler.Known{c.net}, Weights: []float64{1}, Count: count, Seed: 6}
			z, err := e.Run(context.Background(), m, s, langevin(s, at, 60, c.size, metropolis), nil)
			require.NoError(t, err)
			return z
		}
		t.Run(name, func(t *testing.T) {
			adjusted := run(record.CPU(), n, true)
			off, plain := gap(adjusted, 1, 0, under), gap(run(record.CPU(), n, false), 1, 0, under)
			t.Logf("off by %.3f, unadjusted %.3f; noise %.3f", off, plain, gapNoise(n))
			assert.Less(t, off, gapNoise(n)+c.trail)
			assert.Greater(t, plain, 1.5*gapNoise(n), "unadjusted")
			// The adapter decides as the twins do: a sample judged otherwise would be
			// elsewhere from then on.
			for i, v := range run(onGPU(t), 64, true) {
				require.InDelta(t, adjusted[i], v, 1e-3, "sample %d", i)
			}
		})
	}
}

// Every picture is judged by itself, what is counted is told, and the adapter
// decides as the twins do.
func TestMetropolisOfPictures(t *testing.T) {
	sketch, mask := drawing()
	pictures := map[string][]string{}
	for where, machine := range machines(t) {
		m := load(t, machine)
		q := Request{
			Conditions: Conditions{Sketch: sketch, Mask: mask}, Count: 2, Seed: 11,
			Sampler: sampler.Options{Name: "ddpm", Steps: 3, Corrector: 3, CorrectorSize: .05, Metropolis: true},
		}
		var shares []float64
		both, err := m.Sample(context.Background(), q, func(p Progress) { shares = append(shares, p.Accepted) })
		require.NoError(t, err)
		require.Len(t, shares, 9)
		assert.Equal(t, make([]float64, 8), shares[:8])
		assert.InDelta(t, .5, shares[8], .5)
		assert.InDelta(t, 0, math.Mod(12*shares[8]+.001, 1), .01, "of 2 pictures with 6 corrector steps each")
		pictures[where] = append(pictures[where], fmt.Sprintf("%.4f", shares[8]))
		q.Seed, q.Count = 12, 1
		assert.LessOrEqual(t, difference(both[1], sample(t, m, q)[0]), 2, where)

		q.Threshold = .9
		_, err = m.Sample(context.Background(), q, nil)
		assert.ErrorContains(t, err, "does not go with threshold or rescale")
	}
	assert.Equal(t, pictures["cpu"], pictures["gpu"])
}
