// Package engine samples pictures from a bundle: it encodes what a person
// gives, runs the separately trained networks, merges their noise predictions
// and steps from noise to a picture, on a GPU or through the kernels' Go twins.
//
// Source of the method: "Image generation with multi-modal priors using
// denoising diffusion probabilistic models", equations (12) and (13).
package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/mcdm/mcdm/engine/nn"
	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/engine/sampler"
	"github.com/mcdm/mcdm/shaders"
	"github.com/mcdm/mcdm/weights/bundle"
	"github.com/mcdm/mcdm/weights/tokenizer"
	"github.com/mcdm/mcdm/weights/unet"
)

// Model is a bundle whose weights lie on a machine. Its methods may be called
// from several goroutines; they run one after the other.
type Model struct {
	machine   record.Machine
	diffusion bundle.Diffusion
	schedule  *sampler.Schedule
	networks  []*network
	weights   int64  // bytes on the machine
	upscaler  *Model // of one network, on the same machine; nil: the bundle has none

	mu       sync.Mutex
	key      shape // of current
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

// Load uploads a bundle's weights to a machine. The bundle's shards must be at
// hand; they are not needed afterwards. progress (may be nil) counts tensors,
// then the kernels of each first use.
func Load(ctx context.Context, machine record.Machine, b *bundle.Bundle, progress func(done, total int)) (*Model, error) {
	loading, done, total := true, 0, 0
	for _, n := range b.Manifest.All() {
		total += len(n.UNet.Tensors())
		if t := n.TextEncoder; t != nil {
			total += len(t.Encoder.Tensors())
		}
	}
	m, err := newModel(machine, b, func(n *bundle.Network, name string) (bundle.Tensor, error) {
		if loading {
			if err := ctx.Err(); err != nil {
				return bundle.Tensor{}, err
			}
			if done++; progress != nil {
				progress(done, total)
			}
		}
		return b.Tensor(n, name)
	})
	if err != nil {
		return nil, err
	}
	// Recording uploads the weights; this recording itself is dropped.
	if err := m.recordAll(&record.Plan{}); err != nil {
		return nil, fmt.Errorf("bundle %s: %w", b.Manifest.Name, err)
	}
	loading, m.weights, m.progress = false, machine.Bytes(), progress
	if m.upscaler != nil {
		m.upscaler.progress = progress
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

// Prepare compiles on a machine what a run of all of a bundle's networks, and its
// upscaler, need.
// Only the manifest must be at hand: it may go on while shards are on their way
// and networks are loaded onto the machine.
func Prepare(ctx context.Context, machine record.Machine, b *bundle.Bundle, progress func(done, total int)) error {
	m, err := newModel(unloaded{machine}, b, b.Describe)
	if err != nil {
		return err
	}
	var plan record.Plan
	if err := m.recordAll(&plan); err != nil {
		return err
	}
	return machine.Prepare(ctx, &plan, progress)
}

// unloaded is a machine that weights are not put on.
type unloaded struct{ record.Machine }

func (unloaded) Upload(string, []byte) (shaders.Buffer, error) { return 1, nil }

// newModel describes the networks; their weights are uploaded when they are first
// recorded.
func newModel(machine record.Machine, b *bundle.Bundle, tensor func(n *bundle.Network, name string) (bundle.Tensor, error)) (*Model, error) {
	if n := len(b.Manifest.Networks); n > shaders.MaxNetworks {
		return nil, fmt.Errorf("bundle %s: %d networks: at most %d can be merged", b.Manifest.Name, n, shaders.MaxNetworks)
	}
	all := b.Manifest.All()
	m, err := modelOf(machine, b.Manifest.Diffusion, all[:len(b.Manifest.Networks)], tensor)
	if u := b.Manifest.Upscaler; err == nil && u != nil {
		m.upscaler, err = modelOf(machine, *u.Diffusion, []*bundle.Network{u}, tensor)
	}
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", b.Manifest.Name, err)
	}
	return m, nil
}

// modelOf describes networks of one diffusion.
func modelOf(machine record.Machine, d bundle.Diffusion, networks []*bundle.Network, tensor func(n *bundle.Network, name string) (bundle.Tensor, error)) (*Model, error) {
	schedule, err := sampler.NewSchedule(d.Schedule.Name, d.Schedule.T, d.Schedule.BetaStart, d.Schedule.BetaEnd)
	if err != nil {
		return nil, err
	}
	m := &Model{machine: machine, diffusion: d, schedule: schedule}
	var sources []nn.Source
	for _, n := range networks {
		source := func(name string) (bundle.Tensor, error) { return tensor(n, name) }
		net := &network{
			name: n.Name, modality: n.Modality, conditionChannels: n.ConditionChannels, labels: len(n.Labels), grid: n.Grid,
			config: n.UNet,
		}
		if t := n.TextEncoder; t != nil {
			net.text = nn.NewTextEncoder(machine, t.Encoder, source)
			net.tokenizer = t.Tokenizer
		}
		m.networks = append(m.networks, net)
		sources = append(sources, source)
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

// Release frees the model's memory and its machine.
func (m *Model) Release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop()
	m.machine.Release()
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
	for _, n := range m.networks {
		if n.tokenizer != nil {
			_, unknown := n.tokenizer.Encode(text)
			return unknown
		}
	}
	return nil
}

// What callers only pass on.
type (
	Spacing = sampler.Spacing
	Window  = sampler.Window
)

// session returns a recording of the shape, the last one where it fits.
func (m *Model) session(ctx context.Context, terms []term, s shape) (*session, error) {
	s.terms = strings.Join(names(terms), " ")
	if m.current != nil && m.key == s {
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
