package shaders_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/shaders"
)

// benchmark times a call on the adapter; flop is its multiply-adds times two.
// %roofline is how near it comes to the least time that the adapter's own peak
// and bandwidth allow, when every input is read once and every output written
// once. Small tensors stay in caches, so it may pass 100 where little is
// computed.
//
// Where a call has several forms, each is timed.
func benchmark(b *testing.B, flop float64, build func(f *fixture) func() []shaders.Dispatch) {
	forms := len(build(newFixture(b))()[0].Forms)
	if forms == 0 {
		benchmarkForm(b, flop, 0, build)
		return
	}
	for form := range forms {
		b.Run(fmt.Sprintf("form%d", form), func(b *testing.B) { benchmarkForm(b, flop, form, build) })
	}
}

func benchmarkForm(b *testing.B, flop float64, form int, build func(f *fixture) func() []shaders.Dispatch) {
	best, err := measurePeak()
	require.NoError(b, err)
	dev, err := openGPU()
	require.NoError(b, err)
	m := record.GPU(dev)
	defer m.Release()
	f := newFixture(b)
	launch := build(f)
	call := func() []shaders.Dispatch { return in(form, launch()) }
	for _, c := range f.consts {
		buffer, err := m.Upload("weights", c.data)
		require.NoError(b, err)
		*c.to = buffer
	}
	run, release := f.repeated(m, call())
	defer release()
	run(1) // the first use compiles
	start := time.Now()
	run(1)
	n := repeats(time.Since(start))
	run(n)
	b.ResetTimer()
	for range b.N {
		run(n)
	}
	each := b.Elapsed() / time.Duration(b.N*n)
	b.ReportMetric(float64(each.Nanoseconds()), "ns/op")
	if flop > 0 {
		b.ReportMetric(flop/each.Seconds()/1e9, "GFLOP/s")
	}
	bytes := f.traffic(call())
	b.ReportMetric(bytes/each.Seconds()/1e9, "GB/s")
	b.ReportMetric(100*float64(best.ceiling(flop, bytes))/float64(each), "%roofline")
}

// repeats is how often a call that takes so long alone is timed at once: enough
// that submitting and waiting cost little beside it, as they do within a step, and
// not so often that a slow adapter takes seconds. What takes microseconds on a GPU
// seems to take ten times as long alone, which is why it is that often.
func repeats(alone time.Duration) int {
	return int(max(1, min(1000, 40*time.Millisecond/max(alone, 1))))
}

// atOnce is how many launches are submitted together: the next are encoded while
// these run.
const atOnce = 50

// repeated runs the same call n times; release frees what it takes.
func (f *fixture) repeated(m record.Machine, call []shaders.Dispatch) (run func(n int), release func()) {
	ctx := context.Background()
	plan := f.plan
	g := plan.Program("benchmark")
	g.Add("benchmark", call...)
	l, err := m.Load(ctx, &plan, nil)
	require.NoError(f.t, err)
	for _, w := range f.write {
		require.NoError(f.t, l.Write(w.to, w.data))
	}
	return func(n int) {
		for ; n > 0; n -= atOnce {
			require.NoError(f.t, l.Run(ctx, slices.Repeat([]*record.Program{g}, min(n, atOnce))...))
		}
		require.NoError(f.t, l.Wait(ctx))
	}, l.Release
}

// traffic is the bytes of all that a call binds, each part of a buffer once.
func (f *fixture) traffic(call []shaders.Dispatch) float64 {
	size := map[shaders.View]int{}
	for _, d := range call {
		for _, v := range d.Bindings {
			size[v] = v.Size
		}
	}
	for _, c := range f.consts {
		size[shaders.View{Buffer: *c.to}] = len(c.data)
	}
	sum := 0
	for _, n := range size {
		sum += n
	}
	return float64(sum)
}

// The layers of the shipped networks that take the most time.
func BenchmarkConv2D(b *testing.B) {
	for _, c := range []convCase{
		{n: 1, h: 32, w: 32, c1: 64, o: 64, k: 3, pad: 1, dtype: shaders.I8, bias: true},
		{n: 1, h: 32, w: 32, c1: 128, o: 64, k: 3, pad: 1, dtype: shaders.I8, bias: true},
		{n: 1, h: 16, w: 16, c1: 128, o: 128, k: 3, pad: 1, dtype: shaders.I8, bias: true},
		{n: 1, h: 8, w: 8, c1: 192, o: 192, k: 3, pad: 1, dtype: shaders.I8, bias: true},
		{n: 1, h: 16, w: 16, c1: 192, o: 192, k: 3, pad: 1, up: 2, dtype: shaders.I8, bias: true},
		{n: 1, h: 32, w: 32, c1: 64, c2: 64, o: 64, k: 1, dtype: shaders.I8, bias: true},
		{n: 1, h: 1, w: 1, c1: 256, o: 256, k: 1, dtype: shaders.I8, bias: true, act: shaders.SiLU},
		{n: 1, h: 16, w: 16, c1: 128, o: 128, k: 3, pad: 1, dtype: shaders.F32, bias: true},
	} {
		out := c.h * c.w * max(c.up, 1) * max(c.up, 1)
		flop := 2 * float64(out*c.o*(c.c1+c.c2)*c.k*c.k)
		b.Run(fmt.Sprintf("%dx%dx%d+%d-%d/%dx%d/up%d/dtype%d", c.h, c.w, c.c1, c.c2, c.o, c.k, c.k, max(c.up, 1), c.dtype), func(b *testing.B) {
			benchmark(b, flop, c.call)
		})
	}
}

func BenchmarkGroupNorm(b *testing.B) {
	for _, c := range []struct{ side, c int }{{32, 64}, {32, 128}, {16, 256}, {8, 384}} {
		b.Run(fmt.Sprintf("%dx%dx%d", c.side, c.side, c.c), func(b *testing.B) {
			benchmark(b, 0, func(f *fixture) func() []shaders.Dispatch {
				a := shaders.GroupNormArgs{
					X: f.input(1, c.side, c.side, c.c), Y: f.output("y", 1, c.side, c.side, c.c),
					Gamma: f.input(1, 1, 1, c.c), Beta: f.input(1, 1, 1, c.c), Groups: 8, Eps: 1e-5, SiLU: true,
				}
				return func() []shaders.Dispatch { return one(shaders.GroupNorm(a)) }
			})
		})
	}
}

func BenchmarkGEGLU(b *testing.B) {
	benchmark(b, 0, func(f *fixture) func() []shaders.Dispatch {
		x, y := f.input(1, 1, 64, 2*768), f.output("y", 1, 1, 64, 768)
		return func() []shaders.Dispatch { return one(shaders.GEGLU(shaders.GEGLUArgs{X: x, Y: y})) }
	})
}

func BenchmarkAttention(b *testing.B) {
	for _, c := range []struct{ l, m, heads, dim int }{{64, 64, 6, 32}, {64, 32, 4, 48}} {
		b.Run(fmt.Sprintf("%dx%d/%dx%d", c.l, c.m, c.heads, c.dim), func(b *testing.B) {
			benchmark(b, 4*float64(c.l*c.m*c.heads*c.dim), func(f *fixture) func() []shaders.Dispatch {
				ch := c.heads * c.dim
				q, kv, y := f.input(1, 1, c.l, ch), f.input(1, 1, c.m, 2*ch), f.output("y", 1, 1, c.l, ch)
				return func() []shaders.Dispatch {
					return one(shaders.Attention(shaders.AttentionArgs{Q: q, K: kv, V: kv, VOffset: ch, Y: y, Heads: c.heads, HeadDim: c.dim, Scale: .2}))
				}
			})
		})
	}
}

func BenchmarkMergeStep(b *testing.B) {
	benchmark(b, 0, func(f *fixture) func() []shaders.Dispatch {
		a := shaders.MergeStepArgs{
			Eps: f.input(4, 32, 32, 12), Z: f.plan.Keep("z", 1, 32, 32, 12), Merged: f.plan.Keep("merged", 1, 32, 32, 12),
			X0Prev:   f.plan.Keep("x0_prev", 1, 32, 32, 12),
			Known:    f.plan.Keep("known", 2, 32, 32, 12),
			Preview:  shaders.Tensor{Buffer: f.plan.KeepBytes("preview", 4*64*64), N: 1, H: 64, W: 64, C: 1},
			Step:     shaders.Tensor{Buffer: f.plan.KeepBytes("step", shaders.StepParamsSize), N: 1, H: 1, W: 1, C: shaders.StepParamsSize / 4},
			Networks: 4, Unshuffle: 2,
		}
		f.bytes(a.Step, shaders.StepParams{SqrtAbar: .6, SqrtOneMinusAbar: .8, CX0: 1, Clip: 1, EpsOut: 1}.Bytes())
		return func() []shaders.Dispatch { return one(shaders.MergeStep(a)) }
	})
}

// What looks at whole pictures: two launches that few runs need.
func BenchmarkMergeStats(b *testing.B) {
	benchmark(b, 0, func(f *fixture) func() []shaders.Dispatch {
		a := statsCase{n: 1, h: 32, w: 32, c: 12, networks: 4, first: 1, rank: 12227, rescale: .7}.args(f)
		return func() []shaders.Dispatch { return one(shaders.MergeStats(a)) }
	})
}

func BenchmarkMetropolis(b *testing.B) {
	benchmark(b, 0, func(f *fixture) func() []shaders.Dispatch {
		s := statsCase{n: 1, h: 32, w: 32, c: 12, networks: 4}.args(f)
		a := shaders.MetropolisArgs{
			Eps: s.Eps, Z: s.Z, Known: s.Known, Last: f.plan.Keep("last", 2, 32, 32, 12), Energy: f.plan.Keep("energy", 1, 1, 1, 4),
			Step: s.Step, Networks: 4,
		}
		return func() []shaders.Dispatch { return one(shaders.Metropolis(a)) }
	})
}
