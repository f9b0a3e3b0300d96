package engine

import (
	"context"
	"fmt"
	"image"
	"math"
	"strings"

	"github.com/mcdm/mcdm/engine/sampler"
	"github.com/mcdm/mcdm/shaders"
	"github.com/mcdm/mcdm/weights/bundle"
)

// Lift tells how well one picture obeys its conditions, in nats: see
// sampler.LiftLevels.
type Lift struct {
	// By condition, as named in Request.Weights: log p(picture | condition) / p(picture)
	// as far as the levels between liftLeast and liftMost tell, in the eyes of the
	// networks. Below 0 the picture is likelier without the condition.
	By map[string]float64
	// All is sum_i w_i By_i, the logarithm of what (12) aims at over p(picture): a
	// condition with a weight below 0 counts against the picture.
	All float64
}

// LiftPairs is the number of noised copies of a picture that Lift judges by
// when nothing is said.
const LiftPairs = 8

// The log signal-to-noise ratios that Lift judges by. With more noise nothing of
// the picture is left. With less, networks differ by how well they learned to
// remove it more than by their conditions: README.md of package sampler has the
// measurement.
const liftLeast, liftMost = -7.5, -2.5

// Lift scores finished pictures by the conditions and weights of a request, to
// sort what several seeds gave: every picture gets the same levels and the same
// noise, so that they compare. It costs pairs evaluations (0: LiftPairs) of each
// network with a weight, and of the unconditional one. report may be nil.
//
// A map weighs the errors of its condition's pixels; windows play no part.
func (m *Model) Lift(ctx context.Context, q Request, pictures []*image.RGBA, pairs int, report func(done, total int)) ([]Lift, error) {
	if err := m.take(ctx); err != nil {
		return nil, err
	}
	defer m.give()
	if pairs == 0 {
		pairs = LiftPairs
	}
	ts, half, err := sampler.LiftLevels(m.schedule, pairs, liftLeast, liftMost)
	if err != nil {
		return nil, err
	}
	if len(pictures) < 1 || len(pictures) > MaxCount {
		return nil, fmt.Errorf("%d pictures to score: want 1 to %d", len(pictures), MaxCount)
	}
	x, err := m.liftSession(ctx, q, len(pictures))
	if err != nil {
		return nil, err
	}
	d := m.diffusion
	var clean []float32
	for i, p := range pictures {
		if err := checkSize(p.Rect); err != nil {
			return nil, fmt.Errorf("picture %d to score: %w", i+1, err)
		}
		one := x.z
		one.N = 1
		clean = append(clean, unpad(encodePicture(p, d.Channels, d.ImageSize, d.PixelUnshuffle), one)...)
	}
	if err := x.loaded.Run(ctx, x.once); err != nil {
		return nil, err
	}
	out := make([]Lift, len(pictures))
	for n := range out {
		out[n].By = map[string]float64{}
	}
	for k, t := range ts {
		errors, err := x.noised(ctx, m, clean, k, t)
		if err != nil {
			return nil, err
		}
		for i, e := range x.terms[1:] {
			w := weightOf(q.Weights, e.name)
			for n := range out {
				lift := half * (errors[0][n].against(e.counts) - errors[1+i][n].against(e.counts))
				out[n].By[e.name] += lift
				out[n].All += w * lift
			}
		}
		if report != nil {
			report(k+1, len(ts))
		}
	}
	return out, nil
}

// CheckLift refuses the requests and numbers of pairs that Lift refuses.
func (m *Model) CheckLift(q Request, pairs int) error {
	if _, _, err := sampler.LiftLevels(m.schedule, pairs, liftLeast, liftMost); err != nil {
		return err
	}
	_, err := m.liftTerms(q)
	return err
}

// liftTerms are the unconditional network and all terms with a weight.
func (m *Model) liftTerms(q Request) ([]term, error) {
	terms := m.terms(q)
	if err := m.checkTerms(q, terms); err != nil {
		return nil, err
	}
	free := m.free()
	if free == nil {
		return nil, fmt.Errorf("scores compare with the unconditional network, which the bundle lacks")
	}
	chosen := bare(free)
	for _, t := range terms {
		if weightOf(q.Weights, t.name) != 0 {
			chosen = append(chosen, t)
		}
	}
	if len(chosen) == 1 {
		return nil, fmt.Errorf("there is nothing to score: give a condition (%s) with a weight other than 0", strings.Join(Modalities(), ", "))
	}
	return chosen, nil
}

// liftSession records these terms.
func (m *Model) liftSession(ctx context.Context, q Request, count int) (*session, error) {
	terms, err := m.liftTerms(q)
	if err != nil {
		return nil, err
	}
	shape := m.square(count)
	shape.maps = mapped(terms)
	x, err := m.session(ctx, terms, shape)
	if err != nil {
		return nil, err
	}
	return x, m.encode(x, q)
}

// squares are (eta - eps)^2 of one picture, [H, W, C].
type squares []float32

// against sums them up, weighed by a map where there is one.
func (s squares) against(m []float32) (sum float64) {
	for i, v := range s {
		if m != nil {
			sum += float64(v) * float64(m[i])
		} else {
			sum += float64(v)
		}
	}
	return sum
}

// liftNoise is the first counter of the noise that pictures are judged under:
// no sampling run counts so far.
const liftNoise = 1 << 31

// noised puts the pictures [N, H, W, C] under the k-th noise at t and returns
// how far every term is off, by term and picture.
func (x *session) noised(ctx context.Context, m *Model, clean []float32, k, t int) ([][]squares, error) {
	a, s := math.Sqrt(m.schedule.ABar[t]), math.Sqrt(1-m.schedule.ABar[t])
	c, pixels := x.z.C, x.z.H*x.z.W
	z, eta := make([]float32, len(clean)), make([]float64, pixels*c)
	for i := range eta {
		eta[i] = shaders.Normals(0, uint32(i/c), uint32(i%c/4), uint32(liftNoise+k))[i%c%4]
	}
	ts := make([]float32, x.z.N)
	for i, v := range clean {
		z[i] = float32(a*float64(v) + s*eta[i%len(eta)])
	}
	for n := range ts {
		ts[n] = float32(t)
	}
	if err := x.setT(ts); err != nil {
		return nil, err
	}
	if err := x.loaded.Write(x.z, rows(z, c)); err != nil {
		return nil, err
	}
	if err := x.loaded.Run(ctx, x.evaluateAll()); err != nil {
		return nil, err
	}
	out := make([][]squares, len(x.terms))
	for i, e := range x.terms {
		eps, err := read(ctx, x.loaded, e.out)
		if err != nil {
			return nil, err
		}
		for at, v := range eps {
			predicted := float64(v)
			if m.diffusion.PredictionType == bundle.Velocity {
				predicted = a*predicted + s*float64(z[at])
			}
			off := eta[at%len(eta)] - predicted
			eps[at] = float32(off * off)
		}
		for n := range x.z.N {
			out[i] = append(out[i], eps[n*len(eta):(n+1)*len(eta)])
		}
	}
	return out, nil
}
