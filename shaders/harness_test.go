package shaders_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/x448/float16"

	"github.com/mcdm/mcdm/engine/gpu"
	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/shaders"
)

// openGPU opens the adapter that all tests of the package share.
var openGPU = sync.OnceValues(func() (*gpu.Device, error) {
	return gpu.Open(context.Background(), gpu.Options{})
})

// fixture is one kernel call with its inputs, to be run by the twin and on the
// adapter on memory of their own.
type fixture struct {
	t      testing.TB
	rnd    *rand.Rand
	plan   record.Plan
	write  []written
	reads  []shaders.Tensor
	names  []string
	consts []constant
	pixels map[string]bool // outputs of bytes, not of numbers
}

type written struct {
	to   shaders.Tensor
	data []byte
}

type constant struct {
	data []byte
	to   *shaders.Buffer
}

func newFixture(t testing.TB) *fixture {
	return &fixture{t: t, rnd: rand.New(rand.NewPCG(1, 2)), pixels: map[string]bool{}}
}

// guard is how many bytes on each side of an output must stay as they were.
const guard = 256

// sentinel fills outputs and their surroundings before the call.
const sentinel = 0x7fc5a5a5 // a NaN

// value draws from a distribution with planted outliers: uniform inputs make a
// softmax or a norm look right when it is not.
func (f *fixture) value() float32 {
	v := float32(f.rnd.NormFloat64())
	if f.rnd.IntN(50) == 0 {
		v *= 8
	}
	return v
}

// input is a random tensor; its padding is zero, as the kernels promise.
func (f *fixture) input(n, h, w, c int) shaders.Tensor {
	return f.filled(n, h, w, c, f.value)
}

func (f *fixture) filled(n, h, w, c int, value func() float32) shaders.Tensor {
	t := f.plan.Keep("input", n, h, w, c)
	b := make([]byte, t.Size())
	for r := range n * h * w {
		for k := range c {
			binary.LittleEndian.PutUint32(b[4*(r*t.Stride()+k):], math.Float32bits(value()))
		}
	}
	f.write = append(f.write, written{t, b})
	return t
}

func (f *fixture) bytes(t shaders.Tensor, b []byte) shaders.Tensor {
	f.write = append(f.write, written{t, b})
	return t
}

// output is a tensor inside a larger buffer, both full of sentinels.
func (f *fixture) output(name string, n, h, w, c int) shaders.Tensor {
	t := shaders.Tensor{N: n, H: h, W: w, C: c, Offset: guard}
	f.guarded(name, &t, t.Size())
	return t
}

// picture is an output of RGBA8 pixels, a multiple of 4 in number.
func (f *fixture) picture(name string, n, h, w int) shaders.Tensor {
	words := shaders.Tensor{N: 1, H: 1, W: 1, C: n * h * w, Offset: guard}
	f.guarded(name, &words, words.Size())
	f.pixels[name] = true
	return shaders.Tensor{Buffer: words.Buffer, Offset: guard, N: n, H: h, W: w, C: 1}
}

func (f *fixture) guarded(name string, t *shaders.Tensor, size int) {
	whole := shaders.Tensor{N: 1, H: 1, W: 1, C: (size + 2*guard + 15) / 16 * 4}
	t.Buffer = f.plan.KeepBytes(name, whole.Size())
	whole.Buffer = t.Buffer
	b := make([]byte, 0, whole.Size())
	for range whole.Size() / 4 {
		b = binary.LittleEndian.AppendUint32(b, sentinel)
	}
	f.write = append(f.write, written{whole, b})
	f.reads = append(f.reads, *t)
	f.names = append(f.names, name)
}

// weights packs random weights of a type for some networks.
func (f *fixture) weights(networks int, t shaders.DType, cout, c1, c2, kh, kw int) *shaders.Weights {
	w := &shaders.Weights{DType: t, Cout: cout, Cin: [2]int{c1, c2}, KH: kh, KW: kw}
	gain := 1 / math.Sqrt(float64((c1+c2)*kh*kw))
	var packed, scale []byte
	for range networks {
		packed = append(packed, shaders.PackWeights(t, f.matrix(t, cout*(c1+c2)*kh*kw, gain), w.Cin, kh, kw)...)
		for range (cout + 3) &^ 3 {
			scale = binary.LittleEndian.AppendUint32(scale, math.Float32bits(float32(gain*(0.5+f.rnd.Float64())/127)))
		}
	}
	f.consts = append(f.consts, constant{packed, &w.Data})
	if t == shaders.I8 {
		f.consts = append(f.consts, constant{scale, &w.Scale})
	}
	return w
}

func (f *fixture) matrix(t shaders.DType, n int, gain float64) (data []byte) {
	for range n {
		switch t {
		case shaders.I8:
			data = append(data, byte(f.rnd.IntN(255)-127))
		case shaders.F16:
			data = binary.LittleEndian.AppendUint16(data, float16.Fromfloat32(float32(f.rnd.NormFloat64()*gain)).Bits())
		default:
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(f.rnd.NormFloat64()*gain)))
		}
	}
	return data
}

// run makes the call on a machine and returns the outputs' words, guards included.
func (f *fixture) run(m record.Machine, call func() []shaders.Dispatch) [][]uint32 {
	ctx := context.Background()
	for _, c := range f.consts {
		b, err := m.Upload("weights", c.data)
		require.NoError(f.t, err)
		*c.to = b
	}
	plan := f.plan // its programs are this run's own
	g := plan.Program("test")
	g.Add("test", call()...)
	l, err := m.Load(ctx, &plan, nil)
	require.NoError(f.t, err)
	defer l.Release()
	for _, w := range f.write {
		require.NoError(f.t, l.Write(w.to, w.data))
	}
	require.NoError(f.t, l.Run(ctx, g))
	var out [][]uint32
	for _, r := range f.reads {
		size := r.Size()
		whole := shaders.Tensor{Buffer: r.Buffer, N: 1, H: 1, W: 1, C: (size + 2*guard) / 4}
		b, err := l.Read(ctx, whole)
		require.NoError(f.t, err)
		words := make([]uint32, len(b)/4)
		for i := range words {
			words[i] = binary.LittleEndian.Uint32(b[4*i:])
		}
		out = append(out, words)
	}
	return out
}

// check runs the call by its twin and in every form on the adapter and compares. tol is
// relative to the value, or to the root mean
// square of the output where that is larger.
func (f *fixture) check(what string, tol float64, call func() []shaders.Dispatch) {
	f.t.Helper()
	dev, err := openGPU()
	require.NoError(f.t, err)
	m := record.GPU(dev)
	defer m.Release()
	want := f.run(record.CPU(), call)
	for form := range max(1, len(call()[0].Forms)) {
		got := f.run(m, func() []shaders.Dispatch { return in(form, call()) })
		if err := f.compare(fmt.Sprintf("%s form %d", what, form), got, want, tol); err != nil {
			f.t.Error(err)
		}
	}
}

// compare finds the first value that differs in each output.
func (f *fixture) compare(what string, got, want [][]uint32, tol float64) error {
	var errs []error
	for i, t := range f.reads {
		compare := compare
		if f.pixels[f.names[i]] {
			compare = comparePixels
		}
		errs = append(errs, compare(what+" "+f.names[i], t, got[i], want[i], tol))
	}
	return errors.Join(errs...)
}

// in puts a call's launches into their form of that number, alone.
func in(form int, call []shaders.Dispatch) []shaders.Dispatch {
	for i, d := range call {
		if form < len(d.Forms) {
			call[i] = d.In(d.Forms[form])
			call[i].Forms = nil
		}
	}
	return call
}

// compare finds the first value that differs, and overruns on both sides.
func compare(what string, t shaders.Tensor, got, want []uint32, tol float64) error {
	first, last, err := within(what, t, got, want)
	if err != nil {
		return err
	}
	sum, n := 0.0, 0
	for _, v := range want[first:last] {
		x := float64(math.Float32frombits(v))
		sum += x * x
		n++
	}
	rms := math.Max(math.Sqrt(sum/float64(n)), 1e-3)
	for i := range last - first {
		a, b := math.Float32frombits(got[first+i]), math.Float32frombits(want[first+i])
		bound := tol * math.Max(rms, math.Abs(float64(b)))
		if d := math.Abs(float64(a) - float64(b)); !(d <= bound) {
			s := t.Stride()
			c, p := i%s, i/s
			return fmt.Errorf("%s[%d,%d,%d,%d]: got %v, want %v (tol %.2g)", what, p/(t.W*t.H), p/t.W%t.H, p%t.W, c, a, b, bound)
		}
	}
	return nil
}

// comparePixels is compare of RGBA8, where rounding may differ by a level.
func comparePixels(what string, t shaders.Tensor, got, want []uint32, _ float64) error {
	first, last, err := within(what, t, got, want)
	if err != nil {
		return err
	}
	for i := first; i < last; i++ {
		for shift := 0; shift < 32; shift += 8 {
			a, b := int(got[i]>>shift&255), int(want[i]>>shift&255)
			if a < b-1 || a > b+1 {
				return fmt.Errorf("%s: pixel %d: got %#08x, want %#08x", what, i-first, got[i], want[i])
			}
		}
	}
	return nil
}

// within is where an output lies between its guards, which must be whole.
func within(what string, t shaders.Tensor, got, want []uint32) (first, last int, err error) {
	if &got[0] == &want[0] {
		return 0, 0, fmt.Errorf("%s: both operands are one buffer", what)
	}
	first, last = guard/4, guard/4+t.Size()/4
	for _, side := range [][]uint32{got[:first], got[last:], want[:first], want[last:]} {
		for i, v := range side {
			if v != sentinel {
				return 0, 0, fmt.Errorf("%s: wrote beyond its output, word %d of a guard is %#x", what, i, v)
			}
		}
	}
	return first, last, nil
}

func one(d shaders.Dispatch) []shaders.Dispatch { return []shaders.Dispatch{d} }
