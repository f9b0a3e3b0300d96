package shaders_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/shaders"
)

type convCase struct {
	n, h, w, c1, c2, o, k int
	stride, pad, up       int
	dtype                 shaders.DType
	bias, time, residual  bool
	act                   shaders.Activation
	scale                 float32
	odd                   bool  // output one smaller than twice the input
	nets                  []int // networks that share the launch
}

func (c convCase) String() string {
	return fmt.Sprintf("conv2d[%dx%d %d+%d->%d %dx%dx%d s%d p%d u%d dtype%d act%d]", c.k, c.k, c.c1, c.c2, c.o, c.n, c.h, c.w, c.stride, c.pad, c.up, c.dtype, c.act)
}

// networks is how many have weights, the launch's among them.
func (c convCase) networks() int { return 1 + slices.Max(append(c.nets, 0)) }

// call builds the launch in a fixture.
func (c convCase) call(f *fixture) func() []shaders.Dispatch {
	oh, ow := c.h, c.w
	switch {
	case c.up == 2 && c.odd:
		oh, ow = 2*c.h-1, 2*c.w-1
	case c.up == 2:
		oh, ow = 2*c.h, 2*c.w
	case c.stride == 2:
		side := func(n int) int { return (n+max(2*c.pad, 1)-3)/2 + 1 }
		oh, ow = side(c.h), side(c.w)
	}
	a := shaders.Conv2DArgs{
		X: f.input(c.n, c.h, c.w, c.c1), Y: f.output("y", c.n, oh, ow, c.o),
		Nets: c.nets, Stride: c.stride, PadTop: c.pad, PadLeft: c.pad, Upsample: c.up, Activation: c.act, OutScale: c.scale,
	}
	if c.c2 > 0 {
		a.Skip = f.input(c.n, c.h, c.w, c.c2)
	}
	if c.bias {
		a.Bias = f.input(c.networks(), 1, 1, c.o)
	}
	if c.time {
		a.TimeBias, a.TimeOffset = f.input(c.n, 1, 1, 8+c.o+3), 8
	}
	if c.residual {
		a.Residual = f.input(c.n, oh, ow, c.o)
	}
	w := f.weights(c.networks(), c.dtype, c.o, c.c1, c.c2, c.k, c.k)
	return func() []shaders.Dispatch {
		a.W = *w
		return one(shaders.Conv2D(a))
	}
}

// Real shapes of the UNets first, then ugly ones.
var convCases = []convCase{
	{n: 1, h: 32, w: 32, c1: 12, c2: 44, o: 64, k: 3, pad: 1, dtype: shaders.I8, bias: true},
	{n: 1, h: 16, w: 16, c1: 128, o: 128, k: 3, pad: 1, dtype: shaders.I8, bias: true, time: true},
	{n: 1, h: 8, w: 8, c1: 192, c2: 128, o: 192, k: 1, dtype: shaders.I8, bias: true, residual: true},
	{n: 1, h: 8, w: 8, c1: 192, o: 192, k: 3, pad: 1, up: 2, dtype: shaders.I8, bias: true},
	{n: 1, h: 1, w: 1, c1: 256, o: 192, k: 1, dtype: shaders.I8, bias: true, act: shaders.SiLU},
	{n: 1, h: 1, w: 32, c1: 128, o: 512, k: 1, dtype: shaders.F16, bias: true, act: shaders.GELU},
	{n: 2, h: 32, w: 32, c1: 64, o: 12, k: 3, pad: 1, dtype: shaders.F32, bias: true},
	{n: 2, h: 16, w: 16, c1: 64, o: 64, k: 3, stride: 2, pad: 1, dtype: shaders.F16, bias: true},
	{n: 1, h: 16, w: 16, c1: 64, o: 64, k: 3, stride: 2, pad: 0, dtype: shaders.F32, bias: true},
	{n: 1, h: 7, w: 5, c1: 20, o: 20, k: 3, stride: 2, pad: 0, dtype: shaders.F32},
	{n: 2, h: 5, w: 7, c1: 3, o: 5, k: 3, pad: 1, dtype: shaders.F32, bias: true, time: true, residual: true, scale: 0.70710678},
	{n: 1, h: 3, w: 3, c1: 5, c2: 6, o: 7, k: 3, pad: 1, dtype: shaders.I8, bias: true},
	{n: 1, h: 3, w: 4, c1: 4, c2: 3, o: 33, k: 1, dtype: shaders.F16},
	{n: 1, h: 2, w: 3, c1: 8, o: 8, k: 3, pad: 1, up: 2, odd: true, dtype: shaders.F32},
	{n: 3, h: 1, w: 1, c1: 1, o: 1, k: 1, dtype: shaders.F32, act: shaders.GELU},
	{n: 1, h: 1, w: 63, c1: 16, o: 60, k: 1, dtype: shaders.I8},
	{n: 1, h: 1, w: 64, c1: 16, o: 64, k: 1, dtype: shaders.I8},
	{n: 1, h: 1, w: 65, c1: 16, o: 68, k: 1, dtype: shaders.I8},
	{n: 4, h: 8, w: 8, c1: 24, o: 24, k: 3, pad: 1, dtype: shaders.I8, bias: true, time: true, nets: []int{0, 1, 2, 3}},
	{n: 4, h: 5, w: 7, c1: 9, c2: 3, o: 13, k: 3, pad: 1, dtype: shaders.I8, bias: true, residual: true, nets: []int{3, 1}},
	{n: 3, h: 1, w: 1, c1: 16, o: 20, k: 1, dtype: shaders.F16, bias: true, nets: []int{2, 2, 0}},
	{n: 6, h: 4, w: 4, c1: 8, o: 8, k: 3, pad: 1, up: 2, dtype: shaders.F32, bias: true, nets: []int{1, 0, 15}},
}

func TestConv2D(t *testing.T) {
	for _, c := range convCases {
		t.Run(c.String(), func(t *testing.T) {
			f := newFixture(t)
			f.check("conv2d", 2e-5, c.call(f))
		})
	}
}

// A convolution of ones counts the taps inside.
func TestConv2DByHand(t *testing.T) {
	one32 := binary.LittleEndian.AppendUint32(nil, math.Float32bits(1))
	p := shaders.PackWeights(shaders.F32, bytes.Repeat(one32, 9), [2]int{1, 0}, 3, 3)
	require.Len(t, p, 9*64)
	f := newFixture(t)
	w := shaders.Weights{Cout: 1, Cin: [2]int{1, 0}, KH: 3, KW: 3}
	f.consts = append(f.consts, constant{p, &w.Data})
	x := f.filled(1, 3, 3, 1, func() float32 { return 1 })
	y := f.output("y", 1, 3, 3, 1)
	call := func() []shaders.Dispatch {
		return one(shaders.Conv2D(shaders.Conv2DArgs{X: x, Y: y, W: w, PadTop: 1, PadLeft: 1}))
	}
	want := []float32{4, 6, 4, 6, 9, 6, 4, 6, 4}
	got := f.run(record.CPU(), call)[0][guard/4:]
	for i, v := range want {
		assert.Equal(t, v, math.Float32frombits(got[4*i]))
	}
	f.check("conv2d", 1e-6, call)
}

func TestGroupNorm(t *testing.T) {
	for _, c := range []struct {
		n, h, w, c1, c2, groups int
		silu, shift             bool
		nets                    []int
	}{
		{1, 32, 32, 64, 0, 32, true, false, nil},
		{1, 8, 8, 192, 128, 32, true, false, nil}, // groups of 10 straddle both the vec4s and the skip
		{1, 16, 16, 128, 64, 8, true, false, nil},
		{1, 32, 32, 128, 0, 8, true, false, nil},
		{2, 16, 16, 128, 64, 16, true, true, nil},
		{2, 5, 7, 6, 0, 2, false, false, nil},
		{1, 1, 1, 6, 3, 3, true, true, nil},
		{1, 63, 1, 20, 16, 4, false, true, nil},
		{1, 13, 5, 5, 7, 6, true, false, nil},
		{1, 8, 8, 24, 0, 1, false, false, nil},
		{1, 8, 8, 24, 0, 24, false, false, nil},
		{1, 32, 32, 128, 64, 8, true, false, nil}, // 24 vec4s for each of 256 lanes
		{1, 48, 48, 16, 0, 1, false, true, nil},   // 36: more than a lane holds
		{1, 64, 64, 175, 0, 1, false, false, nil}, // of 32 lanes each would have 22,400 items
		{4, 6, 6, 24, 8, 4, true, true, []int{3, 1}},
		{3, 3, 5, 6, 3, 3, true, false, []int{0, 2, 1}},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			f := newFixture(t)
			ch, networks := c.c1+c.c2, 1+slices.Max(append(c.nets, 0))
			offset := func() float32 { return 20 + f.value() } // a large mean: one pass would lose the variance
			a := shaders.GroupNormArgs{
				X: f.filled(c.n, c.h, c.w, c.c1, offset), Y: f.output("y", c.n, c.h, c.w, ch),
				Gamma: f.input(networks, 1, 1, ch), Beta: f.input(networks, 1, 1, ch), Nets: c.nets, Groups: c.groups, Eps: 1e-5, SiLU: c.silu,
			}
			if c.c2 > 0 {
				a.Skip = f.input(c.n, c.h, c.w, c.c2)
			}
			if c.shift {
				a.ScaleShift, a.ShiftOffset = f.input(c.n, 1, 1, 4+2*ch+1), 4
			}
			f.check("group_norm", 5e-5, func() []shaders.Dispatch { return one(shaders.GroupNorm(a)) })
		})
	}
}

// On a GPU the form that shares keys is tried where it has many workgroups; a software
// adapter always takes it.
func TestAttentionForms(t *testing.T) {
	for side, software := range map[int]bool{8: true, 64: false} {
		f := newFixture(t)
		q := f.plan.Keep("q", 1, 1, side*side, 3*64)
		d := shaders.Attention(shaders.AttentionArgs{Q: q, K: q, V: q, KOffset: 64, VOffset: 128, Y: f.plan.Keep("y", 1, 1, side*side, 64), Heads: 4, HeadDim: 16, Scale: .25})
		require.Len(t, d.Forms, 2)
		assert.Equal(t, "attention_tile", d.Kernel.Name)
		assert.Equal(t, software, d.Forms[0].Software, side)
		assert.False(t, d.Forms[1].Software)
	}
}

func TestLayerNorm(t *testing.T) {
	for _, c := range []struct{ n, l, c int }{{1, 32, 128}, {2, 64, 192}, {1, 1, 5}, {3, 7, 63}, {1, 3, 65}, {1, 4, 3}, {1, 5, 260}, {4, 3, 20}} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			f := newFixture(t)
			x := f.filled(c.n, 1, c.l, c.c, func() float32 { return 20 + f.value() })
			y, g, b := f.output("y", c.n, 1, c.l, c.c), f.input(4, 1, 1, c.c), f.input(4, 1, 1, c.c)
			var nets []int // of the fourth
			if c.n == 4 {
				nets = []int{3, 1}
			}
			f.check("layer_norm", 5e-5, func() []shaders.Dispatch {
				return one(shaders.LayerNorm(shaders.LayerNormArgs{X: x, Y: y, Gamma: g, Beta: b, Nets: nets, Eps: 1e-5}))
			})
		})
	}
}

func TestAttention(t *testing.T) {
	for _, c := range []struct {
		n, l, m, heads, dim int
		scale               float32
		fused               bool
	}{
		{1, 64, 64, 6, 32, 0.17677669, true},
		{2, 64, 32, 4, 48, 0.14433757, false},
		{1, 32, 32, 4, 32, 0.17677669, true},
		{1, 16, 16, 1, 512, 0.04419417, true},
		{1, 63, 65, 2, 8, 20, false}, // logits of hundreds
		{2, 3, 1, 3, 4, 1, true},
		{1, 17, 128, 1, 68, 8, false},
		{1, 2, 129, 2, 64, 1, false},
		{2, 15, 63, 3, 132, 1, false},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			f := newFixture(t)
			ch := c.heads * c.dim
			a := shaders.AttentionArgs{Heads: c.heads, HeadDim: c.dim, Scale: c.scale, Y: f.output("y", c.n, 1, c.l, ch)}
			if c.fused && c.l == c.m {
				qkv := f.input(c.n, 1, c.l, 3*ch)
				a.Q, a.K, a.V, a.KOffset, a.VOffset = qkv, qkv, qkv, ch, 2*ch
			} else {
				a.Q = f.input(c.n, 1, c.l, ch)
				kv := f.input(c.n, 1, c.m, 2*ch)
				a.K, a.V, a.VOffset = kv, kv, ch
			}
			f.check("attention", 1e-4, func() []shaders.Dispatch { return one(shaders.Attention(a)) })
		})
	}
}

func TestGEGLU(t *testing.T) {
	for _, c := range []struct{ n, l, c int }{{1, 64, 768}, {2, 3, 20}, {1, 16, 4}, {1, 17, 4}} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			f := newFixture(t)
			x, y := f.input(c.n, 1, c.l, 2*c.c), f.output("y", c.n, 1, c.l, c.c)
			f.check("geglu", 2e-6, func() []shaders.Dispatch { return one(shaders.GEGLU(shaders.GEGLUArgs{X: x, Y: y})) })
		})
	}
}

func TestTimeEmbedding(t *testing.T) {
	for _, c := range []struct {
		ts    []float32
		c     int
		flip  bool
		shift float64
	}{
		{[]float32{999}, 64, true, 0},
		{[]float32{0, 1, 500, 999}, 128, false, 1},
		{[]float32{37, 731.5}, 6, true, 0},
		{[]float32{12}, 130, false, 1},
		{[]float32{5, 3}, 2, true, 0}, // more padding than angles
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			f := newFixture(t)
			i := 0
			ts := f.filled(len(c.ts), 1, 1, 1, func() float32 { i++; return c.ts[i-1] })
			table := shaders.Frequencies(c.c, c.shift)
			j := 0
			freq := f.filled(1, 1, 1, c.c/2, func() float32 { j++; return table[j-1] })
			y := f.output("y", len(c.ts), 1, 1, c.c)
			f.check("time_embedding", 3e-6, func() []shaders.Dispatch {
				return one(shaders.TimeEmbedding(shaders.TimeEmbeddingArgs{T: ts, Frequency: freq, Y: y, FlipSinToCos: c.flip}))
			})
		})
	}
}

func TestEmbedding(t *testing.T) {
	f := newFixture(t)
	const n, l, v, d = 2, 32, 11, 20
	tokens := f.plan.Keep("tokens", n, 1, l, 1)
	var ids []byte
	for i := range n * l {
		ids = binary.LittleEndian.AppendUint32(ids, uint32(i*7%13)) // beyond the vocabulary too
		ids = append(ids, make([]byte, 12)...)
	}
	f.bytes(tokens, ids)
	table, pos, y := f.input(1, 1, v, d), f.input(1, 1, l, d), f.output("y", n, 1, l, d)
	f.check("embedding", 1e-7, func() []shaders.Dispatch {
		return one(shaders.Embedding(shaders.EmbeddingArgs{Tokens: tokens, Table: table, Position: pos, Y: y}))
	})
}

func TestMergeStep(t *testing.T) {
	for _, c := range []struct {
		n, h, w, c, r, networks int
		clip                    float32
		init                    bool
		keep                    uint32
		maps                    bool
	}{
		{1, 32, 32, 12, 2, 4, 1, false, 0, false},
		{2, 8, 8, 3, 1, 1, 0, false, 0, false},
		{2, 8, 8, 3, 1, 16, 1, false, 1, false},
		{1, 4, 4, 1, 1, 2, 1, false, 0, false},
		{3, 8, 8, 12, 2, 2, 1, true, 1, true},
		{1, 8, 9, 48, 4, 3, .5, false, 0, false},
		{2, 16, 16, 12, 2, 4, 1, false, 0, true},
		{1, 4, 5, 3, 1, 16, 0, false, 1, true},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			f := newFixture(t)
			eps := f.input(c.networks*c.n, c.h, c.w, c.c)
			z := f.output("z", c.n, c.h, c.w, c.c)
			prev := f.output("x0_prev", c.n, c.h, c.w, c.c)
			merged := f.output("merged", c.n, c.h, c.w, c.c)
			planes := 2
			if c.maps {
				planes += c.networks
			}
			known := f.filled(planes, c.h, c.w, c.c, func() float32 { return float32(f.rnd.IntN(3)) / 2 })
			f.bytes(z, randomRows(f, z))
			f.bytes(prev, randomRows(f, prev))
			if c.init {
				f.bytes(merged, make([]byte, merged.Size()))
			}
			preview := f.picture("preview", c.n, c.h*c.r, c.w*c.r)
			p := shaders.StepParams{
				SqrtAbar: .6, SqrtOneMinusAbar: .8, CX0: .3, CX0Prev: -.7, CZ: .5, CEps: .2, CNoise: .4, Clip: c.clip, EpsOut: .7, EpsZ: .3,
				SeedLo: math.MaxUint32, SeedHi: 7, Index: 3, Keep: c.keep,
			}
			left := float32(1)
			for j := 1; j < c.networks; j++ {
				p.Weights[j] = .1 + .2*float32(j)
				left -= p.Weights[j]
			}
			p.Weights[0] = left
			step := shaders.Tensor{N: 1, H: 1, W: 1, C: shaders.StepParamsSize / 4, Buffer: f.plan.KeepBytes("step", shaders.StepParamsSize)}
			f.bytes(step, p.Bytes())
			f.check("merge_step", 1e-5, func() []shaders.Dispatch {
				return one(shaders.MergeStep(shaders.MergeStepArgs{
					Eps: eps, Z: z, X0Prev: prev, Known: known, Merged: merged, Preview: preview, Step: step, Networks: c.networks, Unshuffle: c.r, Init: c.init, Maps: c.maps,
				}))
			})
		})
	}
}

// randomRows are values with zero padding, for a tensor that is also an output.
func randomRows(f *fixture, t shaders.Tensor) []byte {
	b := make([]byte, t.Size())
	for i := range t.N * t.H * t.W {
		for k := range t.C {
			binary.LittleEndian.PutUint32(b[4*(i*t.Stride()+k):], math.Float32bits(f.value()))
		}
	}
	return b
}

// TestPlantedFaults changes one parameter of each kernel on one side only and
// sees that the comparison notices, where it is.
func TestPlantedFaults(t *testing.T) {
	layer := func(f *fixture) func() []shaders.Dispatch {
		x, y, g, b := f.input(1, 1, 3, 8), f.output("y", 1, 1, 3, 8), f.input(1, 1, 1, 8), f.input(1, 1, 1, 8)
		return func() []shaders.Dispatch {
			return one(shaders.LayerNorm(shaders.LayerNormArgs{X: x, Y: y, Gamma: g, Beta: b, Eps: 1e-5}))
		}
	}
	group := func(c int) func(f *fixture) func() []shaders.Dispatch {
		return func(f *fixture) func() []shaders.Dispatch {
			x, y, g, b := f.input(1, 4, 4, c), f.output("y", 1, 4, 4, c), f.input(1, 1, 1, c), f.input(1, 1, 1, c)
			return func() []shaders.Dispatch {
				return one(shaders.GroupNorm(shaders.GroupNormArgs{X: x, Y: y, Gamma: g, Beta: b, Groups: 2, Eps: 1e-5}))
			}
		}
	}
	attention := func(f *fixture) func() []shaders.Dispatch {
		q, y := f.input(1, 1, 8, 24), f.output("y", 1, 1, 8, 8)
		return func() []shaders.Dispatch {
			return one(shaders.Attention(shaders.AttentionArgs{Q: q, K: q, V: q, KOffset: 8, VOffset: 16, Y: y, Heads: 2, HeadDim: 4, Scale: .5}))
		}
	}
	geglu := func(f *fixture) func() []shaders.Dispatch {
		x, y := f.input(1, 1, 3, 16), f.output("y", 1, 1, 3, 8)
		return func() []shaders.Dispatch { return one(shaders.GEGLU(shaders.GEGLUArgs{X: x, Y: y})) }
	}
	timeEmbedding := func(f *fixture) func() []shaders.Dispatch {
		a := shaders.TimeEmbeddingArgs{T: f.input(1, 1, 1, 1), Frequency: f.input(1, 1, 1, 4), Y: f.output("y", 1, 1, 1, 8)}
		return func() []shaders.Dispatch { return one(shaders.TimeEmbedding(a)) }
	}
	embedding := func(f *fixture) func() []shaders.Dispatch {
		a := shaders.EmbeddingArgs{
			Tokens: f.plan.Keep("tokens", 1, 1, 4, 1), Table: f.input(1, 1, 3, 8), Position: f.input(1, 1, 4, 8), Y: f.output("y", 1, 1, 4, 8),
		}
		return func() []shaders.Dispatch { return one(shaders.Embedding(a)) }
	}
	merged := statsCase{n: 1, h: 4, w: 4, c: 12, networks: 2, first: 1, rank: 100, rescale: .7}
	stats := func(f *fixture) func() []shaders.Dispatch {
		a := merged.args(f)
		return func() []shaders.Dispatch { return one(shaders.MergeStats(a)) }
	}
	parameters := func(f *fixture) shaders.Tensor {
		step := shaders.Tensor{N: 1, H: 1, W: 1, C: shaders.StepParamsSize / 4, Buffer: f.plan.KeepBytes("step", shaders.StepParamsSize)}
		return f.bytes(step, merged.params().Bytes())
	}
	step := func(f *fixture) func() []shaders.Dispatch {
		a := shaders.MergeStepArgs{
			Eps: f.input(2, 4, 4, 12), Z: f.input(1, 4, 4, 12), X0Prev: f.input(1, 4, 4, 12), Known: f.input(2, 4, 4, 12),
			Merged: f.output("y", 1, 4, 4, 12), Preview: f.picture("preview", 1, 8, 8), Step: parameters(f), Networks: 2, Unshuffle: 2,
		}
		return func() []shaders.Dispatch { return one(shaders.MergeStep(a)) }
	}
	metropolis := func(f *fixture) func() []shaders.Dispatch {
		a := shaders.MetropolisArgs{
			Eps: f.input(2, 4, 4, 12), Z: f.input(1, 4, 4, 12), Known: f.input(2, 4, 4, 12), Last: f.output("last", 2, 4, 4, 12),
			Energy: f.output("energy", 1, 1, 1, 4), Step: parameters(f), Networks: 2,
		}
		f.bytes(a.Energy, energies(0))
		return func() []shaders.Dispatch { return one(shaders.Metropolis(a)) }
	}
	conv := convCases[len(convCases)-3]
	point := convCase{n: 1, h: 3, w: 3, c1: 5, o: 7, k: 1, dtype: shaders.I8}
	dev, err := openGPU()
	require.NoError(t, err)
	m := record.GPU(dev)
	defer m.Release()
	faulty := map[*shaders.Kernel]bool{}
	for _, c := range []struct {
		name  string
		build func(f *fixture) func() []shaders.Dispatch
		word  int
		value uint32
	}{
		{"conv2d pad_top", conv.call, 8, 0},
		{"conv2d out_scale", conv.call, 10, math.Float32bits(1.001)},
		{"conv2d nets", conv.call, 15, 0x11},
		{"conv2d c1 of 1x1", point.call, 5, 1},
		{"group_norm eps", group(8), 9, math.Float32bits(.1)},
		{"group_norm per_group", group(8), 8, 8},
		{"group_norm_narrow eps", group(6), 9, math.Float32bits(.1)},
		{"group_norm_narrow per_group", group(6), 8, 6},
		{"layer_norm eps", layer, 3, math.Float32bits(.1)},
		{"attention scale", attention, 9, math.Float32bits(.51)},
		{"attention v_offset", attention, 8, 3},
		{"geglu c4", geglu, 0, 1},
		{"time_embedding half", timeEmbedding, 1, 3},
		{"embedding l", embedding, 0, 3},
		{"merge_stats first", stats, 1, 0},
		{"merge_step networks", step, 0, 1},
		{"metropolis networks", metropolis, 0, 1},
	} {
		d := c.build(newFixture(t))()[0]
		for _, form := range append(d.Forms, shaders.Form{Kernel: d.Kernel}) {
			faulty[form.Kernel] = true
		}
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			call := c.build(f)
			want := f.run(record.CPU(), call)
			for form := range max(1, len(call()[0].Forms)) {
				right := func() []shaders.Dispatch { return in(form, call()) }
				what := right()[0].Kernel.Name
				got := f.run(m, func() []shaders.Dispatch {
					ds := right()
					binary.LittleEndian.PutUint32(ds[0].Params[4*c.word:], c.value)
					return ds
				})
				assert.ErrorContains(t, f.compare(what, got, want, 1e-4), "[0,", "form %d", form)
				// The same call without the fault passes.
				assert.NoError(t, f.compare(what, f.run(m, right), want, 1e-4), "form %d", form)
			}
		})
	}
	for _, k := range shaders.All() {
		assert.True(t, faulty[k], "no fault is planted in %s", k.Name)
	}
}

func TestCompareLocates(t *testing.T) {
	f := newFixture(t)
	call := convCases[1].call(f)
	want := f.run(record.CPU(), call)[0]
	got := f.run(record.CPU(), call)[0]
	got[guard/4+777] ^= 0x00400000
	assert.ErrorContains(t, compare("conv2d y", f.reads[0], got, want, 2e-5), "conv2d y[0,0,6,9]: got")
	got[guard/4+777] = want[guard/4+777]
	assert.NoError(t, compare("conv2d y", f.reads[0], got, want, 2e-5))
	got[0] = 0
	assert.ErrorContains(t, compare("conv2d y", f.reads[0], got, want, 2e-5), "beyond its output")
	assert.ErrorContains(t, compare("conv2d y", f.reads[0], want, want, 2e-5), "one buffer")
}
