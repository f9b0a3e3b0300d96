package sampler

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/weights/golden"
)

// TestTimestepsAreThoseOfDiffusers compares the lists of all spacings.
func TestTimestepsAreThoseOfDiffusers(t *testing.T) {
	g, err := golden.LoadSchedulers()
	require.NoError(t, err)
	for _, want := range g.Timesteps {
		got, err := Options{Name: want.Sampler, Steps: want.Steps, Spacing: Spacing(want.Spacing)}.timesteps(linear(t))
		require.NoError(t, err)
		assert.Equal(t, want.Timesteps, got, "%s %s %d", want.Sampler, want.Spacing, want.Steps)
	}
}

// TestStepsAreThoseOfDiffusers runs all samplers with and without clipping and
// compares x along the way with the schedulers of diffusers in float64.
func TestStepsAreThoseOfDiffusers(t *testing.T) {
	g, err := golden.LoadSchedulers()
	require.NoError(t, err)
	for _, r := range g.Runs {
		name := fmt.Sprintf("%s %s %d eta %v %s clip %v", r.Sampler, r.Spacing, r.Steps, r.Eta, r.Variance, r.Clip)
		t.Run(name, func(t *testing.T) {
			o := Options{Name: r.Sampler, Steps: r.Steps, Spacing: Spacing(r.Spacing), Eta: r.Eta}
			if r.Variance == "fixed_large" {
				o.Variance = "beta"
			}
			steps, err := o.StepsOf(linear(t))
			require.NoError(t, err)
			x, noise, at := golden.XT(), golden.Noise(r.Steps), 0
			before := make([]float64, golden.Width)
			for i, p := range steps {
				for k, eps := range golden.Eps(x) {
					x0 := (x[k] - p.SqrtOneMinusABar*eps) / p.SqrtABar
					if r.Clip {
						x0 = max(-1, min(1, x0))
					}
					x[k] = p.X0*x0 + p.X0Prev*before[k] + p.Z*x[k] + p.Eps*eps + p.Noise*noise[i][k]
					before[k] = x0
				}
				if at < len(r.At) && r.At[at] == i {
					for k, want := range r.X[at] {
						require.InDelta(t, want, x[k], 1e-8*max(1, math.Abs(want)), "x[%d] after step %d", k, i)
					}
					at++
				}
			}
			require.Equal(t, len(r.At), at)
		})
	}
}
