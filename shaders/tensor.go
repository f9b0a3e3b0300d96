package shaders

import (
	"fmt"
	"maps"
)

// DType is the storage type of the numbers in a buffer.
type DType uint8

const (
	F32 DType = iota // IEEE 754 binary32
	F16              // IEEE 754 binary16, weights only
	I8               // two's complement with one f32 scale per output channel, weights only
)

// Buffer names one allocation of whoever records dispatches. The zero value
// means "nothing bound": a kernel that allows it gets a small dummy buffer.
type Buffer int

// Tensor is a device-independent view of a buffer: activations are channels
// last, [N, H, W, C] with C fastest. Sequences are [N, 1, L, C], vectors
// [1, 1, 1, C].
//
// In memory every row of C numbers is padded with zeros to Stride() =
// a multiple of four, so that kernels can load vec4.
type Tensor struct {
	Buffer     Buffer
	Offset     int // bytes from the start of the buffer, a multiple of 256
	N, H, W, C int
}

// Ok tells whether the tensor is bound to a buffer at all.
func (t Tensor) Ok() bool { return t.Buffer != 0 }

// Stride is the distance between two pixels in numbers: C rounded up to a
// multiple of four.
func (t Tensor) Stride() int { return (t.C + 3) &^ 3 }

// Size is the length in bytes of the view, padding included (all types of
// activations and vectors take four bytes a number).
func (t Tensor) Size() int { return 4 * t.N * t.H * t.W * t.Stride() }

func (t Tensor) String() string {
	return fmt.Sprintf("[%d, %d, %d, %d]", t.N, t.H, t.W, t.C)
}

// Weights is the matrix of a convolution or linear layer, packed by
// [PackWeights] into the blocks that conv2d.wgsl reads, with its scales.
type Weights struct {
	Data   Buffer // packed blocks of 4 inputs x 4 outputs, see PackWeights
	Scale  Buffer // [Cout padded to 4] f32; bound for I8 only
	DType  DType  // F32, F16 or I8
	Cout   int
	Cin    [2]int // channels taken from the first and the second source
	KH, KW int
}

// Dispatch is one kernel launch over buffers that are still names. It is what
// the calls of this package return and what a recorder keeps.
type Dispatch struct {
	Kernel    *Kernel
	Constants Constants // values for the kernel's override declarations
	Params    []byte    // bytes of the kernel's Params struct, nil if it has none
	Bindings  []View    // storage bindings in binding order (Params is last and not among them)
	Groups    [3]uint32 // workgroups, none of them 0
	Label     string    // the layer, for profiles and error messages

	// Forms are all the ways to the same result where there are several, first
	// the one for software adapters, in which the launch comes. A machine takes
	// the fastest on its adapter.
	Forms []Form
}

// Form is one division of a launch's work among invocations.
type Form struct {
	Kernel    *Kernel
	Constants Constants
	Groups    [3]uint32
	Software  bool // made for software adapters: it is not tried on a GPU
}

// In is the launch in another form.
func (d Dispatch) In(f Form) Dispatch {
	d.Kernel, d.Constants, d.Groups = f.Kernel, f.Constants, f.Groups
	return d
}

// View is the part of a buffer that one binding sees. Size 0 means to the end.
type View struct {
	Buffer       Buffer
	Offset, Size int
}

// Constants are values of override declarations by name. Booleans are 0 and 1.
type Constants map[string]uint32

// with is the constants and one more.
func (c Constants) with(name string, v uint32) Constants {
	c = maps.Clone(c)
	c[name] = v
	return c
}
