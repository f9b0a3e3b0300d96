// Package engine samples pictures from a bundle: it encodes what a person
// gives, runs the separately trained networks, merges their noise predictions
// and steps from noise to a picture, on a GPU or through the kernels' Go twins.
//
// Source of the method: "Image generation with multi-modal priors using
// denoising diffusion probabilistic models", equations (12) and (13).
package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mcdm/mcdm/engine/nn"
	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/engine/sampler"
	"github.com/mcdm/mcdm/shaders"
	"github.com/mcdm/mcdm/weights/bundle"
	"github.com/mcdm/mcdm/weights/tokenizer"
	"github.com/mcdm/mcdm/weights/unet"
)

// Model is a bundle whose weights lie on a machine. Its methods may be called
// from several goroutines; those that compute run one after the other. What they
// report to must call none of them: it would wait for itself.
type Model struct {
	machine   record.Machine
	diffusion bundle.Diffusion
	schedule  *sampler.Schedule
	networks  []*network
	weights   int64          // bytes on the machine
	arriving  *bundle.Stream // to the machine
	upscaler  *Model         // of one network, on the same machine; nil: the bundle has none

	turn     chan struct{} // a lock of what follows: full while it is held
	released bool          // Release has been here
	key      shape         // of current
	current  *session
	progress func(done, total int) // of kernel compilation
}

// network is one eps model of the bundle.
type network struct {
	name, modality    string
	conditionChannels int
	labels            int // of a mask
	grid              int // of colours: cells of a side
	config            *unet.Config
	stack             *nn.Stack // with the networks that are like it
	at                int       // in the stack
	text              *nn.TextEncoder
	tokenizer         *tokenizer.Tokenizer
}

// Load puts a bundle on a machine, one shard after the other. progress (may be
// nil) counts the kernels of each first use. With an error the machine is released.
func Load(ctx context.Context, machine record.Machine, b *bundle.Bundle, progress func(done, total int)) (_ *Model, err error) {
	defer func() {
		if err != nil {
			machine.Release()
		}
	}()
	m, err := New(machine, b.Manifest, progress)
	if err != nil {
		return nil, err
	}
	for i := range b.Shards() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		data, err := b.Read(i)
		if err == nil {
			err = m.Add(i, data)
		}
		if err != nil {
			return nil, err
		}
	}
	return m, nil
}

// New makes room on a machine for the networks of a manifest; their weights come
// with Add. progress (may be nil) counts the kernels of each first use.
func New(machine record.Machine, b *bundle.Manifest, progress func(done, total int)) (*Model, error) {
	m, err := newModel(machine, b)
	if err != nil {
		return nil, err
	}
	// Recording makes the room; these recordings themselves are dropped.
	var plan record.Plan
	err = m.recordAll(&plan)
	for _, n := range m.networks {
		if n.text != nil && err == nil { // whole has none where a network lacks its own
			c := n.text.Config
			err = n.text.Record(&plan, plan.Program("text"), plan.Keep("tokens", 1, 1, c.Length, 1), plan.Keep("context", 1, 1, c.Length, c.Hidden))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", b.Name, err)
	}
	m.weights, m.progress = machine.Bytes(), progress
	m.arriving = b.Stream(func(n *bundle.Network, t bundle.Tensor) error {
		at := m.network(n.Name)
		if n == b.Upscaler {
			at = m.upscaler.networks[0]
		}
		if _, ok := n.Tensors[t.Name]; ok {
			return at.stack.Put(at.at, t)
		}
		return at.text.Put(t)
	})
	if u := m.upscaler; u != nil {
		u.progress, u.arriving = progress, m.arriving
	}
	return m, nil
}

// recordAll records a run of all networks and an upscaling.
func (m *Model) recordAll(plan *record.Plan) error {
	_, err := m.record(plan, bare(m.networks...), m.whole())
	if err != nil || m.upscaler == nil {
		return err
	}
	_, err = m.upscaler.record(plan, bare(m.upscaler.networks...), m.upscaler.upscaling())
	return err
}

// Add puts shard i of the manifest, whose SHA-256 the caller has checked, on the
// machine. Shards come in any order, from any goroutine; data is kept only while
// a tensor of it lies in another shard too. The model can be used when all have
// come.
func (m *Model) Add(i int, data []byte) error { return m.arriving.Add(i, data) }

// Prepare compiles what a run of all networks, and an upscaling, need. It may go
// on while shards are on their way.
func (m *Model) Prepare(ctx context.Context, progress func(done, total int)) error {
	plan, err := m.prepared(ctx)
	if err != nil {
		return err
	}
	return m.machine.Prepare(ctx, plan, progress)
}

// prepared records what Prepare compiles.
func (m *Model) prepared(ctx context.Context) (*record.Plan, error) {
	if err := m.take(ctx); err != nil {
		return nil, err
	}
	defer m.give()
	plan := new(record.Plan)
	return plan, m.recordAll(plan)
}

// take waits for the model's turn, which give ends.
func (m *Model) take(ctx context.Context) error {
	select {
	case m.turn <- struct{}{}:
		if m.released {
			m.give()
			return errors.New("the model was released")
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *Model) give() { <-m.turn }

// newModel describes the networks. Room for their weights is made when they are
// first recorded.
func newModel(machine record.Machine, b *bundle.Manifest) (*Model, error) {
	if n := len(b.Networks); n > shaders.MaxNetworks {
		return nil, fmt.Errorf("bundle %s: %d networks: at most %d can be merged", b.Name, n, shaders.MaxNetworks)
	}
	m, err := modelOf(machine, b.Diffusion, b.All()[:len(b.Networks)])
	if u := b.Upscaler; err == nil && u != nil {
		m.upscaler, err = modelOf(machine, *u.Diffusion, []*bundle.Network{u})
	}
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", b.Name, err)
	}
	return m, nil
}

// modelOf describes networks of one diffusion.
func modelOf(machine record.Machine, d bundle.Diffusion, networks []*bundle.Network) (*Model, error) {
	schedule, err := sampler.NewSchedule(d.Schedule.T, d.Schedule.BetaStart, d.Schedule.BetaEnd)
	if err != nil {
		return nil, err
	}
	m := &Model{machine: machine, diffusion: d, schedule: schedule, turn: make(chan struct{}, 1)}
	var sources []nn.Source
	for _, n := range networks {
		net := &network{
			name: n.Name, modality: n.Modality, conditionChannels: n.ConditionChannels, labels: len(n.Labels), grid: n.Grid,
			config: n.UNet,
		}
		if t := n.TextEncoder; t != nil {
			net.text = nn.NewTextEncoder(machine, t.Encoder, n.Describe)
			net.tokenizer = t.Tokenizer
		}
		m.networks = append(m.networks, net)
		sources = append(sources, n.Describe)
	}
	m.stack(sources)
	return m, nil
}

// stack puts networks that are alike into one stack each.
func (m *Model) stack(sources []nn.Source) {
	var all [][]*network
	var parts [][]nn.Network
	for i, n := range m.networks {
		k := slices.IndexFunc(all, func(s []*network) bool { return nn.Alike(s[0].config, n.config) })
		if k < 0 {
			k = len(all)
			all, parts = append(all, nil), append(parts, nil)
		}
		n.at = len(all[k])
		all[k] = append(all[k], n)
		parts[k] = append(parts[k], nn.Network{Config: n.config, Source: sources[i]})
	}
	for k, alike := range all {
		stack := nn.NewStack(m.machine, parts[k]...)
		for _, n := range alike {
			n.stack = stack
		}
	}
}

// whole is the shape of a recording of all networks, those too that have no text
// encoder for their context.
func (m *Model) whole() shape {
	s := m.square(1)
	if slices.ContainsFunc(m.networks, func(n *network) bool { return n.text == nil && n.config.CrossAttentionDim > 0 }) {
		s.text = 1
	}
	return s
}

// Names lists the networks.
func (m *Model) Names() []string { return names(bare(m.networks...)) }

// Modalities lists what kinds of input the networks take.
func (m *Model) Modalities() []string {
	var out []string
	for _, n := range m.networks {
		if n.modality != Unconditional {
			out = append(out, n.modality)
		}
	}
	return out
}

// ImageSize is the side of a picture in pixels.
func (m *Model) ImageSize() int { return m.diffusion.ImageSize }

// LargeSize is the side of an upscaled picture in pixels; 0 where the bundle has
// no upscaler.
func (m *Model) LargeSize() int {
	if m.upscaler == nil {
		return 0
	}
	return m.upscaler.ImageSize()
}

// Bytes is the memory that the model takes on its machine.
func (m *Model) Bytes() int64 { return m.machine.Bytes() }

// Release frees the model's memory and its machine when what computes now is done;
// what waits for its turn, or comes later, is refused. No shard may be on its way.
func (m *Model) Release() {
	if m.take(context.Background()) != nil {
		return // it was before
	}
	defer m.give()
	m.drop()
	m.machine.Release()
	m.released = true
}

func (m *Model) drop() {
	if m.upscaler != nil {
		m.upscaler.drop()
	}
	if m.current != nil {
		m.current.loaded.Release()
		m.current = nil
	}
}

func (m *Model) network(name string) *network {
	for _, n := range m.networks {
		if n.name == name {
			return n
		}
	}
	return nil
}

// UnknownWords lists the words of a text that no text network knows; they are
// left out.
func (m *Model) UnknownWords(text string) []string {
	var unknown []string
	for i, t := range m.tokenizers() {
		_, ignored := t.Encode(text)
		if i == 0 {
			unknown = ignored
		}
		unknown = slices.DeleteFunc(unknown, func(w string) bool { return !slices.Contains(ignored, w) })
	}
	return unknown
}

// CutOff is the end of a text that no text network sees, as it is too long.
func (m *Model) CutOff(text string) (rest string) {
	for i, t := range m.tokenizers() {
		end := ""
		for _, w := range t.Tokens(text) {
			if w.Cut {
				end = text[w.Start:]
				break
			}
		}
		if i == 0 || len(end) < len(rest) {
			rest = end
		}
	}
	return rest
}

func (m *Model) tokenizers() (list []*tokenizer.Tokenizer) {
	for _, n := range m.networks {
		if n.tokenizer != nil {
			list = append(list, n.tokenizer)
		}
	}
	return list
}

// Window is what callers only pass on.
type Window = sampler.Window

// session returns a recording of the shape, the last one where it fits.
func (m *Model) session(ctx context.Context, terms []term, s shape) (*session, error) {
	if err := m.arriving.Done(); err != nil {
		return nil, err
	}
	s.terms = strings.Join(names(terms), " ")
	if m.current != nil && m.key == s {
		m.current.bare = terms // other ones may have maps
		return m.current, nil
	}
	m.drop()
	x, err := m.newSession(ctx, terms, s)
	if err != nil {
		return nil, err
	}
	m.current, m.key = x, s
	return x, nil
}

// square is the shape of a sampling run.
func (m *Model) square(batch int) shape {
	side := m.diffusion.GridSize()
	return shape{batch: batch, height: side, width: side}
}

func (m *Model) has(modality string) bool {
	return slices.Contains(m.Modalities(), modality)
}
