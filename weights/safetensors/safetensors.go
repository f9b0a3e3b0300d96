// Package safetensors reads and writes safetensors files
// (https://github.com/huggingface/safetensors). Reading is done here, so that
// every lie of a header is refused with the name of the tensor that it is about;
// writing by github.com/nlpodyssey/safetensors.
package safetensors

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"

	"github.com/nlpodyssey/safetensors"
	"github.com/x448/float16"
)

// Tensor is one tensor of a file. Data is little endian, in row-major order.
type Tensor struct {
	DType string // "F32", "F16", "BF16", "I8", "I64", ...
	Shape []int
	Data  []byte
}

// File is the content of a safetensors file: tensors by name.
type File map[string]Tensor

// ReadFile reads the file at path.
func ReadFile(path string) (File, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// Parse reads a file from memory. The tensors' Data alias data.
func Parse(data []byte) (File, error) {
	entries, err := parseHeader(data)
	if err != nil {
		return nil, err
	}
	f := make(File, len(entries))
	for _, e := range entries {
		f[e.name] = Tensor{DType: e.dtype.String(), Shape: e.shape, Data: data[e.start:e.end:e.end]}
	}
	return f, nil
}

// Names returns the names in alphabetical order.
func (f File) Names() []string { return slices.Sorted(maps.Keys(f)) }

// Float32 returns a tensor's values and shape; F32, F16 and BF16 are converted.
func (f File) Float32(name string) ([]float32, []int, error) {
	t, ok := f[name]
	if !ok {
		return nil, nil, fmt.Errorf("tensor %q is missing", name)
	}
	v, err := t.Float32()
	if err != nil {
		return nil, nil, fmt.Errorf("tensor %q: %w", name, err)
	}
	return v, t.Shape, nil
}

// Float32 returns the values of an F32, F16 or BF16 tensor.
func (t Tensor) Float32() ([]float32, error) {
	switch t.DType {
	case "F32":
		v := make([]float32, len(t.Data)/4)
		for i := range v {
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:]))
		}
		return v, nil
	case "F16":
		v := make([]float32, len(t.Data)/2)
		for i := range v {
			v[i] = float16.Frombits(binary.LittleEndian.Uint16(t.Data[2*i:])).Float32()
		}
		return v, nil
	case "BF16": // the upper half of an f32
		v := make([]float32, len(t.Data)/2)
		for i := range v {
			v[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(t.Data[2*i:])) << 16)
		}
		return v, nil
	}
	return nil, fmt.Errorf("dtype %s is not supported: want F32, F16 or BF16", t.DType)
}

// F32 makes an F32 tensor. It panics where shape and values disagree.
func F32(values []float32, shape ...int) Tensor {
	n := 1
	for _, d := range shape {
		n *= d
	}
	if n != len(values) {
		panic(fmt.Sprintf("safetensors: %d values for shape %v", len(values), shape))
	}
	data := make([]byte, 0, 4*n)
	for _, v := range values {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return Tensor{DType: "F32", Shape: shape, Data: data}
}

// view hands a Tensor to the library.
type view struct {
	Tensor
	dtype safetensors.DType
	shape []uint64
}

func (v view) DType() safetensors.DType { return v.dtype }
func (v view) Shape() []uint64          { return v.shape }
func (v view) Data() []byte             { return v.Tensor.Data }
func (v view) DataLen() uint64          { return uint64(len(v.Tensor.Data)) }

// Bytes encodes the file: widest types first, so that every tensor is aligned
// for its type, then by name. The same tensors give the same bytes.
func (f File) Bytes() ([]byte, error) {
	views := make(map[string]view, len(f))
	for name, t := range f {
		dtype, err := safetensors.ParseDType(t.DType)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		v := view{Tensor: t, dtype: dtype, shape: make([]uint64, len(t.Shape))}
		n := dtype.Size()
		for i, d := range t.Shape {
			v.shape[i] = uint64(d)
			n *= uint64(d)
		}
		if n != uint64(len(t.Data)) {
			return nil, fmt.Errorf("tensor %q: %d bytes for %s%v, which takes %d", name, len(t.Data), t.DType, t.Shape, n)
		}
		views[name] = v
	}
	return safetensors.Serialize(views, nil)
}

// Spans returns where each tensor of a file lies: the offsets of its first byte
// and of the one after its last, counted from the start of the file.
func Spans(data []byte) (map[string][2]int, error) {
	entries, err := parseHeader(data)
	if err != nil {
		return nil, err
	}
	spans := map[string][2]int{}
	for _, e := range entries {
		spans[e.name] = [2]int{e.start, e.end}
	}
	return spans, nil
}
