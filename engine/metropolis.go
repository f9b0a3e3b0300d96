package engine

import (
	"context"
	"slices"

	"github.com/mcdm/mcdm/engine/sampler"
	"github.com/mcdm/mcdm/shaders"
)

// judged tells whether any corrector step is to be accepted or rejected.
func judged(steps []sampler.Step) bool {
	return slices.ContainsFunc(steps, func(s sampler.Step) bool { return s.Judge > 0 })
}

// judgement is the launch that accepts or rejects before a step.
func judgement(a shaders.MergeStepArgs, last, energy shaders.Tensor) shaders.Dispatch {
	return shaders.Metropolis(shaders.MetropolisArgs{
		Eps: a.Eps, Z: a.Z, Known: a.Known, Last: last, Energy: energy, Step: a.Step, Networks: a.Networks, Maps: a.Maps,
	})
}

// forget clears what was counted in an earlier run.
func (x *session) forget(s shape) error {
	if !s.judged {
		return nil
	}
	return x.loaded.Write(x.energy, make([]byte, x.energy.Size()))
}

// accepted is the share of judged steps of all samples.
func (x *session) accepted(ctx context.Context) (float64, error) {
	v, err := read(ctx, x.loaded, x.energy)
	if err != nil {
		return 0, err
	}
	of, yes := 0.0, 0.0
	for i := 0; i < len(v); i += 4 {
		of, yes = of+float64(v[i+1]), yes+float64(v[i+2])
	}
	return yes / of, nil
}
