package engine

import (
	"context"
	"fmt"

	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/engine/sampler"
	"github.com/mcdm/mcdm/shaders"
	"github.com/mcdm/mcdm/weights/bundle"
)

// Exact is a sampling run on networks that are known in closed form: merge,
// step and noise are those of Sample, on the same machines, and what they must
// end with is known too (sampler.Recursion, sampler.Product).
type Exact struct {
	// Networks are over the same coordinates, which are the channels of z.
	Networks []sampler.Known
	Weights  []float64 // of the networks in (12): see sampler.Merge
	Count    int       // samples
	Seed     uint64
	Velocity bool // the networks say v instead of eps
}

// Run samples [Count, coordinates] through the steps. each (may be nil) gets z
// after every step: index 0 is z_T.
func (e Exact) Run(ctx context.Context, machine record.Machine, s *sampler.Schedule, steps []sampler.Step, each func(index int, z []float32)) ([]float32, error) {
	if e.Count < 1 || len(e.Networks) == 0 || len(e.Networks) > shaders.MaxNetworks || len(e.Weights) != len(e.Networks) {
		return nil, fmt.Errorf("%d samples of %d networks with %d weights: want at least one sample and 1 to %d networks, each with its weight",
			e.Count, len(e.Networks), len(e.Weights), shaders.MaxNetworks)
	}
	coordinates := e.Networks[0].Coordinates()
	for j, n := range e.Networks {
		if d := n.Coordinates(); d != coordinates || d == 0 {
			return nil, fmt.Errorf("network %d has %d coordinates, network 0 has %d: want the same number, at least 1", j, d, coordinates)
		}
	}
	var plan record.Plan
	n, w := 1, e.Count // samples are the pixels of one picture, or, where each is judged, pictures of one pixel
	if judged(steps) {
		n, w = w, n
	}
	if n > MaxJudged {
		return nil, fmt.Errorf("%d samples, each judged: want at most %d", e.Count, MaxJudged)
	}
	z := plan.Keep("z", n, 1, w, coordinates)
	args := shaders.MergeStepArgs{
		Z: z, Networks: len(e.Networks), Unshuffle: 1,
		Eps:    plan.Keep("eps", len(e.Networks)*n, 1, w, coordinates),
		X0Prev: plan.Keep("x0_prev", n, 1, w, coordinates), Known: plan.Keep("known", 2, 1, w, coordinates),
		Merged:  plan.Keep("merged eps", n, 1, w, coordinates),
		Preview: shaders.Tensor{Buffer: plan.KeepBytes("preview", 4*e.Count), N: n, H: 1, W: w, C: 1},
		Step:    shaders.Tensor{Buffer: plan.KeepBytes("step parameters", shaders.StepParamsSize), N: 1, H: 1, W: 1, C: shaders.StepParamsSize / 4},
	}
	step, begin := plan.Program("step"), plan.Program("begin")
	if judged(steps) {
		last, energy := plan.Keep("before the corrector", 2*n, 1, w, coordinates), plan.Keep("corrector's energy", n, 1, 1, 4)
		step.Add("judge the corrector", judgement(args, last, energy))
	}
	step.Add("merge and step", shaders.MergeStep(args))
	args.Init = true
	begin.Add("z_T", shaders.MergeStep(args))
	l, err := machine.Load(ctx, &plan, nil)
	if err != nil {
		return nil, err
	}
	defer l.Release()

	prediction := bundle.Epsilon
	if e.Velocity {
		prediction = bundle.Velocity
	}
	params := stepParams(e.Seed)
	params.Clip = 0 // a Gaussian has no bounds
	advance := func(index int, g *record.Program) ([]float32, error) {
		if err := l.Write(args.Step, params.Bytes()); err != nil {
			return nil, err
		}
		if err := l.Run(ctx, g); err != nil {
			return nil, err
		}
		v, err := read(ctx, l, z)
		if err == nil && each != nil {
			each(index, v)
		}
		return v, err
	}
	v, err := advance(0, begin)
	for i, p := range steps {
		if err != nil {
			return nil, err
		}
		if err := l.Write(args.Eps, rows(e.eps(v, p), coordinates)); err != nil {
			return nil, err
		}
		setStep(&params, prediction, p, e.Weights, i+1)
		v, err = advance(i+1, step)
	}
	return v, err
}

// eps is what the networks say about z at a step, one after the other.
func (e Exact) eps(z []float32, p sampler.Step) []float32 {
	out := make([]float32, 0, len(e.Networks)*len(z))
	abar := p.SqrtABar * p.SqrtABar
	d := e.Networks[0].Coordinates()
	x, eps := make([]float64, d), make([]float64, d)
	for _, n := range e.Networks {
		for i := 0; i < len(z); i += d {
			for c := range x {
				x[c] = float64(z[i+c])
			}
			n.Eps(eps, x, abar)
			for c, v := range eps {
				if e.Velocity { // Salimans and Ho 2022: eps = sqrt(abar) v + sqrt(1 - abar) z
					v = (v - p.SqrtOneMinusABar*x[c]) / p.SqrtABar
				}
				out = append(out, float32(v))
			}
		}
	}
	return out
}

// MaxJudged is the number of samples that can be accepted or rejected on their own:
// of workgroups that every adapter launches at once.
const MaxJudged = shaders.MaxGroups
