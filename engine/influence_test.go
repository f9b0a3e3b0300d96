package engine

import (
	"context"
	"image"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/engine/sampler"
	"github.com/mcdm/mcdm/shaders"
	"github.com/mcdm/mcdm/weights/bundle"
)

// noise is z_T of a seed for tiny's networks, [C, H, W].
func noise(seed uint64) []float64 {
	var out []float64
	for c := range 12 {
		for pixel := range 64 {
			out = append(out, shaders.Normals(seed, uint32(pixel), uint32(c/4), 0)[c%4])
		}
	}
	return out
}

// inputs are what Eps takes for tiny's networks, [B, C, H, W]: z at t and the
// encoded conditions, dabs among them.
func inputs(t float32, z [][]float64, sketch image.Image, mask *image.Paletted) EpsInput {
	in := EpsInput{Batch: len(z), Height: 8, Width: 8, Cond: map[string][]float32{}}
	ink, index, cells := inkOf(sketch, 16), labelsOf(mask, 2, 16), coloursOf(dabs(), 4)
	for _, values := range z {
		in.Timestep = append(in.Timestep, t)
		for _, v := range values {
			in.Sample = append(in.Sample, float32(v))
		}
		for _, c := range []struct {
			name     string
			channels int
			value    func(c, at int) float32
		}{
			{"sketch", 4, func(_, at int) float32 { return ink[at] }},
			{"mask", 8, func(c, at int) float32 {
				if int(index[at]) == c/4 {
					return 1
				}
				return 0
			}},
			{"colour", 4, func(c, at int) float32 { return cells[at/16/4*4+at%16/4][c] }},
		} {
			for k := range c.channels {
				for pixel := range 64 {
					at := (pixel/8*2+k%4/2)*16 + pixel%8*2 + k%2
					in.Cond[c.name] = append(in.Cond[c.name], c.value(k, at))
				}
			}
		}
	}
	return in
}

// The maps of a run's last step are the difference of what Eps says about the
// same z, each network on its own.
func TestInfluenceIsTheDifferenceOfEps(t *testing.T) {
	sketch, mask := drawing()
	ctx := context.Background()
	m := load(t, record.CPU())
	q := Request{Conditions: Conditions{Sketch: sketch, Mask: mask, Colour: dabs()}, Sampler: sampler.Options{Name: "ddpm", Steps: 1}, Count: 2, Influence: true}
	for _, prediction := range []string{bundle.Epsilon, bundle.Velocity} {
		m.diffusion.PredictionType = prediction
		var last Progress
		_, err := m.Sample(ctx, q, func(p Progress) { last = p })
		require.NoError(t, err)
		require.Len(t, last.Influence, 3)

		eps, _, err := m.Eps(ctx, inputs(999, [][]float64{noise(0), noise(1)}, sketch, mask))
		require.NoError(t, err)
		for name, maps := range last.Influence {
			require.Len(t, maps, 2)
			for n, got := range maps {
				require.Len(t, got, 16*16)
				for at := range got {
					y, x, want := at/16, at%16, 0.0
					for colour := range 3 {
						i := ((n*12+colour*4+y%2*2+x%2)*8+y/2)*8 + x/2
						want += math.Abs(float64(eps[name][i])-float64(eps["none"][i])) / 3
					}
					require.InDelta(t, want, got[at], 1e-5, "%s %s sample %d at (%d, %d)", prediction, name, n, x, y)
				}
			}
		}
	}
}

// Nothing is compared where the unconditional network does not run, or where
// nobody asked.
func TestInfluenceNeedsTheUnconditional(t *testing.T) {
	sketch, mask := drawing()
	m := load(t, record.CPU())
	for _, q := range []Request{
		{Influence: true},
		{Influence: true, Conditions: Conditions{Sketch: sketch}},
		{Conditions: Conditions{Sketch: sketch, Mask: mask}},
	} {
		q.Sampler.Steps = 1
		_, err := m.Sample(context.Background(), q, func(p Progress) { assert.Nil(t, p.Influence) })
		require.NoError(t, err)
	}
}
