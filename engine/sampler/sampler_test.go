package sampler

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func linear(t *testing.T) *Schedule {
	s, err := NewSchedule("linear", 1000, 1e-4, 0.02)
	require.NoError(t, err)
	return s
}

func TestScheduleIsThePapers(t *testing.T) {
	s := linear(t)
	assert.InDelta(t, 157, 1/math.Sqrt(s.ABar[999]), 1) // what an eps error is multiplied by at t = T
	assert.Equal(t, 1e-4, s.Beta[0])
	assert.Equal(t, 0.02, s.Beta[999])
}

func TestTimesteps(t *testing.T) {
	s := linear(t)
	for _, c := range []struct {
		spacing Spacing
		n       int
		want    []int
	}{
		{Trailing, 4, []int{999, 749, 499, 249}},
		{Leading, 4, []int{750, 500, 250, 0}},
		{Linspace, 4, []int{999, 666, 333, 0}},
		{Linspace, 1, []int{0}},
		{Trailing, 1, []int{999}},
	} {
		got, err := s.Timesteps(c.n, c.spacing)
		require.NoError(t, err)
		assert.Equal(t, c.want, got, "%s %d", c.spacing, c.n)
	}
	full, err := s.Timesteps(1000, Trailing)
	require.NoError(t, err)
	for i, v := range full {
		require.Equal(t, 999-i, v)
	}
	for _, n := range []int{0, -1, 1001} {
		_, err := s.Timesteps(n, Trailing)
		assert.ErrorContains(t, err, "want 1 to 1000")
	}
}

func TestDDPMIsEquation13(t *testing.T) {
	s := linear(t)
	steps, err := Options{Name: "ddpm", Steps: 1000}.StepsOf(s)
	require.NoError(t, err)
	const z, eps = .7, -.4
	for _, p := range steps {
		x0 := (z - p.SqrtOneMinusABar*eps) / p.SqrtABar
		got := p.X0*x0 + p.Z*z + p.Eps*eps
		want := (z - s.Beta[p.T]/math.Sqrt(1-s.ABar[p.T])*eps) / math.Sqrt(1-s.Beta[p.T])
		require.InDelta(t, want, got, 1e-9, "t = %d", p.T)
	}
	assert.Zero(t, steps[999].Noise)
	// sigma_t^2 is the variance: the noise is scaled by its root.
	a, b := s.ABar[500], s.ABar[499]
	assert.InDelta(t, math.Sqrt(s.Beta[500]*(1-b)/(1-a)), steps[499].Noise, 1e-12)
}

// Without clipping, the noise of the clipped x0 is the predicted noise.
func TestClippedEpsIsEpsWhereNothingIsClipped(t *testing.T) {
	s := linear(t)
	o := Options{Steps: 20, Eta: .5}
	plain, err := o.StepsOf(s)
	require.NoError(t, err)
	o.ClippedEps = true
	clipped, err := o.StepsOf(s)
	require.NoError(t, err)
	const z, eps = .7, -.4
	for i, p := range plain {
		x0 := (z - p.SqrtOneMinusABar*eps) / p.SqrtABar
		q := clipped[i]
		assert.Zero(t, q.Eps)
		assert.InDelta(t, p.X0*x0+p.Z*z+p.Eps*eps, q.X0*x0+q.Z*z, 1e-9)
	}
}

func TestRefusals(t *testing.T) {
	s := linear(t)
	for _, o := range []Options{{Name: "euler"}, {Eta: 2}, {Eta: math.NaN()}, {Steps: 1001}, {Variance: "huge"}, {Spacing: "odd"}, {Name: "dpmsolver++", Steps: 1000, Spacing: Linspace},
		{Corrector: -1}, {Corrector: 101}, {CorrectorSize: -.1}, {CorrectorSize: 1.1}, {CorrectorSize: math.NaN()}} {
		_, err := o.StepsOf(s)
		assert.Error(t, err, "%+v", o)
	}
	_, err := NewSchedule("cosine", 1000, 1e-4, .02)
	assert.ErrorContains(t, err, "cosine")
	assert.Panics(t, func() { Merge([]float64{math.NaN()}) })
}
