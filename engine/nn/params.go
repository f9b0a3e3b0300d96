// Package nn records the networks of a bundle: the UNets of diffusers and the
// text encoder, layer by layer in forward order, as launches of the kernels in
// package shaders.
package nn

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/shaders"
	"github.com/mcdm/mcdm/weights/bundle"
)

// Source gives the tensors of one network by the names of diffusers.
type Source func(name string) (bundle.Tensor, error)

// params keeps the weights of networks on a machine, packed for the kernels:
// uploaded when first recorded, shared by all later recordings. The same layer
// of several networks, given by their numbers, lies in one buffer.
type params struct {
	machine  record.Machine
	sources  []Source
	vectors  map[string]shaders.Tensor
	matrices map[string]shaders.Weights
}

func newParams(m record.Machine, s ...Source) *params {
	return &params{m, s, map[string]shaders.Tensor{}, map[string]shaders.Weights{}}
}

// failure carries an I/O error (a torn shard, a full GPU) out of the straight
// line of a recording; see catch.
type failure struct{ error }

func check(err error) {
	if err != nil {
		panic(failure{err})
	}
}

// catch turns a failure panic into *err. Programmers' errors stay panics.
func catch(err *error) {
	switch r := recover().(type) {
	case nil:
	case failure:
		*err = r.error
	default:
		panic(r)
	}
}

func (p *params) tensor(network int, name string, shape ...int) bundle.Tensor {
	t, err := p.sources[network](name)
	check(err)
	if !matches(t.Shape, shape) {
		check(fmt.Errorf("tensor %s has the shape %v, and the network needs %v", name, t.Shape, shape))
	}
	return t
}

// matches compares shapes; a linear [O, I] passes for a 1x1 convolution.
func matches(got, want []int) bool {
	if len(got) == 2 && len(want) == 4 {
		got = append(got[:2:2], 1, 1)
	}
	if len(got) != len(want) {
		return false
	}
	for i := range got {
		if got[i] != want[i] {
			return false
		}
	}
	return true
}

// vector uploads a layer's bias or a norm's gain as f32 [networks, 1, 1, C]; of
// several layers that are used together, each from a multiple of four on.
func (l layers) vector(names []string, widths []int) shaders.Tensor {
	key := fmt.Sprint(l.of, names)
	if t, ok := l.vectors[key]; ok {
		return t
	}
	var data []byte
	for _, network := range l.of {
		for i, name := range names {
			for _, v := range l.tensor(network, name, widths[i]).Float32() {
				data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
			}
			data = append(data, make([]byte, -len(data)&15)...)
		}
	}
	t := shaders.Tensor{N: len(l.of), H: 1, W: 1, C: total(widths)}
	t.Buffer = l.upload(key, data)
	l.vectors[key] = t
	return t
}

// total is the width of layers side by side, each from a multiple of four on.
func total(widths []int) (sum int) {
	for _, n := range widths {
		sum = (sum+3)&^3 + n
	}
	return sum
}

func (p *params) upload(label string, data []byte) shaders.Buffer {
	b, err := p.machine.Upload(label, data)
	check(err)
	return b
}

// frequencies uploads those of the sinusoidal embedding of t, width c.
func (p *params) frequencies(c int, shift float64) shaders.Tensor {
	const key = "time_proj"
	t, ok := p.vectors[key]
	if !ok {
		var data []byte
		for _, f := range shaders.Frequencies(c, shift) {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(f))
		}
		t = shaders.Tensor{N: 1, H: 1, W: 1, C: c / 2}
		t.Buffer = p.upload(key, append(data, make([]byte, t.Size()-len(data))...))
		p.vectors[key] = t
	}
	return t
}

// rows uploads an embedding table of the first network as f32 [1, 1, V, D].
func (p *params) rows(name string, v, d int) shaders.Tensor {
	if t, ok := p.vectors[name]; ok {
		return t
	}
	var data []byte
	for i, x := range p.tensor(0, name, v, d).Float32() {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x))
		if (i+1)%d == 0 {
			data = append(data, make([]byte, 4*(-d&3))...)
		}
	}
	t := shaders.Tensor{N: 1, H: 1, W: v, C: d}
	t.Buffer = p.upload(name, data)
	p.vectors[name] = t
	return t
}

// dtypes are the kernels' names for a bundle's.
var dtypes = map[string]shaders.DType{"I8": shaders.I8, "F16": shaders.F16, "F32": shaders.F32}

// matrix uploads the weights of a convolution [O, I, KH, KW] or linear [O, I],
// or of several that read the same input, stacked along their outputs: each
// then begins at a multiple of four. cin[0] and cin[1] inputs come from the
// first and the second source.
func (l layers) matrix(names []string, couts []int, cin [2]int, kh, kw int) shaders.Weights {
	key := fmt.Sprint(l.of, names, cin)
	if w, ok := l.matrices[key]; ok {
		return w
	}
	w := shaders.Weights{Cout: total(couts), Cin: cin, KH: kh, KW: kw}
	dtype := ""
	var packed, scale []byte
	for _, network := range l.of {
		var data [][]byte
		for i, name := range names {
			t := l.tensor(network, name+".weight", couts[i], cin[0]+cin[1], kh, kw)
			if dtype != "" && t.DType != dtype {
				check(fmt.Errorf("%s.weight is %s, and what is used together with it is %s: want one type", name, t.DType, dtype))
			}
			dtype = t.DType
			pad := -couts[i] & 3
			data = append(data, t.Data, make([]byte, pad*len(t.Data)/couts[i]))
			for _, v := range t.Scale {
				scale = binary.LittleEndian.AppendUint32(scale, math.Float32bits(v))
			}
			scale = append(scale, make([]byte, 4*pad)...)
		}
		packed = append(packed, shaders.PackWeights(dtypes[dtype], data, cin, kh, kw)...)
	}
	w.DType = dtypes[dtype]
	if w.DType == shaders.I8 {
		w.Scale = l.upload(names[0]+".scale", scale)
	}
	w.Data = l.upload(names[0]+".weight", packed)
	l.matrices[key] = w
	return w
}
