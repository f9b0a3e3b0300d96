// Package pack makes bundles: it quantizes tensors, cuts them into shards,
// imports diffusers folders, and verifies bundles byte by byte.
package pack

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/x448/float16"

	"github.com/mcdm/mcdm/weights/bundle"
)

// Quantize makes a tensor of a bundle of the given dtype ("int8", "f16",
// "f32"). Norms and biases (one axis) stay F32 always; embeddings, whose rows
// are looked up and not multiplied, are F16 in an int8 bundle.
func Quantize(name string, shape []int, values []float32, dtype string) (bundle.Tensor, error) {
	return quantize(name, shape, values, dtype, 0)
}

func quantize(name string, shape []int, values []float32, dtype string, coarseness float64) (bundle.Tensor, error) {
	for i, v := range values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return bundle.Tensor{}, fmt.Errorf("tensor %q: value %d is %v: the checkpoint is broken (diverged training, or overflow in f16)", name, i, v)
		}
	}
	switch {
	case dtype == "f32" || len(shape) < 2:
		return f32(name, shape, values), nil
	case dtype == "f16" || strings.Contains(name, "_embedding.weight"):
		return f16(name, shape, values)
	case dtype == "int8":
		return int8PerChannel(name, shape, values, stepOf(coarseness, values)), nil
	}
	return bundle.Tensor{}, fmt.Errorf("dtype %q: want one of %s", dtype, strings.Join(bundle.DTypes, ", "))
}

func f32(name string, shape []int, values []float32) bundle.Tensor {
	data := make([]byte, 0, 4*len(values))
	for _, v := range values {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return bundle.Tensor{Name: name, DType: "F32", Shape: shape, Data: data}
}

func f16(name string, shape []int, values []float32) (bundle.Tensor, error) {
	data := make([]byte, 0, 2*len(values))
	for i, v := range values {
		h := float16.Fromfloat32(v)
		if h.IsInf(0) {
			return bundle.Tensor{}, fmt.Errorf("tensor %q: value %d is %v, beyond f16's 65504: use --dtype f32", name, i, v)
		}
		data = binary.LittleEndian.AppendUint16(data, h.Bits())
	}
	return bundle.Tensor{Name: name, DType: "F16", Shape: shape, Data: data}, nil
}

// int8PerChannel is symmetric: q = round(w / scale) in -127..127 with
// scale = max|w| / 127 over each index of axis 0, or step where that is more, so
// |w - scale q| <= scale/2. A channel of zeros gets scale 1, since a scale must be
// positive; so does one whose scale would underflow.
func int8PerChannel(name string, shape []int, values []float32, step float64) bundle.Tensor {
	t := bundle.Tensor{
		Name: name, DType: "I8", Shape: shape,
		Data: make([]byte, len(values)), Scale: make([]float32, shape[0]),
	}
	row := len(values) / shape[0]
	for o := range shape[0] {
		w := values[o*row : (o+1)*row]
		peak := 0.0
		for _, v := range w {
			peak = max(peak, math.Abs(float64(v)))
		}
		scale := float32(max(peak/127, step))
		if scale == 0 {
			scale = 1
		}
		t.Scale[o] = scale
		for i, v := range w {
			q := math.RoundToEven(float64(v) / float64(scale))
			t.Data[o*row+i] = byte(int8(min(max(q, -127), 127)))
		}
	}
	return t
}

// RelativeRMS is sqrt(sum (got-want)^2 / sum want^2); 0 for two zeros.
func RelativeRMS(got, want []float32) float64 {
	var d, w float64
	for i := range want {
		e := float64(got[i]) - float64(want[i])
		d += e * e
		w += float64(want[i]) * float64(want[i])
	}
	if d == 0 {
		return 0
	}
	return math.Sqrt(d / w)
}
