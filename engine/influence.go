package engine

import (
	"context"
	"math"

	"github.com/mcdm/mcdm/engine/sampler"
	"github.com/mcdm/mcdm/shaders"
	"github.com/mcdm/mcdm/weights/bundle"
)

// Influence tells who shapes which pixels: for every condition, by its name in
// Request.Weights, and every sample |eps_i - eps_0| of (12) at the current step,
// the mean over the colours, [side*side] in row order. Weights and maps are left
// out of it: a network may pull hard and count little.
type Influence map[string][][]float32

// said is what the networks said in the last step, by term, as the host sees
// it: nil for those that did not run. free says nil where there is nothing to
// compare with.
func (x *session) said(ctx context.Context, weights []float64) (free []float32, by [][]float32, err error) {
	ran := appendPattern(nil, x.bare, weights)
	if len(x.terms) == 1 || x.terms[0].net.modality != Unconditional || ran[0] == '0' {
		return nil, nil, nil
	}
	by = make([][]float32, len(x.terms))
	for i, e := range x.terms {
		if ran[i] == '0' {
			continue
		}
		if by[i], err = read(ctx, x.loaded, e.out); err != nil {
			return nil, nil, err
		}
	}
	return by[0], by, nil
}

// tell adds to a step's progress what was asked for about its networks.
func (x *session) tell(ctx context.Context, p *Progress, q Request, d bundle.Diffusion, s sampler.Step, weights []float64) error {
	maps := q.Influence && p.Preview != nil
	conflict := q.Conflict && (p.Preview != nil || !q.Glimpses)
	if !maps && !conflict {
		return nil
	}
	free, by, err := x.said(ctx, weights)
	if err != nil || free == nil {
		return err
	}
	if maps {
		p.Influence = x.influence(free, by, d, s)
	}
	if conflict {
		p.Conflict = x.conflict(by, weights)
	}
	return nil
}

func (x *session) influence(free []float32, by [][]float32, d bundle.Diffusion, s sampler.Step) Influence {
	scale := 1.0
	if d.PredictionType == bundle.Velocity { // eps = sqrt(abar) v + sqrt(1 - abar) z
		scale = s.SqrtABar
	}
	out := Influence{}
	for i, e := range x.terms[1:] {
		if said := by[1+i]; said != nil {
			out[e.name] = pull(said, free, x.z, d.PixelUnshuffle, scale)
		}
	}
	return out
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
