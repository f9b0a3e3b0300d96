package sampler

import (
	"fmt"
	"math"
	"slices"
)

// Step is one update from timestep T to the next lower one. With x0 the
// (clipped) estimate of the picture, eps the merged prediction and eta fresh
// noise N(0, I):
//
//	x0 = (z - SqrtOneMinusABar eps) / SqrtABar
//	z' = X0 x0 + Z z + Eps eps + Noise eta
type Step struct {
	T                          int
	SqrtABar, SqrtOneMinusABar float64
	X0, Z, Eps, Noise          float64
}

// Options choose a sampler. The zero value is DDIM with eta 0 in 50 steps.
type Options struct {
	Name    string  // "ddim" or "ddpm"; "" is ddim
	Steps   int     // network evaluations; 0 is 50
	Spacing Spacing // "" is trailing
	// Eta scales the noise of DDIM: 0 is deterministic, 1 has the variance of
	// DDPM (Song et al. 2021, equation 16).
	Eta float64
	// ClippedEps makes DDIM go on with the noise that the clipped x0 stands for,
	// (z - sqrt(abar) x0) / sqrt(1 - abar), instead of the predicted one: what was
	// clipped away does not come back in the next step. It is diffusers'
	// use_clipped_model_output.
	ClippedEps bool
	// Variance of DDPM: "posterior" (beta~_t) or "beta" (beta_t); "" is
	// posterior. Both are in Ho et al. 2020, section 3.2.
	Variance string
}

// DefaultSteps is the number of steps when Options say nothing.
const DefaultSteps = 50

// Names lists the samplers.
var Names = []string{"ddim", "ddpm"}

// StepsOf computes the coefficients of a whole run.
func (o Options) StepsOf(s *Schedule) ([]Step, error) {
	if o.Steps == 0 {
		o.Steps = min(DefaultSteps, s.T)
	}
	if o.Name == "" {
		o.Name = "ddim"
	}
	if !slices.Contains(Names, o.Name) {
		return nil, fmt.Errorf("sampler: %q is not known: want ddim or ddpm", o.Name)
	}
	if !(o.Eta >= 0 && o.Eta <= 1) {
		return nil, fmt.Errorf("sampler: eta = %v: want 0 to 1", o.Eta)
	}
	if !slices.Contains([]string{"", "posterior", "beta"}, o.Variance) {
		return nil, fmt.Errorf("sampler: variance %q: want posterior or beta", o.Variance)
	}
	ts, err := s.Timesteps(o.Steps, o.Spacing)
	if err != nil {
		return nil, err
	}
	steps := make([]Step, len(ts))
	for i, t := range ts {
		next := -1
		if i+1 < len(ts) {
			next = ts[i+1]
		}
		a, b := s.abar(t), s.abar(next)
		steps[i] = Step{T: t, SqrtABar: math.Sqrt(a), SqrtOneMinusABar: math.Sqrt(1 - a)}
		if o.Name == "ddpm" {
			steps[i].ddpm(a, b, o.Variance == "beta")
		} else {
			steps[i].ddim(a, b, o.Eta, o.ClippedEps)
		}
	}
	return steps, nil
}

// ddpm sets the update of the paper's (13), written as the posterior mean of
// z_{t-1} given x0 (Ho et al. 2020, (6) and (7)) so that x0 can be clipped:
// without clipping it is (z - beta/sqrt(1-abar) eps) / sqrt(1-beta). a and b
// are abar at t and at the next timestep, beta = 1 - a/b.
//
// The paper prints sigma_t^2 eta in (4), (5) and (13); sigma_t^2 is the
// variance of (2), so the noise is scaled by sigma_t, as in Ho et al. 2020,
// algorithm 2.
func (p *Step) ddpm(a, b float64, large bool) {
	alpha := a / b
	beta := 1 - alpha
	p.X0 = math.Sqrt(b) * beta / (1 - a)
	p.Z = math.Sqrt(alpha) * (1 - b) / (1 - a)
	switch {
	case b == 1: // the last step returns the mean
	case large:
		p.Noise = math.Sqrt(beta)
	default:
		p.Noise = math.Sqrt(beta * (1 - b) / (1 - a))
	}
}

// ddim sets the update of Song et al. 2021, equation 12.
func (p *Step) ddim(a, b, eta float64, clipped bool) {
	sigma := eta * math.Sqrt((1-b)/(1-a)*(1-a/b))
	p.X0 = math.Sqrt(b)
	p.Eps = math.Sqrt(max(1-b-sigma*sigma, 0))
	p.Noise = sigma
	if clipped {
		p.Z = p.Eps / p.SqrtOneMinusABar
		p.X0 -= p.Z * p.SqrtABar
		p.Eps = 0
	}
}

// Merge gives the weight of every network in (12), eps_c = eps_0 + sum_i w_i
// (eps_i - eps_0): w_i for the modalities and 1 - sum w_i for the
// unconditional network, which comes first.
func Merge(modalities []float64) []float64 {
	w := []float64{1}
	for _, m := range modalities {
		w[0] -= m
		w = append(w, m)
	}
	sum := 0.0
	for _, v := range w {
		sum += v
	}
	if !(math.Abs(sum-1) < 1e-9) {
		panic(fmt.Sprintf("sampler: the weights %v sum to %v, not to 1", w, sum))
	}
	return w
}
