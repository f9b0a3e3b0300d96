package record

import (
	"context"

	"github.com/mcdm/mcdm/shaders"
)

// Machine runs plans: a GPU, or the CPU through the Go twins.
type Machine interface {
	// Alloc makes room for constant data (weights), in bytes, where any plan can
	// bind it until the machine is released.
	Alloc(label string, size int) (shaders.Buffer, error)
	// Fill copies data, whole words, into what Alloc made. data is not kept.
	Fill(b shaders.Buffer, offset int, data []byte) error
	// Upload is Alloc and Fill for data of any length.
	Upload(label string, data []byte) (shaders.Buffer, error)
	// Prepare compiles the kernels of a plan that will be loaded: it may go on
	// while weights are still on their way. progress (may be nil) counts kernels.
	Prepare(ctx context.Context, p *Plan, progress func(done, total int)) error
	// Load allocates the plan's buffers and compiles its kernels. progress
	// (may be nil) counts compiled kernels.
	Load(ctx context.Context, p *Plan, progress func(done, total int)) (Loaded, error)
	// Bytes is the memory held now: weights and loaded plans.
	Bytes() int64
	// Release frees everything; the machine must not be used afterwards.
	Release()
}

// Loaded is a plan with memory on a machine.
type Loaded interface {
	// Write copies host data into a kept tensor (len(data) bytes from its start).
	Write(t shaders.Tensor, data []byte) error
	// Run starts programs, one after the other. On a GPU they are one pass, and it
	// returns before the work is done.
	Run(ctx context.Context, programs ...*Program) error
	// Wait returns when all started programs are done.
	Wait(ctx context.Context) error
	// Pace is called after each of many like pieces of work. It returns when no more
	// than a few are under way: a GPU has work while the host prepares more, and never
	// more than it can be stopped in.
	Pace(ctx context.Context) error
	// Read waits for the work before it and copies a kept tensor to the host.
	Read(ctx context.Context, t shaders.Tensor) ([]byte, error)
	Release()
}
