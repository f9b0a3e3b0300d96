package sampler

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// corners are four clusters in the plane, of different weights and widths.
func corners() Mixture {
	return Mixture{
		{.4, Independent{{-.6, .01}, {-.5, .02}}},
		{.3, Independent{{.6, .02}, {-.5, .01}}},
		{.2, Independent{{-.6, .03}, {.5, .04}}},
		{.1, Independent{{.6, .01}, {.5, .01}}},
	}
}

// Eps is -sqrt(1 - abar) times the slope of the log density of z, here by
// difference quotients of the mixture's own density under noise.
func TestMixtureEpsIsTheScore(t *testing.T) {
	m := corners()
	for _, abar := range []float64{.001, .3, .9, .9999} {
		log := func(z []float64) float64 {
			p := 0.0
			for _, c := range m {
				q := c.Weight
				for i, g := range c.Independent {
					v := abar*g.Var + 1 - abar
					q *= math.Exp(-math.Pow(z[i]-math.Sqrt(abar)*g.Mean, 2)/(2*v)) / math.Sqrt(2*math.Pi*v)
				}
				p += q
			}
			return math.Log(p)
		}
		for _, z := range [][]float64{{-.6, -.5}, {.1, .05}, {.5, .6}} {
			eps := make([]float64, 2)
			m.Eps(eps, z, abar)
			const d = 1e-5
			for i := range z {
				up, down := append([]float64(nil), z...), append([]float64(nil), z...)
				up[i] += d
				down[i] -= d
				want := -math.Sqrt(1-abar) * (log(up) - log(down)) / (2 * d)
				assert.InDelta(t, want, eps[i], 1e-5*(1+math.Abs(want)), "abar %v z %v", abar, z)
			}
		}
	}
	// Far from all components, where their densities are 0 in float64, the nearest speaks.
	eps := make([]float64, 2)
	m.Eps(eps, []float64{1e4, 1e4}, .9999)
	assert.False(t, math.IsNaN(eps[0]) || math.IsInf(eps[0], 0))
}

// Bayes' rule against numbers: the posterior's density is prior times
// likelihood over their integral.
func TestMixtureGiven(t *testing.T) {
	prior := corners()
	post := prior.Given(0, .2, .3).Given(1, -.1, .4)
	sum := 0.0
	for _, c := range post {
		sum += c.Weight
	}
	assert.InDelta(t, 1, sum, 1e-12)
	density := func(m Mixture, x, y float64) (p float64) {
		for _, c := range m {
			p += c.Weight * math.Exp(c.Independent[0].logDensity(x)+c.Independent[1].logDensity(y))
		}
		return p
	}
	joint := func(x, y float64) float64 {
		return density(prior, x, y) * math.Exp(-(x-.2)*(x-.2)/(2*.09)-(y+.1)*(y+.1)/(2*.16))
	}
	const d = .02
	total, mean, square, below := 0.0, 0.0, 0.0, 0.0
	for x := -2.; x < 2; x += d {
		for y := -2.; y < 2; y += d {
			v := joint(x, y) * d * d
			total += v
			mean += v * x
			square += v * x * x
			if x <= 0 {
				below += v
			}
		}
	}
	for _, at := range [][2]float64{{0, 0}, {-.55, -.4}, {.6, .5}} {
		assert.InDelta(t, joint(at[0], at[1])/total, density(post, at[0], at[1]), 1e-6)
	}
	got := post.Moments(0)
	assert.InDelta(t, mean/total, got.Mean, 1e-6)
	assert.InDelta(t, square/total-math.Pow(mean/total, 2), got.Var, 1e-6)
	assert.InDelta(t, below/total, post.CDF(0, d/2), 1e-3)
	assert.InDelta(t, (post.CDF(0, .1+1e-5)-post.CDF(0, .1-1e-5))/2e-5, post.Density(0, .1), 1e-6)
	// One component is a Gaussian.
	one := Mixture{{1, Independent{{.1, .25}}}}.Given(0, .5, .2)
	require.Len(t, one, 1)
	want := Gaussian{.1, .25}.Given(.5, .2)
	assert.InDelta(t, want.Mean, one.Moments(0).Mean, 1e-12)
	assert.InDelta(t, want.Var, one.Moments(0).Var, 1e-12)
}
