package sampler

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/weights/golden"
)

// follow runs a sampler from x_T and returns x after every step.
func follow(o Options, s *Schedule, steps []Step, clip bool) [][]float64 {
	x := golden.XT()
	noise := golden.Noise(len(steps))
	var out [][]float64
	for i, p := range steps {
		eps := golden.Eps(x)
		next := make([]float64, len(x))
		for k := range x {
			x0 := (x[k] - p.SqrtOneMinusABar*eps[k]) / p.SqrtABar
			if clip {
				x0 = math.Max(-1, math.Min(1, x0))
			}
			next[k] = p.X0*x0 + p.Z*x[k] + p.Eps*eps[k] + p.Noise*noise[i][k]
		}
		x = next
		out = append(out, x)
	}
	return out
}

// Every sampler step by step against diffusers' own, on the same eps and noise.
func TestAgainstDiffusers(t *testing.T) {
	g, err := golden.LoadSchedulers()
	require.NoError(t, err)
	s := linear(t)
	for _, c := range g.Timesteps {
		got, err := s.Timesteps(c.Steps, Spacing(c.Spacing))
		require.NoError(t, err)
		assert.Equal(t, c.Timesteps, got, "%s %d", c.Spacing, c.Steps)
	}
	require.NotEmpty(t, g.Runs)
	for _, c := range g.Runs {
		t.Run(fmt.Sprintf("%s %s %d eta %g %s clip %v", c.Sampler, c.Spacing, c.Steps, c.Eta, c.Variance, c.Clip), func(t *testing.T) {
			o := Options{Name: c.Sampler, Steps: c.Steps, Spacing: Spacing(c.Spacing), Eta: c.Eta}
			if c.Variance == "fixed_large" {
				o.Variance = "beta"
			}
			steps, err := o.StepsOf(s)
			require.NoError(t, err)
			got := follow(o, s, steps, c.Clip)
			for i, at := range c.At {
				for k, want := range c.X[i] {
					require.InDelta(t, want, got[at][k], 1e-5*math.Max(1, math.Abs(want)), "step %d, value %d", at, k)
				}
			}
		})
	}
}
