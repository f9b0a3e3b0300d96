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

// gaussian is a variable whose eps is known in closed form: x ~ N(m, v).
type gaussian struct{ m, v float64 }

// eps is the coefficient pair (k, c) of eps(z, t) = k z + c.
func (g gaussian) eps(a float64) (k, c float64) {
	s := math.Sqrt(1 - a)
	d := a*g.v + 1 - a
	return s / d, -s * math.Sqrt(a) * g.m / d
}

// run follows mean and variance of z through all steps under merged linear eps.
func run(s *Schedule, steps []Step, nets []gaussian, w []float64) (mean, sd float64) {
	m, v := 0.0, 1.0
	for _, p := range steps {
		a := s.ABar[p.T]
		var k, c float64
		for i, g := range nets {
			ki, ci := g.eps(a)
			k += w[i] * ki
			c += w[i] * ci
		}
		// x0 = (z - s eps) / sqrt(a) is linear in z as well.
		gain := p.Z + p.Eps*k + p.X0*(1-p.SqrtOneMinusABar*k)/p.SqrtABar
		shift := p.Eps*c - p.X0*p.SqrtOneMinusABar*c/p.SqrtABar
		m = gain*m + shift
		v = gain*gain*v + p.Noise*p.Noise
	}
	return m, math.Sqrt(v)
}

// TestGaussianProduct pins the recursion of each sampler on the product of
// three Gaussian posteriors: prior N(0, .5^2), observations of .5 with noise
// variance .04. The exact product is N(.4747, .1125^2); the summed eps is not
// its score for t > 0, so no sampler reaches it (see the sampler's notes in
// the README), and deterministic ones end far too narrow.
func TestGaussianProduct(t *testing.T) {
	s := linear(t)
	prior := gaussian{0, .25}
	post := gaussian{.25 * .5 / (.25 + .04), .25 * .04 / (.25 + .04)}
	nets := []gaussian{prior, post, post, post}
	w := Merge([]float64{1, 1, 1})
	require.Equal(t, []float64{-2, 1, 1, 1}, w)
	for _, c := range []struct {
		o        Options
		mean, sd float64
	}{
		{Options{Name: "ddpm", Steps: 1000}, .4988, .0849},
		{Options{Name: "ddpm", Steps: 1000, Variance: "beta"}, .4988, .0897},
		{Options{Name: "ddpm", Steps: 1000, Corrector: 1, CorrectorSize: .2}, .4809, .1026},
		{Options{Name: "ddim", Steps: 1000, Spacing: Linspace}, .5485, .0248},
		{Options{Name: "ddim", Steps: 50, Spacing: Linspace}, .5302, .0128},
		{Options{Name: "ddim", Steps: 20, Spacing: Linspace}, .4881, .0055},
	} {
		steps, err := c.o.StepsOf(s)
		require.NoError(t, err)
		mean, sd := run(s, steps, nets, w)
		assert.InDelta(t, c.mean, mean, .00005, "%+v", c.o)
		assert.InDelta(t, c.sd, sd, .00005, "%+v", c.o)
	}
}

// With one conditional network nothing is merged: both samplers end at its own
// mean and variance.
func TestOneNetworkIsExact(t *testing.T) {
	s := linear(t)
	for _, o := range []Options{{Name: "ddpm", Steps: 1000}, {Name: "ddim", Steps: 1000, Eta: 1}, {Name: "ddim", Steps: 1000}} {
		steps, err := o.StepsOf(s)
		require.NoError(t, err)
		mean, sd := run(s, steps, []gaussian{{.3, .04}}, []float64{1})
		assert.InDelta(t, .3, mean, .002, "%+v", o)
		assert.InDelta(t, .2, sd, .006, "%+v", o)
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
