package record

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/mcdm/mcdm/shaders"
)

// CPU returns a machine that runs the kernels' Go twins: slow, exact, and
// the same everywhere. It may be asked how many Bytes it has beside all else.
func CPU() Machine { return &cpu{} }

type cpu struct {
	constants [][]byte // by Buffer-1
	bytes     atomic.Int64
}

func (m *cpu) Alloc(_ string, size int) (shaders.Buffer, error) {
	// Kernels read whole vec4s: round up to 16 bytes.
	b := make([]byte, (size+15)&^15)
	m.constants = append(m.constants, b)
	m.bytes.Add(int64(len(b)))
	return shaders.Buffer(len(m.constants)), nil
}

func (m *cpu) Fill(b shaders.Buffer, offset int, data []byte) error {
	copy(m.constants[b-1][offset:], data)
	return nil
}

func (m *cpu) Upload(label string, data []byte) (shaders.Buffer, error) {
	b, err := m.Alloc(label, len(data))
	if err != nil {
		return 0, err
	}
	return b, m.Fill(b, 0, data)
}

func (m *cpu) Bytes() int64 { return m.bytes.Load() }

func (m *cpu) Release() {
	m.constants = nil
	m.bytes.Store(0)
}

func (m *cpu) Prepare(context.Context, *Plan, func(done, total int)) error { return nil }

func (m *cpu) Load(ctx context.Context, p *Plan, progress func(done, total int)) (Loaded, error) {
	at := p.place()
	l := &cpuPlan{machine: m, slot: at.slot, dummy: make([]byte, dummySize)}
	for _, n := range at.sizes {
		l.memory = append(l.memory, make([]byte, n))
		m.bytes.Add(int64(n))
	}
	if progress != nil {
		progress(1, 1)
	}
	return l, nil
}

// dummySize is the size in bytes of what an unbound binding sees.
const dummySize = 256

type cpuPlan struct {
	machine *cpu
	slot    []int
	memory  [][]byte
	dummy   []byte
}

func (l *cpuPlan) view(v shaders.View) []byte {
	var b []byte
	switch {
	case v.Buffer == 0:
		return l.dummy
	case v.Buffer < firstLocal:
		b = l.machine.constants[v.Buffer-1]
	default:
		b = l.memory[l.slot[v.Buffer-firstLocal]]
	}
	if v.Size == 0 {
		return b[v.Offset:]
	}
	return b[v.Offset : v.Offset+v.Size]
}

func (l *cpuPlan) Write(t shaders.Tensor, data []byte) error {
	dst := l.view(shaders.View{Buffer: t.Buffer, Offset: t.Offset})
	if len(data) > len(dst) {
		return fmt.Errorf("record: writing %d bytes into a tensor %v of %d", len(data), t, len(dst))
	}
	copy(dst, data)
	return nil
}

func (l *cpuPlan) Read(ctx context.Context, t shaders.Tensor) ([]byte, error) {
	return append([]byte(nil), l.view(shaders.View{Buffer: t.Buffer, Offset: t.Offset, Size: t.Size()})...), nil
}

func (l *cpuPlan) Run(ctx context.Context, programs ...*Program) error {
	var mem [][]byte
	for _, g := range programs {
		for _, d := range g.Dispatches {
			if err := ctx.Err(); err != nil {
				return err
			}
			mem = mem[:0]
			for _, v := range d.Bindings {
				mem = append(mem, l.view(v))
			}
			d.Kernel.Twin(d.Constants, d.Params, mem)
		}
	}
	return nil
}

func (l *cpuPlan) Wait(ctx context.Context) error { return ctx.Err() }
func (l *cpuPlan) Pace(ctx context.Context) error { return ctx.Err() }

func (l *cpuPlan) Release() {
	for _, b := range l.memory {
		l.machine.bytes.Add(-int64(len(b)))
	}
	l.memory = nil
}
