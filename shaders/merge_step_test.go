package shaders_test

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/shaders"
)

// TestMergeMaps compares the merge under maps with (12) written out for every
// pixel, sum_j w_j m_j eps_j + (1 - sum_j w_j m_j) eps_0, and sees that what has
// no weight is not read: NaN stands there.
func TestMergeMaps(t *testing.T) {
	const h, w, c, networks = 4, 4, 12, 4
	f := newFixture(t)
	eps := shaders.Tensor{N: networks, H: h, W: w, C: c, Buffer: f.plan.KeepBytes("eps", 4*networks*h*w*c)}
	b := randomRows(f, eps)
	for i := len(b) / networks * 3; i < len(b); i += 4 { // the last network has not run
		binary.LittleEndian.PutUint32(b[i:], math.Float32bits(float32(math.NaN())))
	}
	f.bytes(eps, b)
	known := f.filled(2+networks, h, w, c, func() float32 { return float32(f.rnd.IntN(5)) / 4 })
	planes := f.write[len(f.write)-1].data
	z, merged := f.input(1, h, w, c), f.output("merged", 1, h, w, c)
	prev := f.input(1, h, w, c)
	preview := shaders.Tensor{N: 1, H: 2 * h, W: 2 * w, C: 1, Buffer: f.plan.KeepBytes("preview", 16*h*w)}
	step := shaders.Tensor{N: 1, H: 1, W: 1, C: shaders.StepParamsSize / 4, Buffer: f.plan.KeepBytes("step", shaders.StepParamsSize)}
	weights := [shaders.MaxNetworks]float32{-1.25, 1.5, .75, 0}
	f.bytes(step, shaders.StepParams{SqrtAbar: .6, SqrtOneMinusAbar: .8, EpsOut: 1, Weights: weights}.Bytes())
	call := func() []shaders.Dispatch {
		return one(shaders.MergeStep(shaders.MergeStepArgs{
			Eps: eps, Z: z, X0Prev: prev, Known: known, Merged: merged, Preview: preview, Step: step, Networks: networks, Unshuffle: 2, Maps: true,
		}))
	}
	at := func(b []byte, i int) float64 {
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
	}
	device, err := openGPU()
	require.NoError(t, err)
	for where, m := range map[string]record.Machine{"cpu": record.CPU(), "gpu": record.GPU(device)} {
		got := f.run(m, call)[0][guard/4:]
		m.Release()
		for i := range h * w * c {
			want, left := 0.0, 1.0
			for j := 1; j < 3; j++ {
				wm := float64(weights[j]) * at(planes, (2+j)*h*w*c+i)
				want += wm * at(b, j*h*w*c+i)
				left -= wm
			}
			want += left * at(b, i)
			assert.InDelta(t, want, float64(math.Float32frombits(got[i])), 1e-5, "%s value %d", where, i)
		}
	}
}
