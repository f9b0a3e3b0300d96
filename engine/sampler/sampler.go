package sampler

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Step is one evaluation of the networks at timestep T and the update that
// follows: to the next lower timestep, or, of a corrector, at the same. With x0
// the (clipped) estimate of the picture, x0_prev that of the last update that
// was no corrector's, eps the merged prediction and eta fresh noise N(0, I):
//
//	x0 = (z - SqrtOneMinusABar eps) / SqrtABar
//	z' = X0 x0 + X0Prev x0_prev + Z z + Eps eps + Noise eta
type Step struct {
	T                          int
	SqrtABar, SqrtOneMinusABar float64
	X0, X0Prev, Z, Eps, Noise  float64
	Corrector                  bool // x0 does not become x0_prev
	// Judge is the size h / (1 - abar) of the corrector step before, which is to be
	// accepted or rejected by what the networks say now; 0: nothing is.
	Judge float64
}

// Options choose a sampler. The zero value is DDIM with eta 0 in 50 steps.
type Options struct {
	Name    string  // one of Names; "" is ddim
	Steps   int     // levels of noise, from z_T to the picture; 0 is 50
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
	// Start is the part of the way from noise (0) to picture (1) after which the
	// run begins, with a picture under the noise of that level: diffusers' 1 -
	// strength. Steps counts the levels of the whole way.
	Start float64
	// Corrector is the number of Langevin steps at every level, each one more
	// evaluation of the networks: Steps + Corrector (Steps - 1) in all. The first
	// level needs none: z_T has its distribution.
	Corrector int
	// CorrectorSize is their step size, 0 to 1, as a part of what CorrectorUnit
	// says, OfNoise or OfBeta; 0 is DefaultCorrectorSize, "" is OfNoise.
	CorrectorSize float64
	CorrectorUnit string
	// Metropolis accepts or rejects every corrector step of every picture: see
	// metropolis.go. It costs no evaluation.
	Metropolis bool
}

// DefaultSteps is the number of levels when Options say nothing.
const DefaultSteps = 50

// Names lists the samplers by their names in diffusers.
var Names = []string{"ddim", "ddpm", "dpmsolver++", "sde-dpmsolver++"}

// rules set the coefficients of a step that leads from one level to the next.
var rules = map[string]func(p *Step, o Options, l levels){
	"ddim": ddim, "ddpm": ddpm, "dpmsolver++": dpmSolver, "sde-dpmsolver++": sdeDPMSolver,
}

// levels are abar where the step before began (0 in the first step), where
// this one begins, and where it leads (1 in the last step: the picture).
type levels struct{ before, a, b float64 }

// StepsOf computes the coefficients of a whole run, one evaluation of the
// networks after the other.
func (o Options) StepsOf(s *Schedule) ([]Step, error) {
	if o.Steps == 0 {
		o.Steps = min(DefaultSteps, s.T)
	}
	if o.Name == "" {
		o.Name = "ddim"
	}
	if !slices.Contains(Names, o.Name) {
		return nil, fmt.Errorf("sampler: %q is not known: want %s", o.Name, strings.Join(Names, ", "))
	}
	if !(o.Eta >= 0 && o.Eta <= 1) {
		return nil, fmt.Errorf("sampler: eta = %v: want 0 to 1", o.Eta)
	}
	if !slices.Contains([]string{"", "posterior", "beta"}, o.Variance) {
		return nil, fmt.Errorf("sampler: variance %q: want posterior or beta", o.Variance)
	}
	if err := o.checkCorrector(); err != nil {
		return nil, err
	}
	ts, err := o.timesteps(s)
	if err != nil {
		return nil, err
	}
	if !(o.Start >= 0 && o.Start <= 1) {
		return nil, fmt.Errorf("sampler: start = %v: want 0 (noise) to 1 (the picture)", o.Start)
	}
	way := Window{o.Start, 1}
	ts = slices.DeleteFunc(ts, func(t int) bool { return !way.Open(s, t) })
	if len(ts) == 0 {
		return nil, fmt.Errorf("sampler: no step is left after the start %v: want an earlier start or more than %d steps", o.Start, o.Steps)
	}
	var steps []Step
	l := levels{a: s.ABar[ts[0]]}
	for i, t := range ts {
		l.b = 1
		if i+1 < len(ts) {
			l.b = s.ABar[ts[i+1]]
		}
		if i > 0 {
			for range o.Corrector {
				steps = append(steps, corrector(t, l.a, o.correctorSize(l)))
			}
		}
		p := Step{T: t, SqrtABar: math.Sqrt(l.a), SqrtOneMinusABar: math.Sqrt(1 - l.a)}
		rules[o.Name](&p, o, l)
		steps = append(steps, p)
		l.before, l.a = l.a, l.b
	}
	if o.Metropolis {
		judge(steps)
	}
	return steps, nil
}

// timesteps are those of the schedule's spacing. DPM-Solver++ leaves out the
// lowest of one more: it spaces the levels between T and the picture itself,
// the other two those between T and t = 0, as diffusers does.
func (o Options) timesteps(s *Schedule) ([]int, error) {
	if !strings.HasSuffix(o.Name, "dpmsolver++") || o.Spacing == Trailing || o.Spacing == "" {
		return s.Timesteps(o.Steps, o.Spacing)
	}
	if o.Steps < 1 || o.Steps >= s.T {
		return nil, fmt.Errorf("sampler: %d steps: %s with %s spacing wants 1 to %d", o.Steps, o.Name, o.Spacing, s.T-1)
	}
	ts, err := s.Timesteps(o.Steps+1, o.Spacing)
	if err != nil {
		return nil, err
	}
	return ts[:o.Steps], nil
}
