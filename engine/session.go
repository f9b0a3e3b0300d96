package engine

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/mcdm/mcdm/engine/nn"
	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/shaders"
)

// shape says what one recording is for.
type shape struct {
	networks string // names, in order, joined: part of the cache key
	batch    int
	height   int // of the network's grid
	width    int
	text     int // length of given encoder_hidden_states; 0: texts come as tokens
}

// session is a recording of some of the model's networks for one batch size,
// loaded on the machine.
type session struct {
	loaded record.Loaded

	// The programs, in the order of a run: encode what depends on the
	// conditions alone, draw z_T, evaluate every network, merge and step.
	once, begin, eps, step *record.Program

	networks []*network
	z        shaders.Tensor            // [N, H, W, C]
	t        shaders.Tensor            // [N, 1, 1, 1]
	all      shaders.Tensor            // [M*N, H, W, C] eps of the networks, one after the other
	merged   shaders.Tensor            // [N, H, W, C] eps_c
	preview  shaders.Tensor            // [N, H*r, W*r, 1] RGBA8
	params   shaders.Tensor            // StepParams
	known    shaders.Tensor            // [2, H, W, C] a given picture, and where it stays
	cond     map[string]shaders.Tensor // by network: concatenated channels
	tokens   map[string]shaders.Tensor // by network
	context  map[string]shaders.Tensor // by network
}

// newSession records the networks and loads the recording.
func (m *Model) newSession(ctx context.Context, nets []*network, s shape) (*session, error) {
	var plan record.Plan
	x, err := m.record(&plan, nets, s)
	if err != nil {
		return nil, err
	}
	x.loaded, err = m.machine.Load(ctx, &plan, m.progress)
	return x, err
}

// record appends the programs of a run to a plan.
func (m *Model) record(plan *record.Plan, nets []*network, s shape) (*session, error) {
	c, r := m.diffusion.LatentChannels(), m.diffusion.PixelUnshuffle
	x := &session{
		networks: nets,
		cond:     map[string]shaders.Tensor{}, tokens: map[string]shaders.Tensor{}, context: map[string]shaders.Tensor{},
		once: plan.Program("encode"), begin: plan.Program("begin"), eps: plan.Program("eps"), step: plan.Program("step"),
		z:      plan.Keep("z", s.batch, s.height, s.width, c),
		t:      plan.Keep("t", s.batch, 1, 1, 1),
		all:    plan.Keep("eps", len(nets)*s.batch, s.height, s.width, c),
		merged: plan.Keep("merged eps", s.batch, s.height, s.width, c),
		known:  plan.Keep("known", 2, s.height, s.width, c),
	}
	if x.z.Size()%256 != 0 {
		return nil, fmt.Errorf("a batch of %d on a grid of %dx%d is not supported: batch * height * width must be a multiple of 16", s.batch, s.height, s.width)
	}
	x.preview = shaders.Tensor{
		Buffer: plan.KeepBytes("preview", 4*s.batch*s.height*r*s.width*r),
		N:      s.batch, H: s.height * r, W: s.width * r, C: 1,
	}
	x.params = shaders.Tensor{Buffer: plan.KeepBytes("step parameters", shaders.StepParamsSize), N: 1, H: 1, W: 1, C: shaders.StepParamsSize / 4}

	for i, n := range nets {
		in := nn.Inputs{Z: x.z, T: x.t, Eps: x.z}
		in.Eps.Buffer, in.Eps.Offset = x.all.Buffer, i*x.z.Size()
		if n.conditionChannels > 0 {
			in.Cond = plan.Keep(n.name+" condition", s.batch, s.height, s.width, n.conditionChannels)
			x.cond[n.name] = in.Cond
		}
		if d := n.unet.Config.CrossAttentionDim; d > 0 {
			if err := x.recordText(plan, n, s, d); err != nil {
				return nil, fmt.Errorf("network %s: %w", n.name, err)
			}
			in.Context = x.context[n.name]
		}
		if err := n.unet.Record(plan, x.once, x.eps, in); err != nil {
			return nil, fmt.Errorf("network %s: %w", n.name, err)
		}
	}
	args := shaders.MergeStepArgs{
		Eps: x.all, Z: x.z, Merged: x.merged, Preview: x.preview, Step: x.params,
		X0Prev: plan.Keep("x0_prev", s.batch, s.height, s.width, c), Known: x.known,
		Networks: len(nets), Unshuffle: r,
	}
	x.step.Add("merge and step", shaders.MergeStep(args))
	args.Init = true
	x.begin.Add("z_T", shaders.MergeStep(args))
	return x, nil
}

// recordText makes a network's encoder_hidden_states [N, 1, L, D]: the text
// encoder's output, or what the host writes.
func (x *session) recordText(plan *record.Plan, n *network, s shape, d int) error {
	length := s.text
	if length == 0 {
		if n.text == nil {
			return fmt.Errorf("the network cross-attends, and the bundle has no text encoder for it")
		}
		length = n.text.Config.Length
	}
	x.context[n.name] = plan.Keep(n.name+" encoder_hidden_states", s.batch, 1, length, d)
	if s.text != 0 {
		return nil
	}
	x.tokens[n.name] = plan.Keep(n.name+" tokens", s.batch, 1, length, 1)
	return n.text.Record(plan, x.once, x.tokens[n.name], x.context[n.name])
}

// run starts programs one after the other, empty ones left out.
func (x *session) run(ctx context.Context, programs ...*record.Program) error {
	for _, g := range programs {
		if len(g.Dispatches) == 0 {
			continue
		}
		if err := x.loaded.Run(ctx, g); err != nil {
			return err
		}
	}
	return nil
}

// write puts the same rows into every sample of a batch.
func (x *session) write(t shaders.Tensor, data []byte) error {
	return x.loaded.Write(t, repeat(data, t.N))
}

func repeat(data []byte, n int) []byte {
	out := make([]byte, 0, n*len(data))
	for range n {
		out = append(out, data...)
	}
	return out
}

// setT writes one timestep per sample.
func (x *session) setT(ts []float32) error {
	return x.loaded.Write(x.t, rows(ts, 1))
}

// rows packs values [.., C] as f32 rows padded to a multiple of four.
func rows(values []float32, c int) []byte {
	stride := (c + 3) &^ 3
	out := make([]byte, 4*len(values)/c*stride)
	for i, v := range values {
		binary.LittleEndian.PutUint32(out[4*(i/c*stride+i%c):], math.Float32bits(v))
	}
	return out
}

// tokenRows packs token ids, one per padded row.
func tokenRows(ids []int32) []byte {
	out := make([]byte, 16*len(ids))
	for i, id := range ids {
		binary.LittleEndian.PutUint32(out[16*i:], uint32(id))
	}
	return out
}

// read copies a tensor to the host without its padding.
func read(ctx context.Context, l record.Loaded, t shaders.Tensor) ([]float32, error) {
	b, err := l.Read(ctx, t)
	if err != nil {
		return nil, err
	}
	out := make([]float32, 0, t.N*t.H*t.W*t.C)
	for p := range t.N * t.H * t.W {
		for c := range t.C {
			out = append(out, math.Float32frombits(binary.LittleEndian.Uint32(b[4*(p*t.Stride()+c):])))
		}
	}
	return out, nil
}
