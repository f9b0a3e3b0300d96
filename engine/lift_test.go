package engine

import (
	"context"
	"image"
	"image/draw"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/engine/sampler"
	"github.com/mcdm/mcdm/shaders"
	"github.com/mcdm/mcdm/weights/bundle"
	"github.com/mcdm/mcdm/weights/dataset/examples"
)

// Scores are what the definition makes of Eps, pair by pair.
func TestLiftIsTheDifferenceOfErrors(t *testing.T) {
	sketch, mask := drawing()
	_, left := portrait()
	img := image.NewRGBA(image.Rect(0, 0, 16, 16))
	for i := range img.Pix {
		img.Pix[i] = uint8(i * 7)
		if i%4 == 3 {
			img.Pix[i] = 255
		}
	}
	other := image.NewRGBA(img.Rect)
	draw.Draw(other, other.Rect, image.White, image.Point{}, draw.Src)
	ctx := context.Background()
	const pairs = 3
	q := Request{
		Conditions: Conditions{Sketch: sketch, Mask: mask, Colour: dabs()},
		Weights:    map[string]float64{"sketch": 1.5, "mask": -.5, "colour": .8}, Maps: map[string]image.Image{"sketch": left},
	}
	for where, machine := range machines(t) {
		m := load(t, machine)
		for _, prediction := range []string{bundle.Epsilon, bundle.Velocity} {
			m.diffusion.PredictionType = prediction
			got, err := m.Lift(ctx, q, []*image.RGBA{img, other}, pairs, nil)
			require.NoError(t, err)
			require.Len(t, got, 2)
			ts, half, err := sampler.LiftLevels(m.schedule, pairs, liftLeast, liftMost)
			require.NoError(t, err)
			want := map[string][]float64{"sketch": {0, 0}, "mask": {0, 0}, "colour": {0, 0}}
			for k, at := range ts {
				abar := m.schedule.ABar[at]
				eta := make([]float64, 12*64) // [C, H, W]
				var z [][]float64
				for _, p := range []*image.RGBA{img, other} {
					values := make([]float64, len(eta))
					for i := range values {
						c, y, x := i/64, i/8%8, i%8
						eta[i] = shaders.Normals(0, uint32(i%64), uint32(c/4), uint32(1<<31+k))[c%4]
						byte := p.RGBAAt(2*x+c%2, 2*y+c/2%2)
						v := float64([]uint8{byte.R, byte.G, byte.B}[c/4])/127.5 - 1
						values[i] = math.Sqrt(abar)*v + math.Sqrt(1-abar)*eta[i]
					}
					z = append(z, values)
				}
				eps, _, err := m.Eps(ctx, inputs(float32(at), z, sketch, mask))
				require.NoError(t, err)
				for name := range want {
					for i, free := range eps["none"] {
						if name == "sketch" && i%8 >= 4 { // right of the map
							continue
						}
						off := func(v float32) float64 { return math.Pow(eta[i%len(eta)]-float64(v), 2) }
						want[name][i/len(eta)] += half * (off(free) - off(eps[name][i]))
					}
				}
			}
			for n, l := range got {
				for name, v := range want {
					assert.InDelta(t, v[n], l.By[name], 1e-4*(1+math.Abs(v[n])), "%s %s %s of picture %d", where, prediction, name, n)
				}
				assert.InDelta(t, 1.5*l.By["sketch"]-.5*l.By["mask"]+.8*l.By["colour"], l.All, 1e-9)
			}
			assert.NotEqual(t, got[0].By["mask"], got[1].By["mask"])
		}
	}
}

func TestLiftRefusals(t *testing.T) {
	sketch, _ := drawing()
	img := image.NewRGBA(image.Rect(0, 0, 16, 16))
	m := load(t, record.CPU())
	one := Request{Conditions: Conditions{Sketch: sketch}}
	for _, c := range []struct {
		q        Request
		pictures []*image.RGBA
		pairs    int
		want     string
	}{
		{Request{}, []*image.RGBA{img}, 1, "nothing to score"},
		{Request{Conditions: one.Conditions, Weights: map[string]float64{"sketch": 0}}, []*image.RGBA{img}, 1, "nothing to score"},
		{one, nil, 1, "want 1 to 64"},
		{one, []*image.RGBA{{}}, 1, "picture 1 to score: it has no pixels"},
		{one, []*image.RGBA{img, {Rect: image.Rect(0, 0, 4096, 4097)}}, 1, "picture 2 to score: 4096x4097 pixels are too many"},
		{one, []*image.RGBA{img}, -1, "want 1 to 1000"},
		{Request{Conditions: Conditions{Text: "hat"}}, []*image.RGBA{img}, 1, "no network for it"},
	} {
		_, err := m.Lift(context.Background(), c.q, c.pictures, c.pairs, nil)
		assert.ErrorContains(t, err, c.want)
	}
	m.networks = m.networks[1:]
	_, err := m.Lift(context.Background(), one, []*image.RGBA{img}, 1, nil)
	assert.ErrorContains(t, err, "which the bundle lacks")
}

// The shipped networks know a held-out portrait's own sketch and sentence from
// another's.
func TestLiftKnowsItsOwn(t *testing.T) {
	m := shipped(t)
	list, err := examples.All()
	require.NoError(t, err)
	var pictures []*image.RGBA
	for _, e := range list[:2] {
		p := image.NewRGBA(e.Picture.Bounds())
		draw.Draw(p, p.Rect, e.Picture, p.Rect.Min, draw.Src)
		pictures = append(pictures, p)
	}
	for own, e := range list[:2] {
		lifts, err := m.Lift(context.Background(), Request{Conditions: Conditions{Sketch: e.Sketch, Text: e.Caption}}, pictures, 1, nil)
		require.NoError(t, err)
		for name := range lifts[own].By {
			assert.Positive(t, lifts[own].By[name], name)
			assert.Greater(t, lifts[own].By[name], lifts[1-own].By[name], name)
		}
		assert.Greater(t, lifts[own].All, lifts[1-own].All)
	}
}
