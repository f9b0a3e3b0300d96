package engine

import (
	"fmt"
	"math"

	"github.com/mcdm/mcdm/shaders"
)

// dynamic tells whether steps look at whole pictures.
func (q Request) dynamic() bool { return q.Threshold != 0 || q.Rescale != 0 }

// checkDynamics refuses what is no percentile or part.
func (q Request) checkDynamics() error {
	if !(q.Threshold >= 0 && q.Threshold <= 1) {
		return fmt.Errorf("threshold %v: want the part of a picture's values that is not clipped, such as 0.995, or 0 for none", q.Threshold)
	}
	if !(q.Rescale >= 0 && q.Rescale <= 1) {
		return fmt.Errorf("rescale %v: want 0 (as merged) to 1 (with the deviation of the conditions' own predictions)", q.Rescale)
	}
	if q.Sampler.Metropolis && q.dynamic() {
		return fmt.Errorf("a corrector that accepts and rejects does not go with threshold or rescale: they change the prediction that it judges by; leave out one")
	}
	return nil
}

// setDynamics sets what all steps of a run over pictures like z have in common.
func (q Request) setDynamics(p *shaders.StepParams, z shaders.Tensor) {
	p.Rescale = float32(q.Rescale)
	p.Rank = uint32(math.Ceil(q.Threshold * float64(z.H*z.W*z.C)))
}

// recordStats records what is found out about whole pictures before the merge.
func (x *session) recordStats(a shaders.MergeStepArgs) shaders.Dispatch {
	s := shaders.MergeStatsArgs{
		Eps: a.Eps, Z: a.Z, Known: a.Known, Stats: a.Stats, Step: a.Step, Networks: a.Networks, Maps: a.Maps,
	}
	if x.terms[0].net.modality == Unconditional {
		s.First = 1
	}
	return shaders.MergeStats(s)
}
