package bundle

import (
	"fmt"
	"slices"
	"sync"
)

// Stream hands out a bundle's tensors while its shards arrive, in any order. It
// holds a shard's bytes only as long as one of its tensors waits for another
// shard. It is safe for use by several goroutines.
type Stream struct {
	manifest *Manifest
	take     func(n *Network, t Tensor) error

	mu      sync.Mutex
	added   []bool           // by shard
	held    map[int][]byte   // by shard
	waiting map[int][]*piece // by shard: tensors that lie in it
}

// piece is a tensor that has not been handed out.
type piece struct {
	network *Network
	name    string
	ref     TensorRef
	missing []int // shards
}

// Stream begins one. take is given every tensor of every network, its text
// encoder and the upscaler once, one after the other; their Data must not be kept.
func (m *Manifest) Stream(take func(n *Network, t Tensor) error) *Stream {
	s := &Stream{manifest: m, take: take, added: make([]bool, len(m.Shards)), held: map[int][]byte{}, waiting: map[int][]*piece{}}
	for _, n := range m.All() {
		s.expect(n, n.Tensors)
		if n.TextEncoder != nil {
			s.expect(n, n.TextEncoder.Tensors)
		}
	}
	return s
}

func (s *Stream) expect(n *Network, refs map[string]TensorRef) {
	for name, ref := range refs {
		p := &piece{network: n, name: name, ref: ref}
		spans := ref.Parts
		if ref.Scale != nil {
			spans = append(slices.Clip(spans), *ref.Scale)
		}
		for _, at := range spans {
			if !slices.Contains(p.missing, at.Shard) {
				p.missing = append(p.missing, at.Shard)
				s.waiting[at.Shard] = append(s.waiting[at.Shard], p)
			}
		}
	}
}

// Add gives the bytes of shard i, which Shard.Check has passed, and hands out the
// tensors that are complete with it. data must not change until the stream is
// done. A shard that is given again is ignored. After an error of take the
// stream is of no use.
func (s *Stream) Add(i int, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.added[i] {
		return nil
	}
	s.added[i], s.held[i] = true, data
	for _, p := range s.waiting[i] {
		p.missing = slices.DeleteFunc(p.missing, func(k int) bool { return k == i })
		if len(p.missing) > 0 {
			continue
		}
		t, err := p.network.read(p.name, p.ref, func(k int) ([]byte, error) { return s.held[k], nil })
		if err == nil {
			err = s.take(p.network, t)
		}
		if err != nil {
			return err
		}
	}
	for k := range s.held {
		if !slices.ContainsFunc(s.waiting[k], func(p *piece) bool { return len(p.missing) > 0 }) {
			delete(s.held, k)
		}
	}
	return nil
}

// Done is nil when all shards have been given that hold anything of the networks,
// otherwise it says how many are missing.
func (s *Stream) Done() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	missing := 0
	for i := range s.waiting {
		if !s.added[i] {
			missing++
		}
	}
	if missing > 0 {
		return fmt.Errorf("bundle %s: %d of %d shards have not been loaded", s.manifest.Name, missing, len(s.waiting))
	}
	return nil
}
