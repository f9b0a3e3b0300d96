// Package gpu is the one seam between the project and WebGPU: the same few
// calls over github.com/cogentcore/webgpu natively (Vulkan, Metal, DirectX 12)
// and in the browser. It fills in what that binding lacks in the browser
// (limits, error messages, a lost device, asynchronous pipelines) and
// turns every failure into an error with a message; but a card without memory left
// ends a native process, since there the binding tells of no such error.
package gpu

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
)

var (
	// ErrNoWebGPU: the browser has no navigator.gpu, or the page is not in a
	// secure context.
	ErrNoWebGPU = errors.New("this browser does not offer WebGPU")
	// ErrNoAdapter: there is WebGPU but no usable graphics adapter.
	ErrNoAdapter = errors.New("no graphics adapter was found")
	// ErrLost: the device is gone (driver reset, sleep, out of memory). Open a
	// new one and load everything again.
	ErrLost = errors.New("the graphics device was lost")
	// ErrMemory: the card, or what the browser may use of it, is full. The device is
	// of no use any more.
	ErrMemory = errors.New("the graphics card has no memory left")
	// ErrLimits: something is larger than the device allows.
	ErrLimits = errors.New("the graphics card's limits are too small")
	// ErrClosed: Close was called before.
	ErrClosed = errors.New("the graphics device is closed")
)

// Options choose an adapter.
type Options struct {
	// Adapter is a part of the wanted adapter's name, in any case; "" takes the
	// fastest. Browsers choose themselves.
	Adapter string
}

// Info describes an adapter.
type Info struct {
	Name, Vendor, Architecture string
	Backend                    string // vulkan, metal, d3d12, webgpu, ...
	Type                       string // discrete, integrated, cpu, ...
	Software                   bool   // it runs on the CPU: expect a hundredth of a GPU's speed
}

func (i Info) String() string {
	s := fmt.Sprintf("%s (%s", i.Name, i.Backend)
	if i.Software {
		s += ", software"
	}
	return s + ")"
}

// software tells from an adapter's names whether it is a CPU in disguise.
func software(names ...string) bool {
	all := strings.ToLower(strings.Join(names, " "))
	for _, s := range []string{"swiftshader", "llvmpipe", "lavapipe", "software", "basic render"} {
		if strings.Contains(all, s) {
			return true
		}
	}
	return false
}

// Limits are those of WebGPU that the engine lives within.
type Limits struct {
	MaxBinding int // bytes of one storage binding
	MaxBuffer  int // bytes of one buffer
	MaxGroups  int // workgroups in one dimension
}

// BindingKind is what a kernel's binding is to the pipeline.
type BindingKind uint8

const (
	Uniform BindingKind = iota
	ReadOnlyStorage
	Storage
)

// PipelineSpec is a kernel to compile; its entry point is main.
type PipelineSpec struct {
	Label    string
	Code     string        // WGSL
	Bindings []BindingKind // of @group(0), from @binding(0)
}

// BufferView is the part of a buffer that a binding sees. Offset is a multiple
// of 256; Size 0 means to the end.
type BufferView struct {
	Buffer       *Buffer
	Offset, Size int
}

// Launch is one dispatch of a program.
type Launch struct {
	Pipeline *Pipeline
	Bindings []BufferView
	Groups   [3]uint32
	Label    string
}

// state is what both sides share: the count of allocated bytes, and whether
// the device still lives.
type state struct {
	allocated atomic.Int64
	closed    atomic.Bool
	mu        sync.Mutex
	err       error
}

func newState() *state { return new(state) }

// Allocated is the number of bytes in live buffers.
func (s *state) Allocated() int64 { return s.allocated.Load() }

// Err is nil while the device lives.
func (s *state) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// fail ends the device's life. The first reason stays.
func (s *state) fail(err error) {
	s.mu.Lock()
	if s.err == nil {
		s.err = err
	}
	s.mu.Unlock()
}

// Size of the buffer in bytes.
func (b *Buffer) Size() int { return b.size }

// span checks a range of a buffer against its size.
func (b *Buffer) span(offset, size int) error {
	if offset < 0 || size < 0 || offset%4 != 0 || size%4 != 0 || offset+size > b.size {
		return fmt.Errorf("gpu: bytes %d to %d of buffer %q, which has %d: want a range of whole words inside", offset, offset+size, b.label, b.size)
	}
	return nil
}

// checkLaunch refuses what WebGPU would refuse later and less clearly.
func checkLaunch(l Launch, max int) error {
	if l.Pipeline == nil {
		return fmt.Errorf("gpu: %s has no pipeline", l.Label)
	}
	if len(l.Bindings) != len(l.Pipeline.kinds) {
		return fmt.Errorf("gpu: %s binds %d buffers, and pipeline %s takes %d", l.Label, len(l.Bindings), l.Pipeline.label, len(l.Pipeline.kinds))
	}
	for i, v := range l.Bindings {
		if v.Buffer == nil || v.Offset < 0 || v.Size < 0 || v.Offset+v.Size > v.Buffer.size || v.Offset%256 != 0 {
			return fmt.Errorf("gpu: %s: binding %d: bytes %d+%d do not fit its buffer", l.Label, i, v.Offset, v.Size)
		}
	}
	for _, n := range l.Groups {
		if n == 0 || int(n) > max {
			return fmt.Errorf("gpu: %s launches %v workgroups: want 1 to %d in each dimension", l.Label, l.Groups, max)
		}
	}
	return nil
}

// labels names programs that are run together.
func labels(programs []*Program) string {
	var all []string
	for _, p := range programs {
		all = append(all, p.label)
	}
	return strings.Join(all, ", ")
}
