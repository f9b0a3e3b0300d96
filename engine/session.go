package engine

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mcdm/mcdm/engine/nn"
	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/shaders"
)

// shape says what one recording is for.
type shape struct {
	terms  string // names, in order, joined: part of the cache key
	batch  int
	height int // of the network's grid
	width  int
	text   int  // length of given encoder_hidden_states; 0: texts come as tokens
	maps   bool // terms count where their maps say
	stats  bool // steps look at whole pictures
	judged bool // corrector steps are accepted or rejected
	based  bool // what the networks say is added to what is known of x0
	// sets of terms that some step evaluates, as patterns, joined; "": all terms
	sets string
}

// session is a recording of some of the model's networks for one batch size,
// loaded on the machine.
type session struct {
	loaded record.Loaded

	// The programs, in the order of a run: encode what depends on the
	// conditions alone, draw z_T, evaluate networks (a program for every set of
	// terms that some step needs, by pattern), merge and step.
	once, begin, step *record.Program
	eps               map[string]*record.Program

	bare    []term
	terms   []evaluation // of bare, recorded
	maps    bool
	z       shaders.Tensor // [N, H, W, C]
	t       shaders.Tensor // [terms*N, 1, 1, 1]
	merged  shaders.Tensor // [N, H, W, C] eps_c
	preview shaders.Tensor // [N, H*r, W*r, 1] RGBA8
	params  shaders.Tensor // StepParams
	energy  shaders.Tensor // [N, 1, 1, 4] of shaders.Metropolis, where corrector steps are judged
	base    shaders.Tensor // [N, H, W, C] what is known of x0, merged like one more network's eps; bound where the shape is based
	known   shaders.Tensor // [2, H, W, C] a given picture, and where it stays; with maps [2+M, H, W, C]

	scratch struct { // what every step writes, as t and params take it, and runs
		times, params []byte
		programs      [2]*record.Program
	}
}

// evaluation is a recorded term.
type evaluation struct {
	term
	out     shaders.Tensor // [N, H, W, C] what the network says about z and t
	cond    shaders.Tensor // [N, H, W, Cc] concatenated channels, where it has some
	context shaders.Tensor // [N, 1, L, D] encoder_hidden_states, where it cross-attends
	tokens  shaders.Tensor // [N, 1, L, 1] what its text encoder makes them of
	counts  []float32      // [H, W, C] where it counts, 0 to 1; nil: everywhere
}

// newSession records the networks and loads the recording.
func (m *Model) newSession(ctx context.Context, terms []term, s shape) (*session, error) {
	var plan record.Plan
	x, err := m.record(&plan, terms, s)
	if err != nil {
		return nil, err
	}
	x.loaded, err = m.machine.Load(ctx, &plan, m.progress)
	return x, err
}

// record appends the programs of a run to a plan.
func (m *Model) record(plan *record.Plan, terms []term, s shape) (*session, error) {
	if len(terms) > shaders.MaxNetworks {
		return nil, fmt.Errorf("%d conditions and networks in one run (%s): at most %d can be merged", len(terms), strings.Join(names(terms), ", "), shaders.MaxNetworks)
	}
	c, r := m.diffusion.LatentChannels(), m.diffusion.PixelUnshuffle
	merged := len(terms)
	if s.based {
		merged++
	}
	all := plan.Keep("eps", merged*s.batch, s.height, s.width, c)
	x := &session{
		once: plan.Program("encode"), begin: plan.Program("begin"), maps: s.maps, bare: terms,
		z:      plan.Keep("z", s.batch, s.height, s.width, c),
		t:      plan.Keep("t", len(terms)*s.batch, 1, 1, 1),
		eps:    map[string]*record.Program{},
		merged: plan.Keep("merged eps", s.batch, s.height, s.width, c),
		known:  plan.Keep("known", shaders.KnownPlanes(merged, s.maps), s.height, s.width, c),
	}
	if x.z.Size()%256 != 0 {
		return nil, fmt.Errorf("a batch of %d on a grid of %dx%d is not supported: batch * height * width must be a multiple of 16", s.batch, s.height, s.width)
	}
	x.preview = shaders.Tensor{
		Buffer: plan.KeepBytes("preview", 4*s.batch*s.height*r*s.width*r),
		N:      s.batch, H: s.height * r, W: s.width * r, C: 1,
	}
	x.params = shaders.Tensor{Buffer: plan.KeepBytes("step parameters", shaders.StepParamsSize), N: 1, H: 1, W: 1, C: shaders.StepParamsSize / 4}
	x.scratch.times, x.scratch.params = make([]byte, 16*x.t.N), make([]byte, shaders.StepParamsSize)

	for i, t := range terms {
		e := evaluation{term: t, out: x.z}
		e.out.Buffer, e.out.Offset = all.Buffer, i*x.z.Size()
		if err := x.recordCondition(plan, &e, s); err != nil {
			return nil, fmt.Errorf("network %s: %w", t.net.name, err)
		}
		x.terms = append(x.terms, e)
	}
	if s.based {
		x.base = x.z
		x.base.Buffer, x.base.Offset = all.Buffer, len(terms)*x.z.Size()
	}
	if s.sets == "" {
		s.sets = everyTerm(len(terms))
	}
	kept := map[string]shaders.Tensor{}
	for _, set := range strings.Fields(s.sets) {
		if err := x.recordSet(plan, set, kept); err != nil {
			return nil, err
		}
	}
	args := shaders.MergeStepArgs{
		Eps: all, Z: x.z, Merged: x.merged, Preview: x.preview, Step: x.params,
		X0Prev: plan.Keep("x0_prev", s.batch, s.height, s.width, c), Known: x.known,
		Networks: merged, Unshuffle: r, Maps: s.maps,
	}
	x.step = plan.Program("step")
	if s.judged {
		x.energy = plan.Keep("corrector's energy", s.batch, 1, 1, 4)
		last := plan.Keep("before the corrector", 2*s.batch, s.height, s.width, c)
		x.step.Add("judge the corrector", judgement(args, last, x.energy))
	}
	if s.stats {
		args.Stats = plan.Keep("merge statistics", s.batch, 1, 1, 4)
		x.step.Add("merge statistics", x.recordStats(args))
	}
	x.step.Add("merge and step", shaders.MergeStep(args))
	args.Init = true
	x.begin.Add("z_T", shaders.MergeStep(args))
	if err := plan.Fits(); err != nil {
		return nil, fmt.Errorf("%d pictures of %dx%d at once: %w: ask for fewer", s.batch, s.height, s.width, err)
	}
	return x, nil
}

// recordSet records the evaluation of a set of terms, networks that are alike
// together.
func (x *session) recordSet(plan *record.Plan, set string, kept map[string]shaders.Tensor) error {
	var named []string
	var stacks []*nn.Stack
	members := map[*nn.Stack][]nn.Member{}
	for i, e := range x.terms {
		if set[i] == '0' {
			continue
		}
		named = append(named, e.name)
		s := e.net.stack
		if members[s] == nil {
			stacks = append(stacks, s)
		}
		members[s] = append(members[s], nn.Member{Network: e.net.at, Cond: e.cond, Context: e.context, Eps: e.out})
	}
	x.eps[set] = plan.Program("eps " + strings.Join(named, "+"))
	for _, s := range stacks {
		in := nn.Inputs{Z: x.z, T: x.t, Members: members[s], Kept: kept}
		if err := s.Record(plan, x.once, x.eps[set], in); err != nil {
			return err
		}
	}
	return nil
}

// recordCondition makes what a network is conditioned on.
func (x *session) recordCondition(plan *record.Plan, e *evaluation, s shape) error {
	n := e.net
	if n.conditionChannels > 0 {
		e.cond = plan.Keep(e.name+" condition", s.batch, s.height, s.width, n.conditionChannels)
	}
	if d := n.config.CrossAttentionDim; d > 0 {
		return x.recordText(plan, e, s, d)
	}
	return nil
}

// recordText makes a network's encoder_hidden_states [N, 1, L, D]: the text
// encoder's output, or what the host writes.
func (x *session) recordText(plan *record.Plan, e *evaluation, s shape, d int) error {
	length := s.text
	if length == 0 {
		if e.net.text == nil {
			return fmt.Errorf("the network cross-attends, and the bundle has no text encoder for it")
		}
		length = e.net.text.Config.Length
	}
	e.context = plan.Keep(e.name+" encoder_hidden_states", s.batch, 1, length, d)
	if s.text != 0 {
		return nil
	}
	e.tokens = plan.Keep(e.name+" tokens", s.batch, 1, length, 1)
	return e.net.text.Record(plan, x.once, e.tokens, e.context)
}

// patterns lists the sets of terms that steps with these weights need.
func patterns(terms []term, weights [][]float64) string {
	var sets []string
	for _, ws := range weights {
		if set := string(appendPattern(nil, terms, ws)); !slices.Contains(sets, set) {
			sets = append(sets, set)
		}
	}
	return strings.Join(sets, " ")
}

// appendPattern appends a 1 for each term that a step needs and a 0 for the others:
// needed are those with some weight, and the unconditional network where a map may
// leave it some.
func appendPattern(set []byte, terms []term, weights []float64) []byte {
	left := false
	for i, t := range terms {
		left = left || t.mapped && weights[i] != 0
	}
	for i, t := range terms {
		bit := byte('0')
		if weights[i] != 0 || left && t.net.modality == Unconditional {
			bit = '1'
		}
		set = append(set, bit)
	}
	return set
}

// everyTerm is the pattern of all terms.
func everyTerm(n int) string { return strings.Repeat("1", n) }

// evaluate is the program of the terms that a step needs.
func (x *session) evaluate(weights []float64) *record.Program {
	var set [shaders.MaxNetworks]byte
	return x.eps[string(appendPattern(set[:0], x.bare, weights))]
}

// evaluateAll is the program of all terms.
func (x *session) evaluateAll() *record.Program { return x.eps[everyTerm(len(x.terms))] }

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

// setT writes one timestep per sample, the same for all terms.
func (x *session) setT(ts []float32) error {
	return x.loaded.Write(x.t, rows(slices.Repeat(ts, len(x.terms)), 1))
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
	return unpad(b, t), nil
}

// unpad gives the values of a tensor's rows.
func unpad(b []byte, t shaders.Tensor) []float32 {
	out := make([]float32, 0, t.N*t.H*t.W*t.C)
	for p := range t.N * t.H * t.W {
		for c := range t.C {
			out = append(out, math.Float32frombits(binary.LittleEndian.Uint32(b[4*(p*t.Stride()+c):])))
		}
	}
	return out
}
