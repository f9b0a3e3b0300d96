package shaders_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/shaders"
)

// statsCase is a picture's merge with its statistics.
type statsCase struct {
	n, h, w, c, networks, first int
	rank                        uint32
	rescale                     float32
	maps                        bool
	mean                        float32 // of the networks' outputs
}

func (c statsCase) params() shaders.StepParams {
	p := shaders.StepParams{
		SqrtAbar: .3, SqrtOneMinusAbar: .95, CX0: .6, CZ: .4, EpsOut: .7, EpsZ: .3, Clip: 1, Rescale: c.rescale, Rank: c.rank,
	}
	left := float32(1)
	for j := 1; j < c.networks; j++ {
		p.Weights[j] = .3 - .8*float32(j%3) + .9*float32(j%2)
		left -= p.Weights[j]
	}
	p.Weights[0] = left
	return p
}

func (c statsCase) args(f *fixture) shaders.MergeStatsArgs {
	planes := 2
	if c.maps {
		planes += c.networks
	}
	a := shaders.MergeStatsArgs{
		Eps: f.filled(c.networks*c.n, c.h, c.w, c.c, func() float32 { return c.mean + float32(f.rnd.NormFloat64()) }), Z: f.input(c.n, c.h, c.w, c.c), Stats: f.output("stats", c.n, 1, 1, 4),
		Known: f.filled(planes, c.h, c.w, c.c, func() float32 { return float32(f.rnd.IntN(5)) / 4 }),
		Step:  shaders.Tensor{N: 1, H: 1, W: 1, C: shaders.StepParamsSize / 4, Buffer: f.plan.KeepBytes("step", shaders.StepParamsSize)},

		Networks: c.networks, First: c.first, Maps: c.maps,
	}
	f.bytes(a.Step, c.params().Bytes())
	return a
}

func TestMergeStats(t *testing.T) {
	for _, c := range []statsCase{
		{1, 32, 32, 12, 4, 1, 12227, .7, false, 0},
		{1, 32, 32, 12, 4, 1, 0, .7, false, 200},
		{2, 8, 8, 3, 1, 0, 0, 1, false, 0},
		{3, 8, 8, 12, 2, 0, 768, .5, false, 0},
		{2, 5, 7, 3, 16, 1, 1, 1, true, 0},
		{1, 16, 17, 12, 3, 1, 3000, 0, true, 0},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			f := newFixture(t)
			a := c.args(f)
			f.check("merge_stats", 1e-5, func() []shaders.Dispatch { return one(shaders.MergeStats(a)) })
		})
	}
}

// The factor brings the merge's deviation to that of the one condition's
// output, the bound is the asked percentile, and merge_step obeys both: no value
// of x0 exceeds 1, and what lay at the bound lies at 1.
func TestMergeStatsMeanWhatTheySay(t *testing.T) {
	c := statsCase{n: 2, h: 8, w: 8, c: 12, networks: 2, first: 1, rescale: 1, rank: 700}
	f := newFixture(t)
	a := c.args(f)
	eps, z := f.write[0].data, f.write[1].data
	p := c.params()
	p.Weights[0], p.Weights[1] = -2, 3
	f.bytes(a.Step, p.Bytes())
	prev := f.input(c.n, c.h, c.w, c.c)
	merged := f.output("merged", c.n, c.h, c.w, c.c)
	x0 := shaders.Tensor{N: c.n, H: c.h * 2, W: c.w * 2, C: 1, Buffer: f.plan.KeepBytes("preview", 4*c.n*c.h*c.w*4)}
	moved := f.output("z", c.n, c.h, c.w, c.c)
	f.bytes(moved, z)
	free := f.filled(2, c.h, c.w, c.c, func() float32 { return 0 }) // nothing is kept
	p.CX0, p.CZ = 1, 0                                              // z' is x0
	f.bytes(a.Step, p.Bytes())
	out := f.run(record.CPU(), func() []shaders.Dispatch {
		return []shaders.Dispatch{shaders.MergeStats(a), shaders.MergeStep(shaders.MergeStepArgs{
			Eps: a.Eps, Z: moved, X0Prev: prev, Known: free, Merged: merged, Preview: x0, Step: a.Step, Stats: a.Stats, Networks: 2, Unshuffle: 2,
		})}
	})
	words := func(i int) []float64 {
		var v []float64
		for _, w := range out[i][guard/4 : len(out[i])-guard/4] {
			v = append(v, float64(math.Float32frombits(w)))
		}
		return v
	}
	value := func(b []byte, i int) float64 {
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
	}
	stats, after := words(0), words(2)
	each := c.h * c.w * c.c
	for n := range c.n {
		var with, sum []float64
		for i := n * each; i < (n+1)*each; i++ {
			with = append(with, value(eps, c.n*each+i))
			sum = append(sum, -2*value(eps, i)+3*value(eps, c.n*each+i))
		}
		factor, bound := stats[4*n], stats[4*n+1]
		assert.InDelta(t, spread(with)/spread(sum), factor, 1e-5)
		var want []float64
		for i, v := range sum {
			old := value(z, n*each+i)
			want = append(want, (old-float64(p.SqrtOneMinusAbar)*(.7*factor*v+.3*old))/float64(p.SqrtAbar))
		}
		size := func(v float64) float64 { return math.Abs(v) }
		sorted := slices.Clone(want)
		slices.SortFunc(sorted, func(a, b float64) int {
			if size(a) < size(b) {
				return -1
			}
			return 1
		})
		assert.InDelta(t, size(sorted[699]), bound, 1e-4)
		assert.Greater(t, bound, 1.)
		outside := 0
		for i, v := range want {
			got := after[n*each+i]
			assert.LessOrEqual(t, math.Abs(got), 1.)
			assert.InDelta(t, max(-bound, min(bound, v))/bound, got, 1e-4)
			if size(v) > bound+1e-4 {
				outside++
			}
		}
		assert.Equal(t, each-700, outside)
	}
}

func spread(v []float64) float64 {
	mean, square := 0.0, 0.0
	for _, x := range v {
		mean += x / float64(len(v))
	}
	for _, x := range v {
		square += (x - mean) * (x - mean)
	}
	return math.Sqrt(square / float64(len(v)))
}

// The fused step with statistics, against its twin.
func TestMergeStepWithStats(t *testing.T) {
	c := statsCase{n: 3, h: 8, w: 8, c: 12, networks: 4, first: 1, rescale: .7, rank: 740, maps: true}
	f := newFixture(t)
	a := c.args(f)
	z, prev := f.output("z", c.n, c.h, c.w, c.c), f.output("x0_prev", c.n, c.h, c.w, c.c)
	merged := f.output("merged", c.n, c.h, c.w, c.c)
	f.bytes(z, f.write[1].data)
	f.bytes(prev, randomRows(f, prev))
	preview := f.picture("preview", c.n, 2*c.h, 2*c.w)
	f.check("merge_step", 1e-4, func() []shaders.Dispatch {
		return []shaders.Dispatch{shaders.MergeStats(a), shaders.MergeStep(shaders.MergeStepArgs{
			Eps: a.Eps, Z: z, X0Prev: prev, Known: a.Known, Merged: merged, Preview: preview, Step: a.Step, Stats: a.Stats,
			Networks: 4, Unshuffle: 2, Maps: true,
		})}
	})
}
