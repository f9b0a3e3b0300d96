package sampler

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// With Gaussian networks the expectation over the noise is a closed form, and
// so is log p(x | c) - log p(x): the estimate tends to it.
func TestLiftOfGaussians(t *testing.T) {
	s := linear(t)
	prior := Gaussian{.1, .25}
	density := func(g Gaussian, x float64) float64 {
		return -(x-g.Mean)*(x-g.Mean)/(2*g.Var) - math.Log(2*math.Pi*g.Var)/2
	}
	for _, post := range []Gaussian{prior.Given(.5, .2), prior.Given(-.3, .6), prior} {
		for _, x := range []float64{-.6, 0, .45, 1} {
			for _, c := range []struct {
				levels int
				within float64
			}{{8, .5}, {32, .1}, {500, .02}} {
				ts, half, err := LiftLevels(s, c.levels, -20, 20)
				require.NoError(t, err)
				require.Len(t, ts, c.levels)
				got := 0.0
				for _, at := range ts {
					abar := s.ABar[at]
					// E (eta - K z - C)^2 with z = sqrt(abar) x + sqrt(1 - abar) eta
					squares := func(g Gaussian) float64 {
						k, c := g.Eps(abar)
						a, b := 1-k*math.Sqrt(1-abar), k*math.Sqrt(abar)*x+c
						return a*a + b*b
					}
					got += half * (squares(prior) - squares(post))
				}
				want := density(post, x) - density(prior, x)
				scale := 1 + math.Abs(want)
				assert.InDelta(t, want, got, c.within*scale, "N(%.3f, %.3f) at %v by %d levels", post.Mean, post.Var, x, c.levels)
			}
		}
	}
}

func TestLiftLevels(t *testing.T) {
	s := linear(t)
	ts, half, err := LiftLevels(s, 4, -4, 4)
	require.NoError(t, err)
	assert.Equal(t, 1., half)
	for k, want := range []float64{3, 1, -1, -3} {
		assert.InDelta(t, want, s.lambda(ts[k]), .03)
	}
	for _, n := range []int{0, 1001} {
		_, _, err := LiftLevels(s, n, -4, 4)
		assert.ErrorContains(t, err, "want 1 to 1000")
	}
	s, err = NewSchedule(10, 1e-4, .2)
	require.NoError(t, err)
	_, _, err = LiftLevels(s, 8, -7.5, -2.5)
	assert.ErrorContains(t, err, "goes from 9.21 to -0.66, and levels of noise to judge by lie between -7.5 and -2.5")
}
