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
	"github.com/mcdm/mcdm/shaders"
)

func linear(t *testing.T) *sampler.Schedule {
	s, err := sampler.NewSchedule(1000, 1e-4, .02)
	require.NoError(t, err)
	return s
}

// machines are the twins and the adapter.
func machines(t *testing.T) map[string]record.Machine {
	return map[string]record.Machine{"cpu": record.CPU(), "gpu": onGPU(t)}
}

// four repeats a distribution: four samples share the four channels of a pixel.
func four(g sampler.Gaussian) sampler.Independent { return sampler.Independent{g, g, g, g} }

// example is that of the sampler's tests: the prior N(0, .5^2) and three
// observations of .5 with noise variance .04.
func example() (nets []sampler.Gaussian, e Exact) {
	prior := sampler.Gaussian{Mean: 0, Var: .25}
	post := prior.Given(.5, .2)
	nets = []sampler.Gaussian{prior, post, post, post}
	e = Exact{Weights: sampler.Merge([]float64{1, 1, 1}), Count: 256, Seed: 5}
	for _, g := range nets {
		e.Networks = append(e.Networks, four(g))
	}
	return nets, e
}

func moments(v []float32) (mean, sd float64) {
	square := 0.0
	for _, x := range v {
		mean += float64(x) / float64(len(v))
		square += float64(x) * float64(x) / float64(len(v))
	}
	return mean, math.Sqrt(square - mean*mean)
}

// TestExactFollowsTheFormulas runs the fused merge and step over whole runs: on
// the adapter and on the twins, every z after every step must be what the
// formulas make of the same noise in float64, within 1e-5, and the samples must
// have the mean and deviation of the closed recursion.
func TestExactFollowsTheFormulas(t *testing.T) {
	s := linear(t)
	nets, e := example()
	for _, c := range []struct {
		o        sampler.Options
		velocity bool // the same noise said as v
	}{
		{sampler.Options{Name: "ddpm", Steps: 1000}, false},
		{sampler.Options{Name: "ddpm", Steps: 100, Variance: "beta"}, true},
		{sampler.Options{Name: "ddim", Steps: 50}, false},
		{sampler.Options{Name: "ddim", Steps: 50, Eta: .5, ClippedEps: true}, true},
		{sampler.Options{Name: "dpmsolver++", Steps: 10}, false},
		{sampler.Options{Name: "dpmsolver++", Steps: 100, Spacing: sampler.Linspace, Corrector: 1}, true},
		{sampler.Options{Name: "sde-dpmsolver++", Steps: 50, Corrector: 2, CorrectorSize: .1}, false},
		{sampler.Options{Name: "sde-dpmsolver++", Steps: 200, Spacing: sampler.Leading}, true},
	} {
		steps, err := c.o.StepsOf(s)
		require.NoError(t, err)
		e.Velocity = c.velocity
		for where, m := range machines(t) {
			t.Run(fmt.Sprintf("%+v velocity %v %s", c.o, c.velocity, where), func(t *testing.T) {
				defer m.Release()
				want := make([]float64, 4*e.Count)
				prev := make([]float64, len(want))
				worst := 0.0
				z, err := e.Run(context.Background(), m, s, steps, func(index int, got []float32) {
					require.Len(t, got, len(want))
					for i := range want {
						eta := shaders.Normals(e.Seed, uint32(i/4), 0, uint32(index))[i%4]
						if index == 0 {
							want[i] = eta
						} else {
							p := steps[index-1]
							abar := s.ABar[p.T]
							eps := 0.0
							for j, g := range nets {
								eps += e.Weights[j] * math.Sqrt(1-abar) * (want[i] - math.Sqrt(abar)*g.Mean) / (abar*g.Var + 1 - abar)
							}
							x0 := (want[i] - math.Sqrt(1-abar)*eps) / math.Sqrt(abar)
							want[i] = p.X0*x0 + p.X0Prev*prev[i] + p.Z*want[i] + p.Eps*eps + p.Noise*eta
							if !p.Corrector {
								prev[i] = x0
							}
						}
						worst = max(worst, math.Abs(want[i]-float64(got[i])))
						require.InDelta(t, want[i], float64(got[i]), 1e-5, "after step %d, value %d", index, i)
					}
				})
				require.NoError(t, err)
				t.Logf("within %.1e", worst)
				g, n := sampler.Recursion(s, steps, nets, e.Weights), float64(len(z))
				mean, sd := moments(z)
				assert.InDelta(t, g.Mean, mean, 4*math.Sqrt(g.Var/n))
				assert.InDelta(t, math.Sqrt(g.Var), sd, 4*math.Sqrt(g.Var/(2*n)))
			})
		}
	}
}

// TestExactDisjoint lets each of three modalities speak of one coordinate of
// its own: there the merge is exact, and every sampler must hit the product
// within Monte-Carlo error (four standard errors) of the samples.
func TestExactDisjoint(t *testing.T) {
	s := linear(t)
	prior := sampler.Gaussian{Mean: .1, Var: .25}
	e := Exact{Networks: []sampler.Known{four(prior)}, Weights: sampler.Merge([]float64{1, 1, 1}), Count: 1024, Seed: 9}
	want := four(prior) // the fourth coordinate: nobody speaks of it
	for i, sd := range []float64{.4, .8, .2} {
		want[i] = prior.Given(.5-.4*float64(i), sd)
		net := four(prior)
		net[i] = want[i]
		e.Networks = append(e.Networks, net)
	}
	for _, o := range []sampler.Options{
		{Name: "ddpm", Steps: 500},
		{Name: "ddim", Steps: 250},
		{Name: "dpmsolver++", Steps: 100},
		{Name: "sde-dpmsolver++", Steps: 200},
		{Name: "ddim", Steps: 100, Corrector: 1},
	} {
		steps, err := o.StepsOf(s)
		require.NoError(t, err)
		for where, m := range machines(t) {
			t.Run(fmt.Sprintf("%+v %s", o, where), func(t *testing.T) {
				defer m.Release()
				z, err := e.Run(context.Background(), m, s, steps, nil)
				require.NoError(t, err)
				for i, g := range want {
					var v []float32
					for k := i; k < len(z); k += 4 {
						v = append(v, z[k])
					}
					n, sd := float64(len(v)), math.Sqrt(g.Var)
					gotMean, gotSD := moments(v)
					assert.InDelta(t, g.Mean, gotMean, 4*sd/math.Sqrt(n), "mean of coordinate %d", i)
					assert.InDelta(t, sd, gotSD, 4*sd/math.Sqrt(2*n), "deviation of coordinate %d", i)
				}
			})
		}
	}
}

// TestExactProperties: a network with weight 0 beside one with weight 1 changes
// no bit of plain sampling from the one; the order of the modalities matters
// only to rounding; the weights of the conditions and of the one network that
// follows from them are the same run.
func TestExactProperties(t *testing.T) {
	s := linear(t)
	nets, e := example()
	other := sampler.Gaussian{Mean: -.3, Var: .1}
	steps, err := sampler.Options{Name: "sde-dpmsolver++", Steps: 30, Corrector: 1}.StepsOf(s)
	require.NoError(t, err)
	run := func(m record.Machine, weights []float64, of ...sampler.Gaussian) []float32 {
		e := Exact{Weights: weights, Count: e.Count, Seed: e.Seed}
		for _, g := range of {
			e.Networks = append(e.Networks, four(g))
		}
		z, err := e.Run(context.Background(), m, s, steps, nil)
		require.NoError(t, err)
		return z
	}
	near := func(t *testing.T, want, got []float32) {
		for i := range want {
			require.InDelta(t, want[i], got[i], 1e-5, "value %d", i)
		}
	}
	for where, m := range machines(t) {
		t.Run(where, func(t *testing.T) {
			defer m.Release()
			plain := run(m, []float64{1}, nets[1])
			assert.Equal(t, plain, run(m, sampler.Merge([]float64{1}), nets[0], nets[1]), "N = 1")
			assert.NotEqual(t, plain, run(m, sampler.Merge([]float64{.999}), nets[0], nets[1]))

			ab := run(m, sampler.Merge([]float64{1.5, -.7}), nets[0], nets[1], other)
			ba := run(m, sampler.Merge([]float64{-.7, 1.5}), nets[0], other, nets[1])
			near(t, ab, ba)

			twice := run(m, sampler.Merge([]float64{.5, .5}), nets[0], nets[1], nets[1])
			near(t, plain, twice)
		})
	}
}

func TestExactRefusals(t *testing.T) {
	_, good := example()
	s := linear(t)
	for _, change := range []func(*Exact){
		func(e *Exact) { e.Count = 0 },
		func(e *Exact) { e.Networks = nil },
		func(e *Exact) { e.Weights = e.Weights[1:] },
		func(e *Exact) { e.Networks[1] = sampler.Independent{} },
	} {
		e := good
		change(&e)
		_, err := e.Run(context.Background(), record.CPU(), s, nil, nil)
		assert.ErrorContains(t, err, "want")
	}
}
