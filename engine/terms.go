package engine

import (
	"cmp"
	"fmt"
	"image"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/mcdm/mcdm/engine/sampler"
)

// term is one summand of (12): a network with one condition, or the
// unconditional network. Each costs one evaluation a step.
type term struct {
	// name is the network's, and for the second condition of its modality, the
	// third, ... the network's with .2, .3, ... behind it.
	name   string
	net    *network
	at     int  // of the conditions of its modality, from 0
	mapped bool // it has a map, which may leave weight to the unconditional network
}

// terms lists the summands that the conditions ask for, in the order of the
// networks; the unconditional one is not among them.
func (m *Model) terms(q Request) []term {
	var out []term
	for _, n := range m.networks {
		for _, at := range q.Conditions.given(n.modality) {
			name := termName(n, at)
			out = append(out, term{name: name, net: n, at: at, mapped: q.Maps[name] != nil})
		}
	}
	return out
}

func termName(n *network, at int) string {
	if at == 0 {
		return n.name
	}
	return fmt.Sprintf("%s.%d", n.name, at+1)
}

// ConditionNames lists under which names the at-th condition of a modality, from
// 0, goes in Request.Weights, Windows and Maps: one for each network that takes it.
func (m *Model) ConditionNames(modality string, at int) (out []string) {
	for _, n := range m.networks {
		if n.modality == modality {
			out = append(out, termName(n, at))
		}
	}
	return out
}

// free is the unconditional network; nil where the bundle has none.
func (m *Model) free() *network {
	for _, n := range m.networks {
		if n.modality == Unconditional {
			return n
		}
	}
	return nil
}

// bare are networks without conditions.
func bare(nets ...*network) []term {
	var out []term
	for _, n := range nets {
		out = append(out, term{name: n.name, net: n})
	}
	return out
}

func names(terms []term) []string {
	var out []string
	for _, t := range terms {
		out = append(out, t.name)
	}
	return out
}

// choose lists the networks to run and, for every step, their weights in (12):
// those of the given conditions in their windows, and first the unconditional
// one where they leave some weight to it.
func (m *Model) choose(q Request, steps []sampler.Step) ([]term, [][]float64, error) {
	all := m.terms(q)
	if err := m.checkTerms(q, all); err != nil {
		return nil, nil, err
	}
	terms := slices.DeleteFunc(all, func(t term) bool {
		return !slices.ContainsFunc(steps, func(s sampler.Step) bool { return q.weight(m.schedule, t.name, s.T) != 0 })
	})
	weights := make([][]float64, len(steps))
	left, at := 0.0, 0 // the most that is left to the unconditional network
	for i, s := range steps {
		var ws []float64
		for _, t := range terms {
			ws = append(ws, q.weight(m.schedule, t.name, s.T))
		}
		weights[i] = sampler.Merge(ws)
		if math.Abs(weights[i][0]) < 1e-12 {
			weights[i][0] = 0 // but for rounding
		}
		if w := weights[i][0]; math.Abs(w) > math.Abs(left) {
			left, at = w, s.T
		}
	}
	free := m.free()
	switch {
	case left != 0 && free == nil:
		return nil, nil, fmt.Errorf("at t = %d the weights of %v leave %.3g for the unconditional network, which the bundle lacks: give one condition with weight 1 and no window", at, names(terms), left)
	case mapped(terms) && free == nil:
		return nil, nil, fmt.Errorf("where a map is not white it leaves weight for the unconditional network, which the bundle lacks: leave out the map")
	case left != 0 || mapped(terms):
		return append(bare(free), terms...), weights, nil
	}
	for i := range weights {
		weights[i] = weights[i][1:]
	}
	return terms, weights, nil
}

// Unheard lists the conditions with a weight whose windows are shut in every step of
// the run, under their names in Request.Weights.
func (m *Model) Unheard(q Request) ([]string, error) {
	steps, err := q.Sampler.StepsOf(m.schedule)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, t := range m.terms(q) {
		in, given := q.Windows[t.name]
		open := func(s sampler.Step) bool { return in.Open(m.schedule, s.T) }
		if given && weightOf(q.Weights, t.name) != 0 && !slices.ContainsFunc(steps, open) {
			out = append(out, t.name)
		}
	}
	return out, nil
}

// mapped tells whether any of the terms has a map.
func mapped(terms []term) bool {
	return slices.ContainsFunc(terms, func(t term) bool { return t.mapped })
}

// weight of a term at t.
func (q Request) weight(s *sampler.Schedule, name string, t int) float64 {
	if in, ok := q.Windows[name]; ok && !in.Open(s, t) {
		return 0
	}
	return weightOf(q.Weights, name)
}

// weightOf is 1 where nothing is said.
func weightOf(weights map[string]float64, name string) float64 {
	if w, ok := weights[name]; ok {
		return w
	}
	return 1
}

// checkTerms refuses conditions without a network, and what is said about a
// network or a condition that is not there.
func (m *Model) checkTerms(q Request, terms []term) error {
	joint := m.has(Joint)
	for _, kind := range modalities {
		given := kind.given(q.Conditions)
		taken := m.has(kind.name) || joint && slices.Contains(jointly, kind.name)
		if len(given) > 0 && !taken {
			return fmt.Errorf("a %s is given, but the bundle has no network for it (it has %s)", kind.name, strings.Join(m.Names(), ", "))
		}
		if len(given) > 0 && joint && slices.Contains(jointly, kind.name) && given[len(given)-1] > 0 {
			return fmt.Errorf("more than one %s is given, and the joint network takes one", kind.name)
		}
	}
	if err := m.checkWeights(q.Weights, terms); err != nil {
		return err
	}
	for name, w := range q.Windows {
		if err := m.checkName("window of "+name, name, terms); err != nil {
			return err
		}
		if err := w.Check(); err != nil {
			return fmt.Errorf("window of %s %w", name, err)
		}
	}
	for name := range q.Maps {
		if err := m.checkName("map of "+name, name, terms); err != nil {
			return err
		}
	}
	return nil
}

// CheckNames refuses weights, windows and maps that Sample refuses, and also
// those of conditions that are not given, which Sample passes over.
func (m *Model) CheckNames(q Request) error {
	terms := m.terms(q)
	if err := m.checkTerms(q, terms); err != nil {
		return err
	}
	given := names(terms)
	for _, said := range []iter.Seq[string]{maps.Keys(q.Weights), maps.Keys(q.Windows), maps.Keys(q.Maps)} {
		for name := range said {
			if !slices.Contains(given, name) {
				return fmt.Errorf("a weight, window or map of %s: no such condition is given: there are %s", name, cmp.Or(strings.Join(given, ", "), "none"))
			}
		}
	}
	return nil
}

// checkName wants a network of the bundle or a term, and none that takes what the
// others leave.
func (m *Model) checkName(what, name string, terms []term) error {
	if n := m.free(); n != nil && n.name == name {
		return fmt.Errorf("%s: the unconditional network takes what the others leave, and has no weight, window or map of its own", what)
	}
	if m.network(name) != nil || slices.Contains(names(terms), name) {
		return nil
	}
	if network, _, numbered := strings.Cut(name, "."); numbered && m.network(network) != nil {
		return fmt.Errorf("%s: no such condition is given: want %s", what, strings.Join(names(terms), ", "))
	}
	return fmt.Errorf("%s: the bundle has no network %q (it has %s)", what, name, strings.Join(m.Names(), ", "))
}

// maxWeight bounds |w|: in f32, larger ones would no longer sum to 1.
const maxWeight = 100

func (m *Model) checkWeights(weights map[string]float64, terms []term) error {
	for name, w := range weights {
		what := fmt.Sprintf("weight %s=%g", name, w)
		if err := m.checkName(what, name, terms); err != nil {
			return err
		}
		if !(math.Abs(w) <= maxWeight) {
			return fmt.Errorf("%s: want a number from -%d to %d", what, maxWeight, maxWeight)
		}
	}
	return nil
}

// encode writes the conditions and the maps into the session.
func (m *Model) encode(x *session, q Request) error {
	for _, e := range x.terms {
		if err := m.encodeTerm(x, e, q.Conditions); err != nil {
			return err
		}
	}
	if !x.maps {
		return nil
	}
	plane := x.known.Size() / x.known.N
	for i := range x.terms {
		e := &x.terms[i]
		data, err := m.encodeMap(q.Maps[e.name])
		if err != nil {
			return fmt.Errorf("the map of %s: %w", e.name, err)
		}
		to := x.known
		to.N, to.Offset = 1, to.Offset+(2+i)*plane
		e.counts = unpad(data, to)
		if err := x.loaded.Write(to, data); err != nil {
			return err
		}
	}
	return nil
}

func (m *Model) encodeTerm(x *session, e evaluation, c Conditions) error {
	if e.net.modality == Joint {
		return m.encodeJointly(x, e, c)
	}
	kind := modalityOf(e.net.modality)
	if kind == nil {
		return nil // unconditional
	}
	data, err := kind.encode(c, e.at, e.net, m.diffusion)
	if err != nil {
		return err
	}
	to := e.cond
	if e.tokens.Ok() {
		to = e.tokens
	}
	if want := to.Size() / x.z.N; len(data) != want {
		return fmt.Errorf("network %s takes %d bytes, and a %s is encoded to %d", e.net.name, want, kind.name, len(data))
	}
	return x.write(to, data)
}

// jointly are what a joint network takes.
var jointly = []string{Sketch, Mask, Text}

// encodeJointly writes a joint network's channels and tokens.
func (m *Model) encodeJointly(x *session, e evaluation, c Conditions) error {
	data, err := encodeJoint(c, e.net, m.diffusion)
	if err != nil {
		return err
	}
	if err := x.write(e.cond, data); err != nil {
		return err
	}
	tokens, err := encodeText(c.Text, e.net, m.diffusion)
	if err != nil {
		return err
	}
	return x.write(e.tokens, tokens)
}

// encodeMap gives [H, W, C] on the network's grid, 0 to 1, the same for every
// colour. nil counts everywhere.
func (m *Model) encodeMap(img image.Image) ([]byte, error) {
	side, r := m.diffusion.ImageSize, m.diffusion.PixelUnshuffle
	if img == nil {
		return unshuffle(m.diffusion.Channels, side, r, func(_, _, _ int) float32 { return 1 }), nil
	}
	if err := checkSize(img.Bounds()); err != nil {
		return nil, err
	}
	return spread(img, m.diffusion.Channels, side, r), nil
}
