//go:build !js

package gpu

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cogentcore/webgpu/wgpu"
)

// Device is an open graphics device. Its methods may be called from several
// goroutines.
type Device struct {
	*state
	mu      sync.Mutex // wgpu-native's device is used by one goroutine at a time, and not once it is closed
	device  *wgpu.Device
	queue   *wgpu.Queue
	info    Info
	limits  Limits
	layouts map[string]*wgpu.BindGroupLayout // by their kinds, printed
	paced   atomic.Int32                     // calls of Pace
}

// Buffer is memory of a device.
type Buffer struct {
	device *Device
	ref    *wgpu.Buffer
	label  string
	size   int
}

// Pipeline is a compiled kernel.
type Pipeline struct {
	ref    *wgpu.ComputePipeline
	layout *wgpu.BindGroupLayout
	label  string
	kinds  []BindingKind
}

// Program is a list of launches with their bind groups.
type Program struct {
	label    string
	launches []Launch
	groups   []*wgpu.BindGroup
}

// noAdapter names the fix for a machine without a driver.
const noAdapter = `no Vulkan, Metal or DirectX 12 adapter was found; install the GPU's driver, or a software one: on Debian and Ubuntu "apt-get install mesa-vulkan-drivers"; or run with --device cpu`

func init() { wgpu.SetLogLevel(wgpu.LogLevelError) }

// adapters lists the real adapters, not OpenGL's doubles, until release.
func adapters() (list []*wgpu.Adapter, release func()) {
	instance := wgpu.CreateInstance(nil)
	list = instance.EnumerateAdapters(&wgpu.InstanceEnumerateAdapterOptons{Backends: wgpu.InstanceBackendPrimary})
	slices.SortStableFunc(list, func(a, b *wgpu.Adapter) int { return rank(a) - rank(b) })
	return list, func() {
		for _, a := range list {
			a.Release()
		}
		instance.Release()
	}
}

// rank orders adapters: discrete, integrated, others, CPU.
func rank(a *wgpu.Adapter) int {
	switch a.GetInfo().AdapterType {
	case wgpu.AdapterTypeDiscreteGPU:
		return 0
	case wgpu.AdapterTypeIntegratedGPU:
		return 1
	case wgpu.AdapterTypeCPU:
		return 3
	}
	return 2
}

func describe(a *wgpu.Adapter) Info {
	i := a.GetInfo()
	return Info{
		Name: adapterName(i), Vendor: i.VendorName, Architecture: i.Architecture,
		Backend: i.BackendType.String(), Type: i.AdapterType.String(),
		Software: i.AdapterType == wgpu.AdapterTypeCPU || software(i.Name, i.DriverDescription),
	}
}

// Adapters lists the machine's adapters, the fastest first.
func Adapters() ([]Info, error) {
	list, release := adapters()
	defer release()
	var out []Info
	for _, a := range list {
		out = append(out, describe(a))
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: %s", ErrNoAdapter, noAdapter)
	}
	return out, nil
}

// Open opens a device. Of WebGPU's default limits it raises those of buffers' sizes
// only: a kernel that leaves the others fails here, not on a user's adapter.
func Open(ctx context.Context, o Options) (*Device, error) {
	list, release := adapters()
	defer release()
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: %s", ErrNoAdapter, noAdapter)
	}
	var names []string
	for _, a := range list {
		info := describe(a)
		names = append(names, info.Name)
		if !strings.Contains(strings.ToLower(info.Name), strings.ToLower(o.Adapter)) {
			continue
		}
		return open(a, info)
	}
	return nil, fmt.Errorf("%w named %q; there are: %s", ErrNoAdapter, o.Adapter, strings.Join(names, ", "))
}

func open(a *wgpu.Adapter, info Info) (*Device, error) {
	has := a.GetLimits().Limits
	want := wgpu.DefaultLimits()
	want.MaxStorageBufferBindingSize = has.MaxStorageBufferBindingSize
	want.MaxBufferSize = has.MaxBufferSize
	// No DeviceLostCallback: v0.23.0 hands C a pointer to memory that Go may
	// free. A lost device shows as an error of the next call.
	device, err := a.RequestDevice(&wgpu.DeviceDescriptor{Label: "mcdm", RequiredLimits: &wgpu.RequiredLimits{Limits: want}})
	if err != nil {
		return nil, fmt.Errorf("gpu: opening %s: %w", info, err)
	}
	got := device.GetLimits().Limits
	return &Device{
		state: newState(), device: device, queue: device.GetQueue(), info: info,
		layouts: map[string]*wgpu.BindGroupLayout{},
		limits: Limits{
			MaxBinding: int(min(got.MaxStorageBufferBindingSize, 1<<40)), MaxBuffer: int(min(got.MaxBufferSize, 1<<40)),
			MaxGroups: int(got.MaxComputeWorkgroupsPerDimension),
		},
	}, nil
}

// Info describes the adapter.
func (d *Device) Info() Info { return d.info }

// Limits are the device's.
func (d *Device) Limits() Limits { return d.limits }

// NewBuffer allocates zeroed memory that kernels may read and write.
func (d *Device) NewBuffer(label string, size int) (*Buffer, error) {
	return d.newBuffer(label, size, wgpu.BufferUsageStorage)
}

// NewUniform allocates zeroed memory for kernels' parameters.
func (d *Device) NewUniform(label string, size int) (*Buffer, error) {
	return d.newBuffer(label, size, wgpu.BufferUsageUniform)
}

func (d *Device) newBuffer(label string, size int, usage wgpu.BufferUsage) (*Buffer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.Err(); err != nil {
		return nil, err
	}
	size = (max(size, 4) + 3) &^ 3
	if size > d.limits.MaxBuffer {
		return nil, fmt.Errorf("%w: buffer %q of %d bytes: this device allows %d", ErrLimits, label, size, d.limits.MaxBuffer)
	}
	ref, err := d.device.CreateBuffer(&wgpu.BufferDescriptor{
		Label: label, Size: uint64(size), Usage: usage | wgpu.BufferUsageCopySrc | wgpu.BufferUsageCopyDst,
	})
	if err != nil {
		return nil, fmt.Errorf("gpu: allocating %d bytes for %q: %w", size, label, err)
	}
	d.allocated.Add(int64(size))
	return &Buffer{d, ref, label, size}, nil
}

// Release frees the buffer's memory.
func (b *Buffer) Release() {
	if b == nil || b.ref == nil {
		return
	}
	b.device.mu.Lock()
	defer b.device.mu.Unlock()
	b.ref.Destroy()
	b.ref.Release()
	b.ref = nil
	b.device.allocated.Add(-int64(b.size))
}

// Write copies data, a multiple of four bytes, into a buffer.
func (d *Device) Write(b *Buffer, offset int, data []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.Err(); err != nil {
		return err
	}
	if err := b.span(offset, len(data)); err != nil {
		return err
	}
	if len(data) == 0 {
		return nil
	}
	if err := d.queue.WriteBuffer(b.ref, uint64(offset), data); err != nil {
		return fmt.Errorf("gpu: writing to %q: %w", b.label, err)
	}
	return nil
}

// Read waits for the work before it and copies a range of a buffer.
func (d *Device) Read(ctx context.Context, b *Buffer, offset, size int) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := errors.Join(d.Err(), ctx.Err()); err != nil {
		return nil, err
	}
	if err := b.span(offset, size); err != nil {
		return nil, err
	}
	if size == 0 {
		return nil, nil
	}
	staging, err := d.device.CreateBuffer(&wgpu.BufferDescriptor{
		Label: "read " + b.label, Size: uint64(size), Usage: wgpu.BufferUsageMapRead | wgpu.BufferUsageCopyDst,
	})
	if err != nil {
		return nil, fmt.Errorf("gpu: reading %q: %w", b.label, err)
	}
	defer staging.Release()
	encoder, err := d.device.CreateCommandEncoder(nil)
	if err != nil {
		return nil, fmt.Errorf("gpu: reading %q: %w", b.label, err)
	}
	defer encoder.Release()
	if err := encoder.CopyBufferToBuffer(b.ref, uint64(offset), staging, 0, uint64(size)); err != nil {
		return nil, fmt.Errorf("gpu: reading %q: %w", b.label, err)
	}
	commands, err := encoder.Finish(nil)
	if err != nil {
		return nil, fmt.Errorf("gpu: reading %q: %w", b.label, err)
	}
	defer commands.Release()
	d.queue.Submit(commands)

	// v0.23.0 gives C the address of a handle that Go no longer holds until the
	// callback comes: no garbage collection may start before that.
	collecting.Lock()
	defer collecting.Unlock()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	status := wgpu.BufferMapAsyncStatusUnknown
	if err := staging.MapAsync(wgpu.MapModeRead, 0, uint64(size), func(s wgpu.BufferMapAsyncStatus) { status = s }); err != nil {
		return nil, fmt.Errorf("gpu: reading %q: %w", b.label, err)
	}
	// Not to be cut short: the callback needs what this function holds.
	if err := d.drain(context.WithoutCancel(ctx)); err != nil {
		return nil, fmt.Errorf("gpu: reading %q: %w", b.label, err)
	}
	if status != wgpu.BufferMapAsyncStatusSuccess {
		err := fmt.Errorf("%w: reading %q: %v", ErrLost, b.label, status)
		d.fail(err)
		return nil, err
	}
	out := slices.Clone(staging.GetMappedRange(0, uint(size)))
	return out, staging.Unmap()
}

// collecting is held by who stops the garbage collection, which is one for all devices.
var collecting sync.Mutex

// NewPipelines compiles kernels. progress (may be nil) is called after each.
// Errors carry the compiler's message; beside one come the pipelines that there are,
// and nil for the others.
func (d *Device) NewPipelines(ctx context.Context, specs []PipelineSpec, progress func(done, total int)) ([]*Pipeline, error) {
	out := make([]*Pipeline, len(specs))
	for i, s := range specs {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		p, err := d.newPipeline(s)
		if err != nil {
			return out, fmt.Errorf("gpu: compiling %s: %w", s.Label, err)
		}
		out[i] = p
		if progress != nil {
			progress(i+1, len(specs))
		}
	}
	return out, nil
}

func (d *Device) newPipeline(s PipelineSpec) (*Pipeline, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.Err(); err != nil {
		return nil, err
	}
	layout, err := d.layout(s.Bindings)
	if err != nil {
		return nil, err
	}
	module, err := d.device.CreateShaderModule(&wgpu.ShaderModuleDescriptor{
		Label: s.Label, WGSLDescriptor: &wgpu.ShaderModuleWGSLDescriptor{Code: s.Code},
	})
	if err != nil {
		return nil, err
	}
	defer module.Release()
	pl, err := d.device.CreatePipelineLayout(&wgpu.PipelineLayoutDescriptor{BindGroupLayouts: []*wgpu.BindGroupLayout{layout}})
	if err != nil {
		return nil, err
	}
	defer pl.Release()
	ref, err := d.device.CreateComputePipeline(&wgpu.ComputePipelineDescriptor{
		Label: s.Label, Layout: pl, Compute: wgpu.ProgrammableStageDescriptor{Module: module, EntryPoint: "main"},
	})
	if err != nil {
		return nil, err
	}
	return &Pipeline{ref, layout, s.Label, s.Bindings}, nil
}

var bufferTypes = map[BindingKind]wgpu.BufferBindingType{
	Uniform:         wgpu.BufferBindingTypeUniform,
	ReadOnlyStorage: wgpu.BufferBindingTypeReadOnlyStorage,
	Storage:         wgpu.BufferBindingTypeStorage,
}

func (d *Device) layout(kinds []BindingKind) (*wgpu.BindGroupLayout, error) {
	key := fmt.Sprint(kinds)
	if l, ok := d.layouts[key]; ok {
		return l, nil
	}
	var entries []wgpu.BindGroupLayoutEntry
	for i, k := range kinds {
		entries = append(entries, wgpu.BindGroupLayoutEntry{
			Binding: uint32(i), Visibility: wgpu.ShaderStageCompute, Buffer: wgpu.BufferBindingLayout{Type: bufferTypes[k]},
		})
	}
	l, err := d.device.CreateBindGroupLayout(&wgpu.BindGroupLayoutDescriptor{Entries: entries})
	if err == nil {
		d.layouts[key] = l
	}
	return l, err
}

// Release frees the pipeline.
func (p *Pipeline) Release() {
	if p != nil && p.ref != nil {
		p.ref.Release()
		p.ref = nil
	}
}

// NewProgram makes the bind groups of a list of launches, once.
func (d *Device) NewProgram(label string, launches []Launch) (*Program, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.Err(); err != nil {
		return nil, err
	}
	p := &Program{label: label, launches: launches}
	for _, l := range launches {
		if err := checkLaunch(l, d.limits.MaxGroups); err != nil {
			p.Release()
			return nil, err
		}
		var entries []wgpu.BindGroupEntry
		for i, v := range l.Bindings {
			size := v.Size
			if size == 0 {
				size = v.Buffer.size - v.Offset
			}
			entries = append(entries, wgpu.BindGroupEntry{Binding: uint32(i), Buffer: v.Buffer.ref, Offset: uint64(v.Offset), Size: uint64(size)})
		}
		g, err := d.device.CreateBindGroup(&wgpu.BindGroupDescriptor{Label: l.Label, Layout: l.Pipeline.layout, Entries: entries})
		if err != nil {
			p.Release()
			return nil, fmt.Errorf("gpu: binding %s (%s): %w", l.Label, l.Pipeline.label, err)
		}
		p.groups = append(p.groups, g)
	}
	return p, nil
}

// Release frees the program's bind groups, not its buffers.
func (p *Program) Release() {
	for _, g := range p.groups {
		g.Release()
	}
	p.groups, p.launches = nil, nil
}

// Run submits programs, one after the other, as one pass. It returns before the
// work is done.
func (d *Device) Run(programs ...*Program) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.Err(); err != nil {
		return err
	}
	encoder, err := d.device.CreateCommandEncoder(nil)
	if err != nil {
		return fmt.Errorf("gpu: running %s: %w", labels(programs), err)
	}
	defer encoder.Release()
	pass := encoder.BeginComputePass(nil)
	for _, p := range programs {
		for i, l := range p.launches {
			pass.SetPipeline(l.Pipeline.ref)
			pass.SetBindGroup(0, p.groups[i], nil)
			pass.DispatchWorkgroups(l.Groups[0], l.Groups[1], l.Groups[2])
		}
	}
	err = pass.End()
	pass.Release()
	if err != nil {
		return fmt.Errorf("gpu: running %s: %w", labels(programs), err)
	}
	commands, err := encoder.Finish(nil)
	if err != nil {
		return fmt.Errorf("gpu: running %s: %w", labels(programs), err)
	}
	defer commands.Release()
	d.queue.Submit(commands)
	return nil
}

// Wait returns when all submitted work is done.
func (d *Device) Wait(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := errors.Join(d.Err(), ctx.Err()); err != nil {
		return err
	}
	return d.drain(ctx)
}

// Pace is Wait every so many times on a GPU: it would have no work while the host
// encodes more, and wgpu's own wait for a part of what was submitted gives up, see drain.
// A software adapter has the host's own processor: it is waited for.
func (d *Device) Pace(ctx context.Context) error {
	if d.info.Software || d.paced.Add(1)%paces == 0 {
		return d.Wait(ctx)
	}
	return errors.Join(d.Err(), ctx.Err())
}

const paces = 4

// drain waits until the queue is empty. It asks instead of letting wgpu wait:
// that gives up after five seconds (CLEANUP_WAIT_MS), calls the work done and
// frees what the device still uses. However short a sleep is meant to be, it takes
// a millisecond on Linux, in which a GPU does much: for a GPU's shorter work it asks
// without one. A software adapter wants the processor itself.
func (d *Device) drain(ctx context.Context) error {
	for start := time.Now(); !d.device.Poll(false, nil); {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !d.info.Software && time.Since(start) < drainAwake {
			runtime.Gosched()
			continue
		}
		time.Sleep(drainPause)
	}
	return nil
}

const (
	drainAwake = 20 * time.Millisecond
	drainPause = 100 * time.Microsecond
	drainLost  = 10 * time.Second
)

// Close waits for what is going on and gives the device back, whatever befell it; what is
// not released keeps its memory until it is. Every later call returns ErrClosed, or what
// befell the device.
func (d *Device) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed.Swap(true) {
		return
	}
	if d.Err() == nil {
		d.queue.Submit() // what was written last: pending, it would keep the device
	}
	d.fail(ErrClosed)
	for start := time.Now(); !d.device.Poll(false, nil) && time.Since(start) < drainLost; { // one that is lost may never be done
		time.Sleep(time.Millisecond)
	}
	for _, l := range d.layouts {
		l.Release()
	}
	d.queue.Release()
	d.device.Release()
}

// adapterName is the driver's own word for the chip; v0.23.0 gives the PCI id
// where it should give that.
func adapterName(i wgpu.AdapterInfo) string {
	for _, s := range []string{i.DriverDescription, i.VendorName, i.Name} {
		if s != "" && !strings.HasPrefix(s, "0x") {
			return s
		}
	}
	return i.Name
}
