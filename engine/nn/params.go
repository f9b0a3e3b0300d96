// Package nn records the networks of a bundle: the UNets of diffusers and the
// text encoder, layer by layer in forward order, as launches of the kernels in
// package shaders.
package nn

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/shaders"
	"github.com/mcdm/mcdm/weights/bundle"
)

// Source gives the tensors of one network by the names of diffusers.
type Source func(name string) (bundle.Tensor, error)

// params keeps a network's weights on a machine, packed for the kernels:
// uploaded when first recorded, shared by all later recordings.
type params struct {
	machine  record.Machine
	source   Source
	vectors  map[string]shaders.Tensor
	matrices map[string]shaders.Weights
}

func newParams(m record.Machine, s Source) *params {
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

func (p *params) tensor(name string, shape ...int) bundle.Tensor {
	t, err := p.source(name)
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

// vector uploads a bias or a norm's gain as f32 [1, 1, 1, C].
func (p *params) vector(name string, c int) shaders.Tensor {
	return p.table(name, []int{c}, shaders.Tensor{N: 1, H: 1, W: 1, C: c})
}

// joined uploads several vectors, each from a multiple of four on.
func (p *params) joined(names []string, widths []int) shaders.Tensor {
	key := strings.Join(names, "+")
	if t, ok := p.vectors[key]; ok {
		return t
	}
	var data []byte
	for i, name := range names {
		for _, v := range p.tensor(name, widths[i]).Float32() {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		data = append(data, make([]byte, -len(data)&15)...)
	}
	t := shaders.Tensor{N: 1, H: 1, W: 1, C: len(data) / 4}
	var err error
	t.Buffer, err = p.machine.Upload(key, data)
	check(err)
	p.vectors[key] = t
	return t
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
		var err error
		t.Buffer, err = p.machine.Upload(key, append(data, make([]byte, t.Size()-len(data))...))
		check(err)
		p.vectors[key] = t
	}
	return t
}

// rows uploads an embedding table as f32 [1, 1, V, D].
func (p *params) rows(name string, v, d int) shaders.Tensor {
	return p.table(name, []int{v, d}, shaders.Tensor{N: 1, H: 1, W: v, C: d})
}

func (p *params) table(name string, shape []int, view shaders.Tensor) shaders.Tensor {
	if t, ok := p.vectors[name]; ok {
		return t
	}
	var data []byte
	row := shape[len(shape)-1]
	for i, v := range p.tensor(name, shape...).Float32() {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		if (i+1)%row == 0 {
			data = append(data, make([]byte, 4*(-row&3))...)
		}
	}
	b, err := p.machine.Upload(name, data)
	check(err)
	view.Buffer = b
	p.vectors[name] = view
	return view
}

// matrix uploads the weights of a convolution [O, I, KH, KW] or linear [O, I],
// or of several that read the same input, stacked along their outputs: each
// then begins at a multiple of four. cin[0] and cin[1] inputs come from the
// first and the second source.
func (p *params) matrix(names []string, couts []int, cin [2]int, kh, kw int) shaders.Weights {
	key := fmt.Sprint(names, cin)
	if w, ok := p.matrices[key]; ok {
		return w
	}
	w := shaders.Weights{Cin: cin, KH: kh, KW: kw}
	dtypes := map[string]shaders.DType{"I8": shaders.I8, "F16": shaders.F16, "F32": shaders.F32}
	dtype := ""
	var data [][]byte
	var scale []byte
	for i, name := range names {
		t := p.tensor(name+".weight", couts[i], cin[0]+cin[1], kh, kw)
		if i > 0 && t.DType != dtype {
			check(fmt.Errorf("%s.weight is %s and %s.weight is %s: weights that are used together must have one type", name, t.DType, names[0], dtype))
		}
		dtype = t.DType
		data = append(data, t.Data)
		for _, v := range t.Scale {
			scale = binary.LittleEndian.AppendUint32(scale, math.Float32bits(v))
		}
		w.Cout += couts[i]
		if pad := -couts[i] & 3; pad > 0 {
			scale = append(scale, make([]byte, 4*pad)...)
			if len(names) > 1 {
				data = append(data, make([]byte, pad*len(t.Data)/couts[i]))
				w.Cout += pad
			}
		}
	}
	w.DType = dtypes[dtype]
	if w.DType == shaders.I8 {
		var err error
		w.Scale, err = p.machine.Upload(names[0]+".scale", scale)
		check(err)
	}
	packed := shaders.PackWeights(w.DType, data, cin, kh, kw)
	b, err := p.machine.Upload(names[0]+".weight", packed)
	check(err)
	w.Data = b
	p.matrices[key] = w
	return w
}
