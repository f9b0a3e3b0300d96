package engine

import (
	"context"
	"fmt"

	"github.com/mcdm/mcdm/engine/record"
)

// Memory is what a model takes on its machine, in bytes.
type Memory struct {
	Weights int64
	// Activations are the buffers of one recording, which share memory where
	// they are not in use at the same time, and the parameters of its launches.
	Activations int64
	// Upscaling is the same of an upscaling, which takes one picture at a time; 0
	// where the bundle has no upscaler.
	Upscaling int64
}

// Memory plans a run of all networks for count pictures at once, without
// windows and maps, and an upscaling, and allocates nothing: what Sample and
// Upscale then take, each at its start, until the next run of another shape.
func (m *Model) Memory(count int) (Memory, error) {
	if err := m.take(context.Background()); err != nil {
		return Memory{}, err
	}
	defer m.give()
	if count < 1 || count > MaxCount {
		return Memory{}, fmt.Errorf("count = %d: want 1 to %d pictures", count, MaxCount)
	}
	var plan record.Plan
	s := m.whole()
	s.batch = count
	if _, err := m.record(&plan, bare(m.networks...), s); err != nil {
		return Memory{}, err
	}
	memory := Memory{Weights: m.weights, Activations: int64(plan.Bytes())}
	if u := m.upscaler; u != nil {
		var plan record.Plan
		if _, err := u.record(&plan, bare(u.networks...), u.upscaling()); err != nil {
			return Memory{}, err
		}
		memory.Upscaling = int64(plan.Bytes())
	}
	return memory, nil
}
