package engine

import "github.com/mcdm/mcdm/engine/record"

// Memory is what a model takes on its machine, in bytes.
type Memory struct {
	Weights int64
	// Activations are the buffers of one recording, which share memory where
	// they are not in use at the same time, and the parameters of its launches.
	Activations int64
}

// Memory plans a run of all networks for count pictures at once, without
// windows and maps, and allocates nothing: what Sample then takes, at its start
// and for all of its time.
func (m *Model) Memory(count int) (Memory, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var plan record.Plan
	if _, err := m.record(&plan, bare(m.networks...), m.square(count)); err != nil {
		return Memory{}, err
	}
	return Memory{Weights: m.weights, Activations: int64(plan.Bytes())}, nil
}
