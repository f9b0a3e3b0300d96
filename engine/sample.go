package engine

import (
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"math"
	"time"

	"github.com/mcdm/mcdm/engine/sampler"
	"github.com/mcdm/mcdm/shaders"
	"github.com/mcdm/mcdm/weights/bundle"
)

// Request is everything that decides a picture.
type Request struct {
	Conditions Conditions
	// Weights of the conditions in (12), by their network's name, for further ones
	// text.2, text.3, ...; 1 where absent, below 0 for what the picture shall not
	// show. A network is not run in steps where it has weight 0.
	Weights map[string]float64
	// Windows outside of which a weight is 0, by the same names; absent: the whole
	// way from noise to picture.
	Windows map[string]Window
	// Maps say where a condition counts, by the same names, as pictures of any
	// size: its weight is multiplied by 1 where white and by 0 where black.
	// Absent: everywhere.
	Maps    map[string]image.Image
	Sampler sampler.Options
	// Threshold is the part of a picture's values of |x0| that are not clipped, such
	// as 0.995: beyond it they are, and all are divided by it where it is above 1
	// (dynamic thresholding, Saharia et al. 2022). 0: all are clipped at 1.
	Threshold float64
	// Rescale is how far, 0 to 1, the merge is brought to the deviation of the
	// conditions' own predictions, which strong weights exceed (Lin et al. 2024).
	Rescale float64
	// Image is a picture of any size to start from or to keep parts of; nil: none.
	// With Sampler.Start > 0 the run starts from it under the noise of that level
	// (Meng et al. 2022).
	Image image.Image
	// Keep says where Image stays, of any size: white is kept, black is free. nil:
	// everything is free.
	Keep image.Image
	// Seed of the noise. Sample n of a batch is the picture that Seed + n gives
	// alone, up to rounding.
	Seed uint64
	// Count is the number of pictures, 0 meaning 1.
	Count int
	// Influence and Conflict ask for what Progress says under these names. Glimpses
	// asks for no more conflicts than there are previews.
	Influence, Conflict, Glimpses bool
}

// Progress tells about a step. Beside a preview it is done; else a GPU may still be at it.
type Progress struct {
	Step, Steps int // Step counts from 1
	// Preview is the current estimate x0 of every sample; nil when the last one
	// was taken less than PreviewEvery ago.
	Preview []*image.RGBA
	// Influence of the conditions in this step, beside a preview, where it was
	// asked for and the unconditional network ran.
	Influence Influence
	// Accepted is the share of corrector steps that were accepted, told with the
	// last step of a run with Sampler.Metropolis.
	Accepted float64
	Judged   bool // there were any
	// Conflict between the conditions in this step, by sample, where it was asked
	// for and the unconditional network ran: in every step or, with Glimpses, beside
	// previews. The networks' outputs are read back for it. A picture whose corrector step was rejected has none,
	// all cosines 0.
	Conflict []Conflict
}

// PreviewEvery is the least time between two previews.
const PreviewEvery = 50 * time.Millisecond

// clip bounds the merged x0 estimate: pictures lie in [-1, 1].
const clip = 1

// Sample draws pictures (algorithm of the paper's section 3: merge (12), step
// (13), from z_T ~ N(0, I) down). It returns early with ctx's error when ctx
// is done. report may be nil; it is called between steps.
func (m *Model) Sample(ctx context.Context, q Request, report func(Progress)) ([]*image.RGBA, error) {
	if err := m.take(ctx); err != nil {
		return nil, err
	}
	defer m.give()
	steps, err := q.Sampler.StepsOf(m.schedule)
	if err != nil {
		return nil, err
	}
	if q.Count == 0 {
		q.Count = 1
	}
	if q.Count < 0 || q.Count > MaxCount {
		return nil, fmt.Errorf("count = %d: want 1 to %d pictures", q.Count, MaxCount)
	}
	if err := q.checkDynamics(); err != nil {
		return nil, err
	}
	if err := q.checkImage(); err != nil {
		return nil, err
	}
	terms, weights, err := m.choose(q, steps)
	if err != nil {
		return nil, err
	}
	shape := m.square(q.Count)
	shape.maps, shape.stats, shape.judged = mapped(terms), q.dynamic(), judged(steps)
	shape.sets = patterns(terms, weights)
	x, err := m.session(ctx, terms, shape)
	if err != nil {
		return nil, err
	}
	if err := m.encode(x, q); err != nil {
		return nil, err
	}
	params := stepParams(q.Seed)
	q.setDynamics(&params, x.z)
	if err := m.start(x, &params, q, steps[0]); err != nil {
		return nil, err
	}
	if err := x.loaded.Write(x.params, params.Bytes()); err != nil {
		return nil, err
	}
	if err := x.loaded.Run(ctx, x.once, x.begin); err != nil {
		return nil, err
	}
	if err := x.forget(shape); err != nil {
		return nil, err
	}
	var shown time.Time
	for i, s := range steps {
		setStep(&params, m.diffusion.PredictionType, s, weights[i], i+1)
		if err := x.advance(ctx, &params, s.T, weights[i]); err != nil {
			return nil, err
		}
		p := Progress{Step: i + 1, Steps: len(steps)}
		if report != nil && (i+1 == len(steps) || time.Since(shown) >= PreviewEvery) {
			if p.Preview, err = x.pictures(ctx); err != nil {
				return nil, err
			}
			shown = time.Now()
		} else if err := x.loaded.Pace(ctx); err != nil {
			return nil, err
		}
		if report == nil {
			continue
		}
		if i+1 == len(steps) && shape.judged {
			p.Judged = true
			if p.Accepted, err = x.accepted(ctx); err != nil {
				return nil, err
			}
		}
		if err := x.tell(ctx, &p, q, m.diffusion, s, weights[i]); err != nil {
			return nil, err
		}
		report(p)
	}
	return x.pictures(ctx)
}

// MaxCount bounds the batch of one run.
const MaxCount = 64

// stepParams holds what is the same in all steps of a run.
// Before the first step they draw z_T.
func stepParams(seed uint64) shaders.StepParams {
	return shaders.StepParams{Clip: clip, SeedLo: uint32(seed), SeedHi: uint32(seed >> 32), CZ: 1}
}

// setStep fills in what changes from step to step. prediction is what the
// networks say, weights are theirs in (12); index is the noise's counter: 0 drew
// z_T.
func setStep(p *shaders.StepParams, prediction string, s sampler.Step, weights []float64, index int) {
	for i, w := range weights {
		p.Weights[i] = float32(w)
	}
	p.SqrtAbar, p.SqrtOneMinusAbar = float32(s.SqrtABar), float32(s.SqrtOneMinusABar)
	p.CX0, p.CX0Prev, p.CZ = float32(s.X0), float32(s.X0Prev), float32(s.Z)
	p.CEps, p.CNoise = float32(s.Eps), float32(s.Noise)
	switch prediction {
	case bundle.Velocity:
		p.EpsOut, p.EpsZ = p.SqrtAbar, p.SqrtOneMinusAbar
	case bundle.Sample: // eps = (z - sqrt(abar) x0) / sqrt(1 - abar)
		p.EpsOut, p.EpsZ = float32(-s.SqrtABar/s.SqrtOneMinusABar), float32(1/s.SqrtOneMinusABar)
	default:
		p.EpsOut, p.EpsZ = 1, 0
	}
	p.Judge = float32(s.Judge)
	p.Index, p.Keep = uint32(index), 0
	if s.Corrector {
		p.Keep = 1
	}
}

// advance starts one step: the networks that have some weight in it, merge, update.
// It allocates nothing itself; what it is given stays the caller's.
func (x *session) advance(ctx context.Context, p *shaders.StepParams, t int, weights []float64) error {
	for at := 0; at < len(x.scratch.times); at += 16 {
		binary.LittleEndian.PutUint32(x.scratch.times[at:], math.Float32bits(float32(t)))
	}
	if err := x.loaded.Write(x.t, x.scratch.times); err != nil {
		return err
	}
	p.Encode(x.scratch.params)
	if err := x.loaded.Write(x.params, x.scratch.params); err != nil {
		return err
	}
	x.scratch.programs[0], x.scratch.programs[1] = x.evaluate(weights), x.step
	return x.loaded.Run(ctx, x.scratch.programs[:]...)
}

// pictures reads the preview of every sample, after the last step the result.
func (x *session) pictures(ctx context.Context) ([]*image.RGBA, error) {
	b, err := x.loaded.Read(ctx, shaders.Tensor{
		Buffer: x.preview.Buffer, N: 1, H: 1, W: 1, C: x.preview.N * x.preview.H * x.preview.W,
	})
	if err != nil {
		return nil, err
	}
	var out []*image.RGBA
	size := 4 * x.preview.H * x.preview.W
	for n := range x.preview.N {
		img := image.NewRGBA(image.Rect(0, 0, x.preview.W, x.preview.H))
		copy(img.Pix, b[n*size:])
		out = append(out, img)
	}
	return out, nil
}
