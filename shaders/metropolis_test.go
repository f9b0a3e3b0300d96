package shaders_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/shaders"
)

// energies are rows of energy: |eps|^2 where each sample was last.
func energies(of ...float32) (b []byte) {
	for _, e := range of {
		for _, v := range []float32{e, 3, 2, 0} {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
	}
	return b
}

func TestMetropolis(t *testing.T) {
	for _, c := range []struct {
		h, w, c, networks int
		judge, clip       float32
		maps              bool
	}{
		{8, 8, 12, 4, .2, 1, false},
		{8, 8, 12, 4, 0, 1, true},
		{5, 7, 3, 2, 1, 0, true},
		{32, 32, 12, 1, .5, 1, false},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			const n = 4
			f := newFixture(t)
			planes := 2
			if c.maps {
				planes += c.networks
			}
			a := shaders.MetropolisArgs{
				Eps: f.output("eps", c.networks*n, c.h, c.w, c.c), Z: f.output("z", n, c.h, c.w, c.c),
				Known: f.filled(planes, c.h, c.w, c.c, func() float32 { return float32(f.rnd.IntN(5)) / 4 }),
				Last:  f.output("last", 2*n, c.h, c.w, c.c), Energy: f.output("energy", n, 1, 1, 4),
				Step:     shaders.Tensor{N: 1, H: 1, W: 1, C: shaders.StepParamsSize / 4, Buffer: f.plan.KeepBytes("step", shaders.StepParamsSize)},
				Networks: c.networks, Maps: c.maps,
			}
			p := shaders.StepParams{SqrtAbar: .6, SqrtOneMinusAbar: .8, EpsOut: .7, EpsZ: .3, Clip: c.clip, Judge: c.judge, SeedLo: math.MaxUint32, Index: 5}
			left := float32(1)
			for j := 1; j < c.networks; j++ {
				p.Weights[j] = .4
				left -= .4
			}
			p.Weights[0] = left
			eps, z, last := randomRows(f, a.Eps), randomRows(f, a.Z), randomRows(f, a.Last)
			f.bytes(a.Eps, eps)
			f.bytes(a.Z, z)
			f.bytes(a.Last, last)
			f.bytes(a.Energy, energies(1e9, 0, 1e9, 0)) // came from far out, from the middle
			f.bytes(a.Step, p.Bytes())
			call := func() []shaders.Dispatch { return one(shaders.Metropolis(a)) }
			f.check("metropolis", 1e-5, call)

			// Those from the middle went too far, and are where they were.
			out := f.run(record.CPU(), call)
			word := func(b []byte, i int) uint32 { return binary.LittleEndian.Uint32(b[4*i:]) }
			each := a.Z.Size() / 4 / n
			for i := range n * each {
				back := c.judge > 0 && i/each%2 == 1
				was, said := word(z, i), word(eps, i)
				if back {
					was, said = word(last, i), word(last, n*each+i)
				}
				if i%a.Z.Stride() < c.c { // not padding
					assert.Equal(t, was, out[1][guard/4+i], "z[%d]", i)
					assert.Equal(t, said, out[0][guard/4+i], "eps[%d]", i)
				}
			}
			for s := range n {
				judged, accepted := float32(3), float32(2)
				if c.judge > 0 {
					judged++
					accepted += float32(1 - s%2)
				}
				assert.Equal(t, math.Float32bits(judged), out[3][guard/4+4*s+1])
				assert.Equal(t, math.Float32bits(accepted), out[3][guard/4+4*s+2])
			}
		})
	}
}
