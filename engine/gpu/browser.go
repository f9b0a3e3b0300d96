//go:build js

package gpu

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall/js"
	"time"
	"unsafe"

	"github.com/cogentcore/webgpu/wgpu"
)

// Device is an open graphics device of the browser.
type Device struct {
	*state
	js      js.Value // GPUDevice
	device  wgpu.Device
	queue   js.Value
	info    Info
	limits  Limits
	layouts map[string]*wgpu.BindGroupLayout
	funcs   []js.Func // live as long as the page: the device may call them late
	small   js.Value  // Uint8Array of smallWrite bytes
	breath  time.Time // when the event loop last had its turn, see breathe
	args    []any     // of Run: the GPUDevice, room for programs
	paced   js.Value  // promise of the work before the last Pace
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
	ref    js.Value // GPUComputePipeline
	layout *wgpu.BindGroupLayout
	label  string
	kinds  []BindingKind
}

// Program is a list of launches with their bind groups, as one object that
// replay.js runs.
type Program struct {
	label string
	plan  any // js.Value, as Run passes it on: boxed once, not every step
}

// raw is the JavaScript object inside one of the binding's types, all of which
// are structs of one js.Value in v0.23.0 and give no other way to it.
func raw[T wgpu.Buffer | wgpu.BindGroup | wgpu.PipelineLayout | wgpu.ShaderModule](p *T) js.Value {
	if unsafe.Sizeof(*p) != unsafe.Sizeof(js.Value{}) {
		panic("gpu: the WebGPU binding has changed its types")
	}
	return *(*js.Value)(unsafe.Pointer(p))
}

// breathe gives the page's event loop a turn if it has waited for more than
// 10 ms. Go holds the browser's one thread until a goroutine blocks: called
// between the pieces of long work (packing and uploading weights, making bind
// groups) it keeps the page from freezing.
func (d *Device) breathe() {
	if time.Since(d.breath) > 10*time.Millisecond {
		time.Sleep(time.Millisecond)
		d.breath = time.Now()
	}
}

// await waits for a promise without blocking the browser's event loop.
func await(ctx context.Context, promise js.Value) (js.Value, error) {
	type result struct {
		v   js.Value
		err error
	}
	done := make(chan result, 1)
	ok := js.FuncOf(func(_ js.Value, args []js.Value) any {
		v := js.Undefined()
		if len(args) > 0 {
			v = args[0]
		}
		done <- result{v: v}
		return nil
	})
	bad := js.FuncOf(func(_ js.Value, args []js.Value) any {
		done <- result{err: errors.New(message(args[0]))}
		return nil
	})
	free := func() { ok.Release(); bad.Release() }
	promise.Call("then", ok, bad)
	select {
	case r := <-done:
		free()
		return r.v, r.err
	case <-ctx.Done():
		go func() { // the promise still settles
			<-done
			free()
		}()
		return js.Undefined(), ctx.Err()
	}
}

// message is the text of a JavaScript error.
func message(v js.Value) string {
	if v.Type() == js.TypeObject && v.Get("message").Type() == js.TypeString {
		return v.Get("message").String()
	}
	return js.Global().Get("String").Invoke(v).String()
}

// try turns a JavaScript exception of f into an error.
func try(f func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(js.Error)
			if !ok {
				panic(r)
			}
			err = errors.New(message(e.Value))
		}
	}()
	f()
	return nil
}

// Open asks the browser for its fastest adapter and opens a device. Of WebGPU's default
// limits it raises those of buffers' sizes only: a kernel that leaves the others fails
// here, not on a user's adapter.
func Open(ctx context.Context, o Options) (*Device, error) {
	gpu := js.Global().Get("navigator").Get("gpu")
	if !gpu.Truthy() {
		return nil, ErrNoWebGPU
	}
	adapter, err := await(ctx, gpu.Call("requestAdapter", map[string]any{"powerPreference": "high-performance"}))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoAdapter, err)
	}
	if !adapter.Truthy() {
		return nil, ErrNoAdapter
	}
	limits := map[string]any{}
	for _, name := range []string{"maxStorageBufferBindingSize", "maxBufferSize"} {
		limits[name] = adapter.Get("limits").Get(name)
	}
	d, err := await(ctx, adapter.Call("requestDevice", map[string]any{"label": "mcdm", "requiredLimits": limits}))
	if err != nil {
		return nil, fmt.Errorf("%w: the browser opened no device on it: %w", ErrNoAdapter, err)
	}
	return newDevice(adapter, d), nil
}

func newDevice(adapter, d js.Value) *Device {
	info := adapter.Get("info")
	if !info.Truthy() { // before Chrome 127
		info = js.Global().Get("Object").New()
	}
	get := func(key string) string {
		if v := info.Get(key); v.Type() == js.TypeString {
			return v.String()
		}
		return ""
	}
	limit := func(name string) int { return d.Get("limits").Get(name).Int() }
	dev := &Device{
		state: newState(), js: d, device: wgpu.NewDevice(d), queue: d.Get("queue"),
		layouts: map[string]*wgpu.BindGroupLayout{},
		small:   js.Global().Get("Uint8Array").New(smallWrite),
		args:    []any{d},
		limits: Limits{
			MaxBinding: limit("maxStorageBufferBindingSize"), MaxBuffer: limit("maxBufferSize"),
			MaxGroups: limit("maxComputeWorkgroupsPerDimension"),
		},
		info: Info{Vendor: get("vendor"), Architecture: get("architecture"), Backend: "webgpu"},
	}
	for _, name := range []string{get("description"), get("device"), strings.TrimSpace(get("vendor") + " " + get("architecture")), "graphics adapter"} {
		if name != "" {
			dev.info.Name = name
			break
		}
	}
	dev.info.Software = info.Get("isFallbackAdapter").Truthy() || adapter.Get("isFallbackAdapter").Truthy() || software(dev.info.Name, dev.info.Vendor, dev.info.Architecture)
	lost := js.FuncOf(func(_ js.Value, args []js.Value) any {
		dev.fail(fmt.Errorf("%w: %s", ErrLost, args[0].Get("message").String()))
		return nil
	})
	d.Get("lost").Call("then", lost)
	// Errors that no scope caught would only reach the console otherwise.
	uncaptured := js.FuncOf(func(_ js.Value, args []js.Value) any {
		dev.fail(fmt.Errorf("gpu: %w", failure(args[0].Get("error"))))
		return nil
	})
	d.Call("addEventListener", "uncapturederror", uncaptured)
	dev.funcs = []js.Func{lost, uncaptured}
	return dev
}

// Info describes the adapter.
func (d *Device) Info() Info { return d.info }

// Limits are the device's.
func (d *Device) Limits() Limits { return d.limits }

// failure is a GPUError in Go.
func failure(v js.Value) error {
	if kind := js.Global().Get("GPUOutOfMemoryError"); kind.Truthy() && v.InstanceOf(kind) {
		return fmt.Errorf("%w: %s", ErrMemory, message(v))
	}
	return errors.New(message(v))
}

// scoped runs f and waits for the validation and out-of-memory errors that it
// causes.
func (d *Device) scoped(ctx context.Context, f func()) error {
	d.js.Call("pushErrorScope", "out-of-memory")
	d.js.Call("pushErrorScope", "validation")
	err := try(f)
	// Both end before anything else can happen, or errors of others would be in the outer one.
	for _, scope := range []js.Value{d.js.Call("popErrorScope"), d.js.Call("popErrorScope")} {
		v, e := await(ctx, scope)
		if e == nil && v.Truthy() {
			e = failure(v)
		}
		if err == nil {
			err = e
		}
	}
	return err
}

// NewBuffer allocates zeroed memory that kernels may read and write.
func (d *Device) NewBuffer(label string, size int) (*Buffer, error) {
	return d.newBuffer(label, size, wgpu.BufferUsageStorage)
}

// NewUniform allocates zeroed memory for kernels' parameters.
func (d *Device) NewUniform(label string, size int) (*Buffer, error) {
	return d.newBuffer(label, size, wgpu.BufferUsageUniform)
}

func (d *Device) newBuffer(label string, size int, usage wgpu.BufferUsage) (*Buffer, error) {
	if err := d.Err(); err != nil {
		return nil, err
	}
	d.breathe()
	size = (max(size, 4) + 3) &^ 3
	if size > d.limits.MaxBuffer {
		return nil, fmt.Errorf("%w: buffer %q of %d bytes: this device allows %d", ErrLimits, label, size, d.limits.MaxBuffer)
	}
	var ref *wgpu.Buffer
	// No error scope: waiting for one after each of a thousand buffers takes
	// seconds. Running out of memory shows as an uncaptured error.
	err := try(func() {
		ref, _ = d.device.CreateBuffer(&wgpu.BufferDescriptor{
			Label: label, Size: uint64(size), Usage: usage | wgpu.BufferUsageCopySrc | wgpu.BufferUsageCopyDst,
		})
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
	b.ref.Destroy()
	b.ref = nil
	b.device.allocated.Add(-int64(b.size))
}

const smallWrite = 4096

// Write copies data, a multiple of four bytes, into a buffer.
func (d *Device) Write(b *Buffer, offset int, data []byte) error {
	if err := d.Err(); err != nil {
		return err
	}
	if err := b.span(offset, len(data)); err != nil {
		return err
	}
	if len(data) == 0 {
		return nil
	}
	// The binding's WriteBuffer needs a global "wasm" that the page lacks. What is
	// small, as every step writes it, goes through an array that is always there.
	bytes := d.small
	if len(data) > smallWrite {
		bytes = js.Global().Get("Uint8Array").New(len(data))
	}
	js.CopyBytesToJS(bytes, data)
	if err := try(func() { d.queue.Call("writeBuffer", raw(b.ref), offset, bytes, 0, len(data)) }); err != nil {
		return fmt.Errorf("gpu: writing to %q: %w", b.label, err)
	}
	return nil
}

// Read waits for the work before it and copies a range of a buffer.
func (d *Device) Read(ctx context.Context, b *Buffer, offset, size int) ([]byte, error) {
	if err := errors.Join(d.Err(), ctx.Err()); err != nil {
		return nil, err
	}
	if err := b.span(offset, size); err != nil {
		return nil, err
	}
	if size == 0 {
		return nil, nil
	}
	var staging js.Value
	err := try(func() {
		staging = d.js.Call("createBuffer", map[string]any{
			"label": "read " + b.label, "size": size, "usage": int(wgpu.BufferUsageMapRead | wgpu.BufferUsageCopyDst),
		})
		encoder := d.js.Call("createCommandEncoder")
		encoder.Call("copyBufferToBuffer", raw(b.ref), offset, staging, 0, size)
		d.queue.Call("submit", []any{encoder.Call("finish")})
	})
	if err != nil {
		return nil, fmt.Errorf("gpu: reading %q: %w", b.label, err)
	}
	defer staging.Call("destroy")
	if _, err := await(ctx, staging.Call("mapAsync", int(wgpu.MapModeRead))); err != nil {
		if ctx.Err() == nil { // the promise that the device is lost may be kept only later
			d.fail(fmt.Errorf("%w: %w", ErrLost, err))
		}
		return nil, errors.Join(d.Err(), fmt.Errorf("gpu: reading %q: %w", b.label, err))
	}
	out := make([]byte, size)
	js.CopyBytesToGo(out, js.Global().Get("Uint8Array").New(staging.Call("getMappedRange")))
	return out, nil
}

// NewPipelines compiles kernels, all at once and without blocking the page.
// progress (may be nil) is called after each. Errors carry the compiler's
// message with the line that it is about; beside one come the pipelines that there
// are, and nil for the others.
func (d *Device) NewPipelines(ctx context.Context, specs []PipelineSpec, progress func(done, total int)) ([]*Pipeline, error) {
	if err := d.Err(); err != nil {
		return nil, err
	}
	out := make([]*Pipeline, len(specs))
	errs := make(chan error, len(specs))
	for i, s := range specs {
		go func() {
			var err error
			out[i], err = d.newPipeline(ctx, s)
			errs <- err
		}()
	}
	var first error
	for i := range specs {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
		if progress != nil {
			progress(i+1, len(specs))
		}
	}
	return out, first
}

func (d *Device) newPipeline(ctx context.Context, s PipelineSpec) (*Pipeline, error) {
	layout := d.layout(s.Bindings)
	var module *wgpu.ShaderModule
	var promise js.Value
	err := d.scoped(ctx, func() {
		module, _ = d.device.CreateShaderModule(&wgpu.ShaderModuleDescriptor{
			Label: s.Label, WGSLDescriptor: &wgpu.ShaderModuleWGSLDescriptor{Code: s.Code},
		})
	})
	if err == nil {
		err = try(func() {
			pl, _ := d.device.CreatePipelineLayout(&wgpu.PipelineLayoutDescriptor{BindGroupLayouts: []*wgpu.BindGroupLayout{layout}})
			promise = d.js.Call("createComputePipelineAsync", map[string]any{
				"label": s.Label, "layout": raw(pl), "compute": map[string]any{"module": raw(module), "entryPoint": "main"},
			})
		})
	}
	var ref js.Value
	if err == nil {
		ref, err = await(ctx, promise)
	}
	if err != nil {
		return nil, fmt.Errorf("gpu: compiling %s: %w%s", s.Label, err, d.messages(ctx, module, s.Code))
	}
	return &Pipeline{ref, layout, s.Label, s.Bindings}, nil
}

// messages are the compiler's, with the source lines they point to.
func (d *Device) messages(ctx context.Context, module *wgpu.ShaderModule, code string) string {
	if module == nil || d.Err() != nil {
		return ""
	}
	info, err := await(ctx, raw(module).Call("getCompilationInfo"))
	if err != nil {
		return ""
	}
	var b strings.Builder
	list := info.Get("messages")
	for i := range list.Length() {
		m := list.Index(i)
		line := m.Get("lineNum").Int()
		fmt.Fprintf(&b, "\n%d:%d: %s: %s%s", line, m.Get("linePos").Int(), m.Get("type").String(), m.Get("message").String(), quote(code, line))
	}
	return b.String()
}

// quote adds the source line that a compiler message is about.
func quote(code string, line int) string {
	lines := strings.Split(code, "\n")
	if line < 1 || line > len(lines) {
		return ""
	}
	return fmt.Sprintf("\n  %d | %s", line, lines[line-1])
}

var bufferTypes = map[BindingKind]wgpu.BufferBindingType{
	Uniform:         wgpu.BufferBindingTypeUniform,
	ReadOnlyStorage: wgpu.BufferBindingTypeReadOnlyStorage,
	Storage:         wgpu.BufferBindingTypeStorage,
}

func (d *Device) layout(kinds []BindingKind) *wgpu.BindGroupLayout {
	key := fmt.Sprint(kinds)
	if l, ok := d.layouts[key]; ok {
		return l
	}
	var entries []wgpu.BindGroupLayoutEntry
	for i, k := range kinds {
		entries = append(entries, wgpu.BindGroupLayoutEntry{
			Binding: uint32(i), Visibility: wgpu.ShaderStageCompute, Buffer: wgpu.BufferBindingLayout{Type: bufferTypes[k]},
		})
	}
	l, _ := d.device.CreateBindGroupLayout(&wgpu.BindGroupLayoutDescriptor{Entries: entries})
	d.layouts[key] = l
	return l
}

// Release forgets the pipeline; the browser frees it.
func (p *Pipeline) Release() {
	if p != nil {
		p.ref = js.Undefined()
	}
}

// NewProgram makes the bind groups of a list of launches, once.
func (d *Device) NewProgram(label string, launches []Launch) (*Program, error) {
	if err := d.Err(); err != nil {
		return nil, err
	}
	array := js.Global().Get("Array")
	pipelines, groups := array.New(len(launches)), array.New(len(launches))
	counts := js.Global().Get("Uint32Array").New(3 * len(launches))
	for i, l := range launches {
		d.breathe()
		if err := checkLaunch(l, d.limits.MaxGroups); err != nil {
			return nil, err
		}
		var entries []wgpu.BindGroupEntry
		for k, v := range l.Bindings {
			size := v.Size
			if size == 0 {
				size = v.Buffer.size - v.Offset
			}
			entries = append(entries, wgpu.BindGroupEntry{Binding: uint32(k), Buffer: v.Buffer.ref, Offset: uint64(v.Offset), Size: uint64(size)})
		}
		var g *wgpu.BindGroup
		err := try(func() {
			g, _ = d.device.CreateBindGroup(&wgpu.BindGroupDescriptor{Label: l.Label, Layout: l.Pipeline.layout, Entries: entries})
		})
		if err != nil {
			return nil, fmt.Errorf("gpu: binding %s (%s): %w", l.Label, l.Pipeline.label, err)
		}
		pipelines.SetIndex(i, l.Pipeline.ref)
		groups.SetIndex(i, raw(g))
		for k, n := range l.Groups {
			counts.SetIndex(3*i+k, n)
		}
	}
	return &Program{label, js.ValueOf(map[string]any{"pipelines": pipelines, "groups": groups, "counts": counts})}, nil
}

// Release forgets the program's bind groups; the browser frees them.
func (p *Program) Release() { p.plan = js.Undefined() }

// Run submits programs, one after the other, as one pass, in one call into
// JavaScript. It returns before the work is done.
func (d *Device) Run(programs ...*Program) error {
	if err := d.Err(); err != nil {
		return err
	}
	d.args = d.args[:1]
	for _, p := range programs {
		d.args = append(d.args, p.plan)
	}
	err := try(func() { js.Global().Call("mcdmReplay", d.args...) })
	clear(d.args[1:]) // what is released shall not live on here
	if err != nil {
		return fmt.Errorf("gpu: running %s: %w", labels(programs), err)
	}
	return nil
}

// Wait returns when all submitted work is done.
func (d *Device) Wait(ctx context.Context) error {
	if err := errors.Join(d.Err(), ctx.Err()); err != nil {
		return err
	}
	if _, err := await(ctx, d.queue.Call("onSubmittedWorkDone")); err != nil {
		return errors.Join(d.Err(), fmt.Errorf("gpu: waiting: %w", err))
	}
	return d.Err()
}

// Pace returns when all work is done that was submitted before the Pace before. A
// browser takes half a millisecond and more to tell that work is done, in which a GPU
// would have none. A software adapter has the host's own processor: it is waited for.
func (d *Device) Pace(ctx context.Context) error {
	if err := errors.Join(d.Err(), ctx.Err()); err != nil {
		return err
	}
	if d.info.Software {
		return d.Wait(ctx)
	}
	before := d.paced
	d.paced = d.queue.Call("onSubmittedWorkDone")
	if before.IsUndefined() {
		return nil
	}
	if _, err := await(ctx, before); err != nil {
		return errors.Join(d.Err(), fmt.Errorf("gpu: waiting: %w", err))
	}
	return d.Err()
}

// Close gives the device and all its memory back, whatever befell it. Every later
// call returns ErrClosed, or what befell it.
func (d *Device) Close() {
	if d.closed.Swap(true) {
		return
	}
	d.fail(ErrClosed)
	d.js.Call("destroy")
}
