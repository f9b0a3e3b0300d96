package golden

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSchedulersAreWhole(t *testing.T) {
	s, err := LoadSchedulers()
	require.NoError(t, err)
	for _, l := range s.Timesteps {
		assert.Len(t, l.Timesteps, l.Steps, l.Spacing)
	}
	samplers := map[string]int{}
	for _, r := range s.Runs {
		samplers[r.Sampler]++
		require.Len(t, r.X, len(r.At))
		assert.Equal(t, r.Steps-1, r.At[len(r.At)-1])
		for _, x := range r.X {
			assert.Len(t, x, Width)
		}
		assert.Less(t, r.F32Error, 2e-5, "%s %s %d", r.Sampler, r.Spacing, r.Steps)
	}
	for _, name := range []string{"ddpm", "ddim", "dpmsolver++", "sde-dpmsolver++"} {
		assert.Greater(t, samplers[name], 20, name)
	}
}

// The first step of DDIM with eta 0 from T-1, by hand.
func TestSchedulersStartAtXT(t *testing.T) {
	s, err := LoadSchedulers()
	require.NoError(t, err)
	abar := func(t int) float64 {
		a := 1.
		for i := range t + 1 {
			a *= 1 - (1e-4 + (.02-1e-4)*float64(i)/999)
		}
		return a
	}
	x, eps, seen := XT(), Eps(XT()), 0
	for _, r := range s.Runs {
		if r.Sampler != "ddim" || r.Eta != 0 || r.Spacing != "trailing" || r.Clip {
			continue
		}
		seen++
		a, b := abar(999), abar(999-1000/r.Steps)
		for k := range Width {
			x0 := (x[k] - math.Sqrt(1-a)*eps[k]) / math.Sqrt(a)
			want := math.Sqrt(b)*x0 + math.Sqrt(1-b)*eps[k]
			assert.InDelta(t, want, r.X[0][k], 1e-7*max(1, math.Abs(want)))
		}
	}
	assert.Positive(t, seen)
}
