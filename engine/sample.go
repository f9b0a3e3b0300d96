package engine

import (
	"context"
	"fmt"
	"image"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/mcdm/mcdm/engine/sampler"
	"github.com/mcdm/mcdm/shaders"
	"github.com/mcdm/mcdm/weights/bundle"
)

// Request is everything that decides a picture.
type Request struct {
	Conditions Conditions
	// Weights of the modalities in (12), by network name; 1 where absent, below 0
	// for what the picture shall not show. A network with weight 0 is not run.
	Weights map[string]float64
	// Windows outside of which a network's weight is 0, by its name; absent: the
	// whole way from noise to picture. They save no time.
	Windows map[string]Window
	Sampler sampler.Options
	// Image is a picture of any size to start from or to keep parts of; nil: none.
	// With Sampler.Start > 0 the run starts from it under the noise of that level
	// (Meng et al. 2022).
	Image image.Image
	// Keep says where Image stays, of any size: white is kept, black is free. nil:
	// everything is free.
	Keep image.Image
	// Seed of the noise. Sample n of a batch is the picture that Seed + n gives
	// alone.
	Seed uint64
	// Count is the number of pictures, 0 meaning 1.
	Count int
	// Influence asks for Progress.Influence.
	Influence bool
}

// Progress tells about a finished step.
type Progress struct {
	Step, Steps int // Step counts from 1
	// Preview is the current estimate x0 of every sample; nil when the last one
	// was taken less than PreviewEvery ago.
	Preview []*image.RGBA
	// Influence of the modalities in this step, beside a preview, where it was
	// asked for and the unconditional network ran.
	Influence Influence
}

// PreviewEvery is the least time between two previews.
const PreviewEvery = 50 * time.Millisecond

// clip bounds the merged x0 estimate: pictures lie in [-1, 1].
const clip = 1

// Sample draws pictures (algorithm of the paper's section 3: merge (12), step
// (13), from z_T ~ N(0, I) down). It returns early with ctx's error when ctx
// is done. report may be nil; it is called between steps.
func (m *Model) Sample(ctx context.Context, q Request, report func(Progress)) ([]*image.RGBA, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	steps, err := q.Sampler.StepsOf(m.schedule)
	if err != nil {
		return nil, err
	}
	if q.Count == 0 {
		q.Count = 1
	}
	if q.Count < 0 || q.Count > maxCount {
		return nil, fmt.Errorf("count = %d: want 1 to %d pictures", q.Count, maxCount)
	}
	nets, weights, err := m.choose(q, steps)
	if err != nil {
		return nil, err
	}
	x, err := m.session(ctx, nets, m.square(q.Count))
	if err != nil {
		return nil, err
	}
	if err := m.encode(x, q.Conditions); err != nil {
		return nil, err
	}
	params := stepParams(q.Seed)
	if err := m.start(x, &params, q, steps[0]); err != nil {
		return nil, err
	}
	if err := x.loaded.Write(x.params, params.Bytes()); err != nil {
		return nil, err
	}
	if err := x.run(ctx, x.once, x.begin); err != nil {
		return nil, err
	}
	var shown time.Time
	for i, s := range steps {
		setStep(&params, m.diffusion.PredictionType, s, weights[i], i+1)
		if err := x.advance(ctx, params, s.T); err != nil {
			return nil, err
		}
		if report == nil {
			continue
		}
		p := Progress{Step: i + 1, Steps: len(steps)}
		if i+1 == len(steps) || time.Since(shown) >= PreviewEvery {
			if p.Preview, err = x.pictures(ctx); err != nil {
				return nil, err
			}
			if q.Influence {
				if p.Influence, err = x.influence(ctx, m.diffusion, s); err != nil {
					return nil, err
				}
			}
			shown = time.Now()
		} else if err := x.loaded.Wait(ctx); err != nil {
			return nil, err
		}
		report(p)
	}
	return x.pictures(ctx)
}

// maxCount bounds the batch of one run.
const maxCount = 64

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
	p.EpsOut, p.EpsZ = 1, 0
	if prediction == bundle.Velocity {
		p.EpsOut, p.EpsZ = p.SqrtAbar, p.SqrtOneMinusAbar
	}
	p.Index, p.Keep = uint32(index), 0
	if s.Corrector {
		p.Keep = 1
	}
}

// advance starts one step: all networks, merge, update.
func (x *session) advance(ctx context.Context, p shaders.StepParams, t int) error {
	ts := make([]float32, x.z.N)
	for i := range ts {
		ts[i] = float32(t)
	}
	if err := x.setT(ts); err != nil {
		return err
	}
	if err := x.loaded.Write(x.params, p.Bytes()); err != nil {
		return err
	}
	return x.run(ctx, x.eps, x.step)
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

// choose lists the networks to run and, for every step, their weights in (12):
// those of the given conditions in their windows, and the unconditional one
// where they leave some weight to it.
func (m *Model) choose(q Request, steps []sampler.Step) ([]*network, [][]float64, error) {
	if err := m.checkWeights(q.Weights); err != nil {
		return nil, nil, err
	}
	for name, w := range q.Windows {
		if m.network(name) == nil {
			return nil, nil, fmt.Errorf("window of %s: the bundle has no network %q (it has %s)", name, name, strings.Join(m.Names(), ", "))
		}
		if err := w.Check(); err != nil {
			return nil, nil, fmt.Errorf("window of %s %w", name, err)
		}
	}
	var nets []*network
	var free *network
	for _, n := range m.networks {
		counts := func(s sampler.Step) bool { return q.weight(m.schedule, n.name, s.T) != 0 }
		if n.modality == Unconditional {
			free = n
		} else if q.Conditions.given(n.modality) && slices.ContainsFunc(steps, counts) {
			nets = append(nets, n)
		}
	}
	for _, modality := range []string{Sketch, Mask, Text} {
		if q.Conditions.given(modality) && !m.has(modality) {
			return nil, nil, fmt.Errorf("a %s is given, but the bundle has no network for it (it has %s)", modality, strings.Join(m.Names(), ", "))
		}
	}
	weights := make([][]float64, len(steps))
	left, at := 0.0, 0 // the most that is left to the unconditional network
	for i, s := range steps {
		var ws []float64
		for _, n := range nets {
			ws = append(ws, q.weight(m.schedule, n.name, s.T))
		}
		weights[i] = sampler.Merge(ws)
		if w := weights[i][0]; math.Abs(w) > math.Abs(left) {
			left, at = w, s.T
		}
	}
	if math.Abs(left) > 1e-12 {
		if free == nil {
			return nil, nil, fmt.Errorf("at t = %d the weights of %v leave %.3g for the unconditional network, which the bundle lacks: give one condition with weight 1 and no window", at, names(nets), left)
		}
		return append([]*network{free}, nets...), weights, nil
	}
	for i := range weights {
		weights[i] = weights[i][1:]
	}
	return nets, weights, nil
}

// maxWeight bounds |w|: in f32, larger ones would no longer sum to 1.
const maxWeight = 100

func (m *Model) checkWeights(weights map[string]float64) error {
	for name, w := range weights {
		if m.network(name) == nil {
			return fmt.Errorf("weight %s=%g: the bundle has no network %q (it has %s)", name, w, name, strings.Join(m.Names(), ", "))
		}
		if !(math.Abs(w) <= maxWeight) {
			return fmt.Errorf("weight %s=%g: want a number from -%d to %d", name, w, maxWeight, maxWeight)
		}
	}
	return nil
}

// weight of a modality's network at t.
func (q Request) weight(s *sampler.Schedule, name string, t int) float64 {
	if in, ok := q.Windows[name]; ok && !in.Open(s, t) {
		return 0
	}
	if w, ok := q.Weights[name]; ok {
		return w
	}
	return 1
}

// encode writes the conditions into the session.
func (m *Model) encode(x *session, c Conditions) error {
	side, r := m.diffusion.ImageSize, m.diffusion.PixelUnshuffle
	for _, n := range x.networks {
		var data []byte
		var err error
		switch n.modality {
		case Unconditional:
			continue
		case Sketch:
			data, err = encodeSketch(c.Sketch, side, r)
		case Mask:
			data, err = encodeMask(c.Mask, n.labels, side, r)
		case Text:
			ids := n.tokenizer.EncodeKnown(c.Text)
			if err := x.write(x.tokens[n.name], tokenRows(ids)); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		if want := x.cond[n.name].Size() / x.z.N; len(data) != want {
			return fmt.Errorf("network %s takes %d condition channels, and a %s does not encode to them", n.name, n.conditionChannels, n.modality)
		}
		if err := x.write(x.cond[n.name], data); err != nil {
			return err
		}
	}
	return nil
}
