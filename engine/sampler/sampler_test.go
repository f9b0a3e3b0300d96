package sampler

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func linear(t *testing.T) *Schedule {
	s, err := NewSchedule(1000, 1e-4, 0.02)
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
		{Trailing, 48, []int{999, 978, 957, 936}}, // numpy's sums: 1000 - 3 * 20.8 lies below 937.5
	} {
		got, err := s.Timesteps(c.n, c.spacing)
		require.NoError(t, err)
		require.Len(t, got, c.n)
		assert.Equal(t, c.want, got[:len(c.want)], "%s %d", c.spacing, c.n)
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

// A run that starts later is the end of the whole run; its first step has no x0
// before it.
func TestStart(t *testing.T) {
	s := linear(t)
	for _, name := range Names {
		whole, err := Options{Name: name, Steps: 10}.StepsOf(s)
		require.NoError(t, err)
		late, err := Options{Name: name, Steps: 10, Start: .6}.StepsOf(s)
		require.NoError(t, err)
		require.Len(t, late, 4) // t = 399, 299, 199, 99
		assert.Equal(t, 399, late[0].T)
		assert.Zero(t, late[0].X0Prev)
		assert.Equal(t, whole[7:], late[1:], name)
	}
	_, err := Options{Steps: 10, Start: .95}.StepsOf(s)
	assert.ErrorContains(t, err, "no step is left after the start 0.95")
}

// Where x0 is a known x in every step, z follows q(z_t | x) = N(sqrt(abar) x, 1 - abar)
// from level to level, up to what is left of x in z_T.
func TestKeptRegionsFollowTheForwardProcess(t *testing.T) {
	s := linear(t)
	const x = .8
	for _, o := range []Options{
		{Name: "ddpm", Steps: 1000}, {Name: "ddpm", Steps: 20, Corrector: 2}, {Name: "ddim", Steps: 20, ClippedEps: true},
		{Name: "ddim", Steps: 20, ClippedEps: true, Eta: .7}, {Name: "dpmsolver++", Steps: 20}, {Name: "sde-dpmsolver++", Steps: 20, Corrector: 1},
	} {
		steps, err := o.StepsOf(s)
		require.NoError(t, err)
		mean, variance := 0.0, 1.0
		for _, p := range steps {
			a := s.ABar[p.T]
			require.InDelta(t, math.Sqrt(a)*x, mean, .01, "%+v at t = %d", o, p.T)
			// An unadjusted Langevin step tends to 1 / (1 - size/2) of the variance.
			most := 1.0
			if o.Corrector > 0 {
				most = 1 / (1 - DefaultCorrectorSize[OfNoise]/2)
			}
			require.Greater(t, variance, (1-a)*.999, "%+v at t = %d", o, p.T)
			require.Less(t, variance, most*(1-a)*1.001, "%+v at t = %d", o, p.T)
			require.Zero(t, p.Eps)
			mean = (p.X0+p.X0Prev)*x + p.Z*mean
			variance = p.Z*p.Z*variance + p.Noise*p.Noise
		}
		assert.InDelta(t, x, mean, 1e-9)
		assert.InDelta(t, 0, variance, 1e-9)
	}
}

func TestRefusals(t *testing.T) {
	s := linear(t)
	nan := math.NaN()
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Name: "euler"}, `"euler" is not known: want ddim`},
		{Options{Eta: 2}, "eta = 2: want 0 to 1"},
		{Options{Eta: nan}, "eta = NaN: want 0 to 1"},
		{Options{Steps: 1001}, "1001 steps: want 1 to 1000"},
		{Options{Variance: "huge"}, `variance "huge": want posterior or beta`},
		{Options{Spacing: "odd"}, `spacing "odd": want trailing`},
		{Options{Name: "dpmsolver++", Steps: 1000, Spacing: Linspace}, "1000 steps: dpmsolver++ with linspace spacing wants 1 to 999"},
		{Options{Start: -.1}, "start = -0.1: want 0 (noise) to 1"},
		{Options{Start: 1.1}, "start = 1.1: want 0 (noise) to 1"},
		{Options{Start: nan}, "start = NaN: want 0 (noise) to 1"},
		{Options{Corrector: -1}, "-1 corrector steps at every level: want 0 to 100"},
		{Options{Corrector: 101}, "101 corrector steps at every level: want 0 to 100"},
		{Options{CorrectorSize: -.1}, "step size -0.1: want above 0"},
		{Options{CorrectorSize: 1.1}, "step size 1.1: want above 0"},
		{Options{CorrectorSize: nan}, "step size NaN: want above 0"},
		{Options{CorrectorUnit: "t"}, `relative to "t": want noise or beta`},
	} {
		_, err := c.o.StepsOf(s)
		assert.ErrorContains(t, err, c.want)
	}
	assert.Panics(t, func() { Merge([]float64{math.NaN()}) })
}

// A step that lies where a window ends is in it, and in one that begins there.
func TestWindowEnds(t *testing.T) {
	s := linear(t)
	for _, c := range []struct {
		t   int
		way float64
	}{{999, 0}, {666, 1. / 3}, {333, 2. / 3}, {0, 1}} { // of 4 steps, linspace
		assert.True(t, Window{0, c.way}.Open(s, c.t), "t = %d", c.t)
		assert.True(t, Window{c.way, 1}.Open(s, c.t), "t = %d", c.t)
	}
	one, err := NewSchedule(1, .1, .1)
	require.NoError(t, err)
	assert.True(t, Window{1, 1}.Open(one, 0))
}

// Judged is what follows a corrector step, at its level.
func TestMetropolisJudgesWhatFollows(t *testing.T) {
	steps, err := Options{Name: "ddpm", Steps: 3, Corrector: 2, CorrectorSize: .3, Metropolis: true}.StepsOf(linear(t))
	require.NoError(t, err)
	require.Len(t, steps, 7) // P, C C P, C C P
	for i, want := range []float64{0, 0, .3, .3, 0, .3, .3} {
		assert.InDelta(t, want, steps[i].Judge, 1e-12, "step %d", i)
	}
}

// A corrector's step size of beta is that of Ho et al.'s beta_t where no timestep is left out, and never more than the
// level's own noise where steps are large.
func TestCorrectorOfBeta(t *testing.T) {
	s := linear(t)
	for _, steps := range []int{1000, 20} {
		list, err := Options{Name: "ddpm", Steps: steps, Corrector: 1, CorrectorUnit: OfBeta, CorrectorSize: .5}.StepsOf(s)
		require.NoError(t, err)
		seen := 0
		for _, p := range list {
			if !p.Corrector {
				continue
			}
			seen++
			h := (1 - p.Z) * (1 - s.ABar[p.T]) // of z' = z + h score + sqrt(2 h) eta
			assert.InDelta(t, p.Noise*p.Noise, 2*h, 1e-12)
			if steps == 1000 {
				require.InDelta(t, .5*s.Beta[p.T], h, 1e-12, "t = %d", p.T)
			}
			require.LessOrEqual(t, h, .5*(1-s.ABar[p.T])+1e-12)
		}
		assert.Equal(t, steps-1, seen)
	}
}
