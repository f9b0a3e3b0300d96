package sampler

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// example is the prior N(0, .5^2) and what remains of it after each of three
// observations of .5 with noise variance .04.
func example() (nets []Gaussian, weights []float64) {
	prior := Gaussian{0, .25}
	post := prior.Given(.5, .2)
	return []Gaussian{prior, post, post, post}, Merge([]float64{1, 1, 1})
}

func TestGiven(t *testing.T) {
	g := Gaussian{0, .25}.Given(.5, .2)
	assert.InDelta(t, .25*.5/(.25+.04), g.Mean, 1e-15)
	assert.InDelta(t, .25*.04/(.25+.04), g.Var, 1e-15)
	// One after the other is the exact product of all.
	nets, weights := example()
	p := Product(nets, weights)
	g = g.Given(.5, .2).Given(.5, .2)
	assert.InDelta(t, g.Mean, p.Mean, 1e-12)
	assert.InDelta(t, g.Var, p.Var, 1e-12)
	assert.InDelta(t, .4747, p.Mean, .00005)
	assert.InDelta(t, .1125, math.Sqrt(p.Var), .00005)
}

// The closed form of eps is -sqrt(1 - abar) times the slope of the log density,
// taken here by a difference quotient.
func TestEpsIsTheScore(t *testing.T) {
	g := Gaussian{.3, .04}
	for _, abar := range []float64{.001, .5, .999} {
		v, m := abar*g.Var+1-abar, math.Sqrt(abar)*g.Mean
		log := func(z float64) float64 { return -(z - m) * (z - m) / (2 * v) }
		k, c := g.Eps(abar)
		const z, d = .7, 1e-4
		assert.InDelta(t, -math.Sqrt(1-abar)*(log(z+d)-log(z-d))/(2*d), k*z+c, 1e-8)
	}
}

// TestGaussianProduct pins where each sampler ends on the example, whose exact
// product is N(.4747, .1125^2). The summed eps is not its score for t > 0, so no
// sampler reaches it, and those without noise end far too narrow; the
// corrector widens.
func TestGaussianProduct(t *testing.T) {
	s := linear(t)
	nets, w := example()
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
		// By an independent program (numpy), correctors included.
		{Options{Name: "dpmsolver++", Steps: 10}, .4682, .0790},
		{Options{Name: "dpmsolver++", Steps: 50}, .5331, .0241},
		{Options{Name: "dpmsolver++", Steps: 250, Spacing: Linspace}, .5485, .0255},
		{Options{Name: "sde-dpmsolver++", Steps: 50}, .4965, .0531},
		{Options{Name: "sde-dpmsolver++", Steps: 250, Spacing: Linspace}, .4986, .0885},
		{Options{Name: "ddim", Steps: 50, Corrector: 1}, .5042, .0474},
		{Options{Name: "dpmsolver++", Steps: 250, Corrector: 1}, .4897, .0976},
		{Options{Name: "sde-dpmsolver++", Steps: 250, Spacing: Linspace, Corrector: 1}, .4853, .1042},
	} {
		steps, err := c.o.StepsOf(s)
		require.NoError(t, err)
		g := Recursion(s, steps, nets, w)
		assert.InDelta(t, c.mean, g.Mean, .00005, "%+v", c.o)
		assert.InDelta(t, c.sd, math.Sqrt(g.Var), .00005, "%+v", c.o)
	}
}

// TestContinuousLimits makes the steps ever finer: with S0 the prior's and Si the
// posteriors' variances, samplers without noise tend to the variance S0^(1-N)
// prod Si, here .0256^2, where the flow of the merged eps carries N(0, 1), and
// those with noise to .0894^2.
func TestContinuousLimits(t *testing.T) {
	nets, w := example()
	ode := math.Sqrt(math.Pow(nets[0].Var, -2) * nets[1].Var * nets[2].Var * nets[3].Var)
	require.InDelta(t, .0256, ode, .00005)
	sde := .0894
	for _, c := range []struct {
		o     Options
		limit float64
	}{
		{Options{Name: "ddim"}, ode},
		{Options{Name: "dpmsolver++"}, ode},
		{Options{Name: "ddpm"}, sde},
		{Options{Name: "ddpm", Variance: "beta"}, sde},
		{Options{Name: "ddim", Eta: 1}, sde},
		{Options{Name: "sde-dpmsolver++"}, sde},
	} {
		off := math.Inf(1)
		for _, finer := range []int{1, 10, 100} {
			s, err := NewSchedule(1000*finer, 1e-4/float64(finer), .02/float64(finer))
			require.NoError(t, err)
			c.o.Steps = s.T
			steps, err := c.o.StepsOf(s)
			require.NoError(t, err)
			d := math.Abs(math.Sqrt(Recursion(s, steps, nets, w).Var) - c.limit)
			assert.True(t, d < off || d < .00005, "%+v, T = %d: %v off the limit, %v with fewer", c.o, s.T, d, off)
			off = d
		}
		assert.Less(t, off, .00006, "%+v", c.o) // the limits have four digits
	}
}

// With one conditional network nothing is merged: every sampler ends at its
// own mean and variance.
func TestOneNetworkIsExact(t *testing.T) {
	s := linear(t)
	for _, o := range []Options{
		{Name: "ddpm"}, {Name: "ddim", Eta: 1}, {Name: "ddim"}, {Name: "dpmsolver++"}, {Name: "sde-dpmsolver++"},
		{Name: "ddpm", Corrector: 2}, {Name: "ddim", Corrector: 1}, {Name: "dpmsolver++", Corrector: 1},
	} {
		o.Steps = 1000
		steps, err := o.StepsOf(s)
		require.NoError(t, err)
		g := Recursion(s, steps, []Gaussian{{.3, .04}}, []float64{1})
		assert.InDelta(t, .3, g.Mean, .002, "%+v", o)
		assert.InDelta(t, .2, math.Sqrt(g.Var), .006, "%+v", o)
	}
}

// Unit weights are the sum of (12), eps_c = sum_i eps_i - (N-1) eps_0.
func TestUnitWeightsAreEquation12(t *testing.T) {
	for n := range 6 {
		ones := make([]float64, n)
		for i := range ones {
			ones[i] = 1
		}
		w := Merge(ones)
		assert.Equal(t, float64(1-n), w[0])
		assert.Equal(t, ones, w[1:])
	}
}
