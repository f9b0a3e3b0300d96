package record

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/mcdm/mcdm/engine/gpu"
	"github.com/mcdm/mcdm/shaders"
)

// GPU returns a machine on a WebGPU device. Releasing the machine does not
// close the device.
func GPU(d *gpu.Device) Machine {
	return &device{dev: d, card: !d.Info().Software, pipelines: map[string]*gpu.Pipeline{}, compiling: make(chan struct{}, 1)}
}

// device is a machine that may be asked to Prepare, and how many Bytes it has, beside
// all else.
type device struct {
	dev       *gpu.Device
	card      bool          // a graphics card, whose forms are timed; a test may say so
	constants []*gpu.Buffer // by Buffer-1
	dummy     *gpu.Buffer
	bytes     atomic.Int64

	compiling chan struct{} // a lock: full while it is held

	mu        sync.Mutex               // of what follows
	pipelines map[string]*gpu.Pipeline // by pipelineKey
	tuned     tuning
}

func (m *device) Alloc(label string, size int) (shaders.Buffer, error) {
	b, err := m.alloc(label, (size+15)&^15)
	if err != nil {
		return 0, err
	}
	m.constants = append(m.constants, b)
	return shaders.Buffer(len(m.constants)), nil
}

func (m *device) Fill(b shaders.Buffer, offset int, data []byte) error {
	return m.dev.Write(m.constants[b-1], offset, data)
}

func (m *device) Upload(label string, data []byte) (shaders.Buffer, error) {
	b, err := m.Alloc(label, len(data))
	if err != nil {
		return 0, err
	}
	return b, m.Fill(b, 0, pad4(data))
}

// pad4 rounds data up to whole words, which is what WebGPU copies.
func pad4(data []byte) []byte {
	if len(data)%4 == 0 {
		return data
	}
	return append(slices.Clone(data), make([]byte, 4-len(data)%4)...)
}

func (m *device) alloc(label string, size int) (*gpu.Buffer, error) {
	if lim := m.dev.Limits(); size > lim.MaxBinding {
		return nil, fmt.Errorf("%w: %s needs a buffer of %d MiB, and this GPU binds at most %d MiB at once",
			gpu.ErrLimits, label, size>>20, lim.MaxBinding>>20)
	}
	b, err := m.dev.NewBuffer(label, size)
	if err != nil {
		return nil, fmt.Errorf("record: allocating %d bytes for %s: %w", size, label, err)
	}
	m.bytes.Add(int64(size))
	return b, nil
}

func (m *device) Bytes() int64 { return m.bytes.Load() }

func (m *device) Release() {
	for _, b := range m.constants {
		b.Release()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.pipelines {
		p.Release()
	}
	if m.dummy != nil {
		m.dummy.Release()
	}
	m.constants, m.pipelines, m.dummy = nil, map[string]*gpu.Pipeline{}, nil
	m.bytes.Store(0)
}

func (m *device) Load(ctx context.Context, p *Plan, progress func(done, total int)) (_ Loaded, err error) {
	if progress == nil {
		progress = func(int, int) {}
	}
	if m.dummy == nil {
		if m.dummy, err = m.alloc("unbound", dummySize); err != nil {
			return nil, err
		}
	}
	at := p.place()
	l := &gpuPlan{machine: m, slot: at.slot, programs: map[*Program]*gpu.Program{}}
	defer func() {
		if err != nil {
			l.Release()
		}
	}()
	for i, n := range at.sizes {
		b, err := m.alloc(fmt.Sprintf("slot %d", i), n)
		if errors.Is(err, gpu.ErrLimits) {
			err = fmt.Errorf("%w: ask for fewer pictures in one run", err)
		}
		if err != nil {
			return nil, err
		}
		l.memory = append(l.memory, b)
		l.bytes += int64(n)
	}
	if err := m.tune(ctx, p, l); err != nil {
		return nil, err
	}
	if err := m.compile(ctx, p, progress); err != nil {
		return nil, err
	}
	for _, g := range p.programs {
		var params *gpu.Buffer
		if l.programs[g], params, err = l.build(g); err != nil {
			return nil, err
		}
		l.params = append(l.params, params)
		l.bytes += int64(params.Size())
		m.bytes.Add(int64(params.Size()))
	}
	return l, nil
}

// Prepare compiles the kernels in the forms that Load will want: on a GPU that
// was not tuned yet, in all.
func (m *device) Prepare(ctx context.Context, p *Plan, progress func(done, total int)) error {
	if progress == nil {
		progress = func(int, int) {}
	}
	var all Plan
	g := all.Program("prepare")
	for _, from := range p.programs {
		for _, d := range from.Dispatches {
			for _, f := range m.formsToTry(d) {
				g.Dispatches = append(g.Dispatches, d.In(f))
			}
		}
	}
	return m.compile(ctx, &all, progress)
}

// compile makes the pipelines that the plan needs and the machine lacks, all
// at once.
func (m *device) compile(ctx context.Context, p *Plan, progress func(done, total int)) error {
	select { // who comes second finds the pipelines of the first
	case m.compiling <- struct{}{}:
		defer func() { <-m.compiling }()
	case <-ctx.Done():
		return ctx.Err()
	}
	var specs []gpu.PipelineSpec
	var keys []string
	for _, g := range p.programs {
		for _, d := range g.Dispatches {
			key := pipelineKey(d)
			if m.pipeline(key) != nil || slices.Contains(keys, key) {
				continue
			}
			code, err := d.Kernel.Code(d.Constants)
			if err != nil {
				return fmt.Errorf("record: %s: %w", d.Label, err)
			}
			keys = append(keys, key)
			specs = append(specs, gpu.PipelineSpec{Label: key, Code: code, Bindings: bindingKinds(d.Kernel)})
		}
	}
	if len(specs) == 0 {
		return nil
	}
	ps, err := m.dev.NewPipelines(ctx, specs, progress)
	m.mu.Lock()
	for i, p := range ps {
		if p != nil { // also where another one, or the context, ends this: they are not compiled again
			m.pipelines[keys[i]] = p
		}
	}
	m.mu.Unlock()
	if err != nil {
		return fmt.Errorf("record: compiling kernels: %w", err)
	}
	return nil
}

// pipeline is nil before it was compiled.
func (m *device) pipeline(key string) *gpu.Pipeline {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pipelines[key]
}

// pipelineKey names a kernel with its constants: conv2d[KH=3 KW=3 ...].
func pipelineKey(d shaders.Dispatch) string {
	var b strings.Builder
	b.WriteString(d.Kernel.Name)
	b.WriteByte('[')
	for i, k := range slices.Sorted(maps.Keys(d.Constants)) {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s=%d", k, d.Constants[k])
	}
	b.WriteByte(']')
	return b.String()
}

func bindingKinds(k *shaders.Kernel) []gpu.BindingKind {
	var kinds []gpu.BindingKind
	for _, b := range k.Bindings {
		if b.Access == shaders.ReadWrite {
			kinds = append(kinds, gpu.Storage)
		} else {
			kinds = append(kinds, gpu.ReadOnlyStorage)
		}
	}
	if k.HasParams {
		kinds = append(kinds, gpu.Uniform)
	}
	return kinds
}

type gpuPlan struct {
	machine  *device
	slot     []int
	memory   []*gpu.Buffer
	params   []*gpu.Buffer
	programs map[*Program]*gpu.Program
	pass     []*gpu.Program // of the last Run
	bytes    int64
}

// build turns a program into bind groups; the Params of all its launches lie
// in one uniform buffer, which is the caller's to release.
func (l *gpuPlan) build(g *Program) (_ *gpu.Program, uniform *gpu.Buffer, err error) {
	params := g.params()
	uniform, err = l.machine.dev.NewUniform(g.Name+" params", len(params))
	if err != nil {
		return nil, nil, fmt.Errorf("record: allocating the parameters of %s: %w", g.Name, err)
	}
	defer func() {
		if err != nil {
			uniform.Release()
		}
	}()
	if err := l.machine.dev.Write(uniform, 0, params); err != nil {
		return nil, nil, fmt.Errorf("record: writing the parameters of %s: %w", g.Name, err)
	}

	var launches []gpu.Launch
	offset := 0
	for _, d := range g.Dispatches {
		launch := gpu.Launch{Pipeline: l.machine.pipeline(pipelineKey(d)), Groups: d.Groups, Label: d.Label}
		for _, v := range d.Bindings {
			launch.Bindings = append(launch.Bindings, l.view(v))
		}
		if d.Kernel.HasParams {
			launch.Bindings = append(launch.Bindings, gpu.BufferView{Buffer: uniform, Offset: offset, Size: (len(d.Params) + 15) &^ 15})
			offset += (len(d.Params) + paramsAlign - 1) &^ (paramsAlign - 1)
		}
		launches = append(launches, launch)
	}
	program, err := l.machine.dev.NewProgram(g.Name, launches)
	if err != nil {
		return nil, nil, fmt.Errorf("record: building %s: %w", g.Name, err)
	}
	return program, uniform, nil
}

func (l *gpuPlan) view(v shaders.View) gpu.BufferView {
	switch {
	case v.Buffer == 0:
		return gpu.BufferView{Buffer: l.machine.dummy}
	case v.Buffer < firstLocal:
		return gpu.BufferView{Buffer: l.machine.constants[v.Buffer-1], Offset: v.Offset, Size: v.Size}
	default:
		return gpu.BufferView{Buffer: l.memory[l.slot[v.Buffer-firstLocal]], Offset: v.Offset, Size: v.Size}
	}
}

func (l *gpuPlan) Write(t shaders.Tensor, data []byte) error {
	v := l.view(shaders.View{Buffer: t.Buffer})
	return l.machine.dev.Write(v.Buffer, t.Offset, pad4(data))
}

func (l *gpuPlan) Read(ctx context.Context, t shaders.Tensor) ([]byte, error) {
	v := l.view(shaders.View{Buffer: t.Buffer})
	return l.machine.dev.Read(ctx, v.Buffer, t.Offset, t.Size())
}

func (l *gpuPlan) Run(ctx context.Context, programs ...*Program) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.pass = l.pass[:0]
	for _, g := range programs {
		if len(g.Dispatches) > 0 {
			l.pass = append(l.pass, l.programs[g])
		}
	}
	return l.machine.dev.Run(l.pass...)
}

func (l *gpuPlan) Wait(ctx context.Context) error { return l.machine.dev.Wait(ctx) }
func (l *gpuPlan) Pace(ctx context.Context) error { return l.machine.dev.Pace(ctx) }

func (l *gpuPlan) Release() {
	for _, g := range l.programs {
		if g != nil {
			g.Release()
		}
	}
	for _, b := range append(l.memory, l.params...) {
		b.Release()
	}
	l.machine.bytes.Add(-l.bytes)
	*l = gpuPlan{machine: l.machine}
}
