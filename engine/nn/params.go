// Package nn records the networks of a bundle: the UNets of diffusers and the
// text encoder, layer by layer in forward order, as launches of the kernels in
// package shaders.
package nn

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/shaders"
	"github.com/mcdm/mcdm/weights/bundle"
)

// Source describes the tensors of one network by the names of diffusers: types
// and shapes, without data.
type Source func(name string) (bundle.Tensor, error)

// params keeps the weights of networks on a machine, packed for the kernels:
// room is made when they are first recorded and shared by all later recordings,
// and put fills it, one tensor after the other. The same layer of several
// networks, given by their numbers, lies in one buffer.
type params struct {
	machine  record.Machine
	sources  []Source
	vectors  map[string]shaders.Tensor
	matrices map[string]shaders.Weights
	places   map[place][]func(bundle.Tensor) error // what puts a tensor there
}

// place names a tensor of a network.
type place struct {
	network int
	tensor  string
}

func newParams(m record.Machine, s ...Source) *params {
	return &params{m, s, map[string]shaders.Tensor{}, map[string]shaders.Weights{}, map[place][]func(bundle.Tensor) error{}}
}

// put packs a tensor's data and copies it to where recordings look for it.
func (p *params) put(network int, t bundle.Tensor) error {
	puts := p.places[place{network, t.Name}]
	if puts == nil {
		return fmt.Errorf("tensor %s is used by no layer", t.Name)
	}
	for _, f := range puts {
		if err := f(t); err != nil {
			return fmt.Errorf("tensor %s: %w", t.Name, err)
		}
	}
	return nil
}

// expect has a tensor's data, once packed, copied into a buffer.
func (p *params) expect(network int, tensor string, b shaders.Buffer, offset int, packed func(bundle.Tensor) []byte) {
	at := place{network, tensor}
	p.places[at] = append(p.places[at], func(t bundle.Tensor) error { return p.machine.Fill(b, offset, packed(t)) })
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

// vector is a layer's bias or a norm's gain as f32 [networks, 1, 1, C]; of
// several layers that are used together, each from a multiple of four on.
func (l layers) vector(names []string, widths []int) shaders.Tensor {
	key := fmt.Sprint(l.of, names)
	if t, ok := l.vectors[key]; ok {
		return t
	}
	t := shaders.Tensor{N: len(l.of), H: 1, W: 1, C: total(widths)}
	t.Buffer = l.alloc(key, t.Size())
	offset := 0
	for _, network := range l.of {
		for i, name := range names {
			l.tensor(network, name, widths[i])
			l.expect(network, name, t.Buffer, offset, func(t bundle.Tensor) []byte { return words(t.Float32()) })
			offset += 4 * ((widths[i] + 3) &^ 3)
		}
	}
	l.vectors[key] = t
	return t
}

// words are floats as the machine stores them.
func words(v []float32) []byte {
	data := make([]byte, 0, 4*len(v))
	for _, x := range v {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x))
	}
	return data
}

// total is the width of layers side by side, each from a multiple of four on.
func total(widths []int) (sum int) {
	for _, n := range widths {
		sum = (sum+3)&^3 + n
	}
	return sum
}

func (p *params) alloc(label string, size int) shaders.Buffer {
	b, err := p.machine.Alloc(label, size)
	check(err)
	return b
}

// frequencies uploads those of the sinusoidal embedding of t, width c.
func (p *params) frequencies(c int, shift float64) shaders.Tensor {
	const key = "time_proj"
	t, ok := p.vectors[key]
	if !ok {
		t = shaders.Tensor{N: 1, H: 1, W: 1, C: c / 2}
		t.Buffer = p.alloc(key, t.Size())
		check(p.machine.Fill(t.Buffer, 0, words(shaders.Frequencies(c, shift))))
		p.vectors[key] = t
	}
	return t
}

// rows is an embedding table of the first network as f32 [1, 1, V, D].
func (p *params) rows(name string, v, d int) shaders.Tensor {
	if t, ok := p.vectors[name]; ok {
		return t
	}
	p.tensor(0, name, v, d)
	t := shaders.Tensor{N: 1, H: 1, W: v, C: d}
	t.Buffer = p.alloc(name, t.Size())
	p.expect(0, name, t.Buffer, 0, func(t bundle.Tensor) []byte {
		var data []byte
		for row := range slices.Chunk(t.Float32(), d) {
			data = append(append(data, words(row)...), make([]byte, 4*(-d&3))...)
		}
		return data
	})
	p.vectors[name] = t
	return t
}

// dtypes are the kernels' names for a bundle's.
var dtypes = map[string]shaders.DType{"I8": shaders.I8, "F16": shaders.F16, "F32": shaders.F32}

// matrix is the weights of a convolution [O, I, KH, KW] or linear [O, I],
// or of several that read the same input, stacked along their outputs: each
// then begins at a multiple of four. cin[0] and cin[1] inputs come from the
// first and the second source.
func (l layers) matrix(names []string, couts []int, cin [2]int, kh, kw int) shaders.Weights {
	key := fmt.Sprint(l.of, names, cin)
	if w, ok := l.matrices[key]; ok {
		return w
	}
	dtype := l.tensor(l.of[0], names[0]+".weight", couts[0], cin[0]+cin[1], kh, kw).DType
	w := shaders.Weights{DType: dtypes[dtype], Cout: total(couts), Cin: cin, KH: kh, KW: kw}
	outputs := (w.Cout + 3) &^ 3
	row := shaders.PackedSize(w.DType, 4, cin, kh, kw) / 4 // bytes of one output
	w.Data = l.alloc(names[0]+".weight", len(l.of)*outputs*row)
	if w.DType == shaders.I8 {
		w.Scale = l.alloc(names[0]+".scale", len(l.of)*outputs*4)
	}
	first := 0 // output
	for _, network := range l.of {
		for i, name := range names {
			name += ".weight"
			if t := l.tensor(network, name, couts[i], cin[0]+cin[1], kh, kw); t.DType != dtype {
				check(fmt.Errorf("%s is %s, and what is used together with it is %s: want one type", name, t.DType, dtype))
			}
			l.expect(network, name, w.Data, first*row, func(t bundle.Tensor) []byte {
				return shaders.PackWeights(w.DType, t.Data, cin, kh, kw)
			})
			if w.DType == shaders.I8 {
				l.expect(network, name, w.Scale, first*4, func(t bundle.Tensor) []byte { return words(t.Scale) })
			}
			first += (couts[i] + 3) &^ 3
		}
	}
	l.matrices[key] = w
	return w
}
