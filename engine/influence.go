package engine

import (
	"context"
	"math"

	"github.com/mcdm/mcdm/engine/sampler"
	"github.com/mcdm/mcdm/shaders"
	"github.com/mcdm/mcdm/weights/bundle"
)

// Influence tells who shapes which pixels: for every modality's network, by
// name, and every sample |eps_i - eps_0| of (12) at the current step, the mean
// over the colours, [side*side] in row order. Weights are left out of it: a
// network may pull hard and count little.
type Influence map[string][][]float32

// influence compares what the networks said in the last step. It is nil where
// the unconditional network did not run: there is nothing to compare with.
func (x *session) influence(ctx context.Context, d bundle.Diffusion, s sampler.Step) (Influence, error) {
	free := -1
	outputs := make([][]float32, len(x.networks))
	for i, n := range x.networks {
		if n.modality == Unconditional {
			free = i
		}
	}
	if free < 0 || len(x.networks) == 1 {
		return nil, nil
	}
	for i := range x.networks {
		one := x.z
		one.Buffer, one.Offset = x.all.Buffer, i*x.z.Size()
		var err error
		if outputs[i], err = read(ctx, x.loaded, one); err != nil {
			return nil, err
		}
	}
	scale := 1.0
	if d.PredictionType == bundle.Velocity { // eps = sqrt(abar) v + sqrt(1 - abar) z
		scale = s.SqrtABar
	}
	out := Influence{}
	for i, n := range x.networks {
		if i != free {
			out[n.name] = pull(outputs[i], outputs[free], x.z, d.PixelUnshuffle, scale)
		}
	}
	return out, nil
}

// pull is scale |a - b| of z's shape, by sample, as pixels: torch's
// pixel_shuffle(r), the colours averaged.
func pull(a, b []float32, z shaders.Tensor, r int, scale float64) [][]float32 {
	out := make([][]float32, z.N)
	for n := range out {
		out[n] = make([]float32, z.H*r*z.W*r)
	}
	colours := z.C / (r * r)
	for i := range a {
		n, y, x, k := i/(z.H*z.W*z.C), i/(z.W*z.C)%z.H, i/z.C%z.W, i%z.C%(r*r)
		at := (y*r+k/r)*z.W*r + x*r + k%r
		out[n][at] += float32(scale * math.Abs(float64(a[i])-float64(b[i])) / float64(colours))
	}
	return out
}
