package engine

import (
	"context"
	"fmt"
	"math"

	"github.com/mcdm/mcdm/engine/sampler"
	"github.com/mcdm/mcdm/shaders"
	"github.com/mcdm/mcdm/weights/bundle"
)

// EpsInput is one evaluation of every network, as other implementations see
// it: all arrays row-major, channels first.
type EpsInput struct {
	Batch, Height, Width int // of the networks' own grid

	Sample   []float32 // [B, C, H, W] z_t
	Timestep []float32 // [B]
	// Cond holds what is concatenated to z, by network: [B, Cc, H, W].
	Cond map[string][]float32
	// Context holds encoder_hidden_states by network, [B, L, D] with L = ContextLength.
	Context       map[string][]float32
	ContextLength int
	// Weights of (12) by network, 1 where absent.
	Weights map[string]float64
	// MergedOnly leaves the networks' own predictions where they are.
	MergedOnly bool
}

// Eps evaluates every network of the model on the input and merges by (12):
// [B, C, H, W] by network's name, unless only the merge is asked for, and the
// merge.
func (m *Model) Eps(ctx context.Context, in EpsInput) (nets map[string][]float32, merged []float32, err error) {
	if err := m.take(ctx); err != nil {
		return nil, nil, err
	}
	defer m.give()
	c := m.diffusion.LatentChannels()
	if err := in.check(m, c); err != nil {
		return nil, nil, err
	}
	x, err := m.session(ctx, bare(m.networks...), shape{
		batch: in.Batch, height: in.Height, width: in.Width, text: max(in.ContextLength, 1),
	})
	if err != nil {
		return nil, nil, err
	}
	if err := x.loaded.Write(x.z, in.channelsLast(in.Sample, c)); err != nil {
		return nil, nil, err
	}
	if err := x.setT(in.Timestep); err != nil {
		return nil, nil, err
	}
	for _, e := range x.terms {
		if e.cond.Ok() {
			if err := x.loaded.Write(e.cond, in.channelsLast(in.Cond[e.name], e.cond.C)); err != nil {
				return nil, nil, err
			}
		}
		if e.context.Ok() {
			if err := x.loaded.Write(e.context, rows(in.Context[e.name], e.context.C)); err != nil {
				return nil, nil, err
			}
		}
	}
	p := shaders.StepParams{SqrtAbar: 1, EpsOut: 1}
	for i, w := range m.allWeights(in.Weights) {
		p.Weights[i] = float32(w)
	}
	if err := x.loaded.Write(x.params, p.Bytes()); err != nil {
		return nil, nil, err
	}
	if err := x.loaded.Run(ctx, x.once, x.evaluateAll(), x.step); err != nil {
		return nil, nil, err
	}
	nets = map[string][]float32{}
	read := x.terms
	if in.MergedOnly {
		read = nil
	}
	for _, e := range read {
		if nets[e.name], err = x.readChannelsFirst(ctx, e.out); err != nil {
			return nil, nil, err
		}
		m.toEps(nets[e.name], in)
	}
	if merged, err = x.readChannelsFirst(ctx, x.merged); err != nil {
		return nil, nil, err
	}
	m.toEps(merged, in)
	return nets, merged, nil
}

// toEps turns what the networks predicted into eps, in place.
func (m *Model) toEps(v []float32, in EpsInput) {
	if m.diffusion.PredictionType != bundle.Velocity {
		return
	}
	each := len(v) / in.Batch
	for i := range v {
		abar := m.schedule.ABar[int(in.Timestep[i/each])]
		v[i] = float32(math.Sqrt(abar)*float64(v[i]) + math.Sqrt(1-abar)*float64(in.Sample[i]))
	}
}

// allWeights are the weights of (12) in the order of the networks.
func (m *Model) allWeights(given map[string]float64) []float64 {
	if len(m.networks) == 1 {
		return []float64{1}
	}
	var modalities []float64
	for _, n := range m.networks {
		if n.modality == Unconditional {
			continue
		}
		modalities = append(modalities, weightOf(given, n.name))
	}
	return sampler.Merge(modalities)
}

func (in EpsInput) check(m *Model, c int) error {
	if err := m.checkWeights(in.Weights, nil); err != nil {
		return err
	}
	if len(m.networks) == 1 && len(in.Weights) > 0 {
		return fmt.Errorf("weights %v: the bundle has one network, and nothing to merge it with", in.Weights)
	}
	pixels := in.Batch * in.Height * in.Width
	if in.Batch < 1 || in.Height < 1 || in.Width < 1 || len(in.Sample) != pixels*c {
		return fmt.Errorf("sample has %d values: want [%d, %d, %d, %d]", len(in.Sample), in.Batch, c, in.Height, in.Width)
	}
	if len(in.Timestep) != in.Batch {
		return fmt.Errorf("timestep has %d values: want one for each of the %d samples", len(in.Timestep), in.Batch)
	}
	for _, t := range in.Timestep {
		if !(t >= 0 && int(t) < m.schedule.T) || t != float32(int(t)) {
			return fmt.Errorf("timestep %v: want a whole number from 0 to %d", t, m.schedule.T-1)
		}
	}
	for _, n := range m.networks {
		if down := 1 << (len(n.config.Down) - 1); !n.config.FitUpsample && (in.Height%down != 0 || in.Width%down != 0) {
			return fmt.Errorf("a grid of %dx%d: network %s wants multiples of %d (%d levels)", in.Height, in.Width, n.name, down, len(n.config.Down))
		}
		if got := len(in.Cond[n.name]); got != pixels*n.conditionChannels {
			return fmt.Errorf("cond.%s has %d values: want [%d, %d, %d, %d]", n.name, got, in.Batch, n.conditionChannels, in.Height, in.Width)
		}
		if d := n.config.CrossAttentionDim; len(in.Context[n.name]) != in.Batch*in.ContextLength*d {
			return fmt.Errorf("encoder_hidden_states.%s has %d values: want [%d, %d, %d]", n.name, len(in.Context[n.name]), in.Batch, in.ContextLength, d)
		} else if d > 0 && in.ContextLength < 1 {
			return fmt.Errorf("encoder_hidden_states.%s is missing", n.name)
		}
	}
	return nil
}

// channelsLast turns [B, C, H, W] into padded rows [B, H, W, C].
func (in EpsInput) channelsLast(v []float32, c int) []byte {
	hw := in.Height * in.Width
	out := make([]float32, len(v))
	for i := range v {
		n, k, p := i/(c*hw), i/hw%c, i%hw
		out[(n*hw+p)*c+k] = v[i]
	}
	return rows(out, c)
}

// readChannelsFirst reads a tensor as [B, C, H, W].
func (x *session) readChannelsFirst(ctx context.Context, t shaders.Tensor) ([]float32, error) {
	v, err := read(ctx, x.loaded, t)
	if err != nil {
		return nil, err
	}
	out := make([]float32, len(v))
	hw := t.H * t.W
	for i := range v {
		n, p, k := i/(hw*t.C), i/t.C%hw, i%t.C
		out[(n*t.C+k)*hw+p] = v[i]
	}
	return out, nil
}
