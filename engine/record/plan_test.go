package record

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine/gpu"
	"github.com/mcdm/mcdm/shaders"
)

// Attention makes 16 tokens in a workgroup: of those, not of tokens, a launch has at most
// so many.
func TestFits(t *testing.T) {
	plan := func(tokens int) *Plan {
		var p Plan
		q, y := p.Keep("q", 1, 1, tokens, 12), p.Keep("y", 1, 1, tokens, 4)
		p.Program("test").Add("layer", shaders.Attention(shaders.AttentionArgs{
			Q: q, K: q, V: q, KOffset: 4, VOffset: 8, Y: y, Heads: 1, HeadDim: 4, Scale: .5,
		}))
		return &p
	}
	assert.NoError(t, plan(16*shaders.MaxGroups).Fits())
	err := plan(16*shaders.MaxGroups + 1).Fits()
	require.ErrorIs(t, err, gpu.ErrLimits)
	assert.ErrorContains(t, err, "layer takes [65536 1 1] workgroups")

	// A later form takes more than the first.
	var p Plan
	d := shaders.Dispatch{Groups: [3]uint32{1, 1, 1}, Forms: []shaders.Form{{Groups: [3]uint32{1, 1, 1}}, {Groups: [3]uint32{1, 1, 1 << 16}}}}
	p.Program("test").Add("layer", d)
	assert.ErrorIs(t, p.Fits(), gpu.ErrLimits)
}

// Whatever programs do with their buffers, what is in use at one time, and all that is
// kept, lies apart and fits; the rest shares memory.
func TestPlace(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	taken, needed := 0, 0
	for range 300 {
		var p Plan
		var kept []shaders.Buffer
		for i := range rnd.IntN(4) {
			kept = append(kept, p.Keep(fmt.Sprint("kept ", i), 1, 1, 1+rnd.IntN(40), 4).Buffer)
		}
		for g := range 1 + rnd.IntN(3) {
			to := p.Program(fmt.Sprint("program ", g))
			buffers := kept
			for i := range 1 + rnd.IntN(12) {
				buffers = append(buffers, p.Scratch(fmt.Sprint("scratch ", i), 1, 1, 1+rnd.IntN(40), 4).Buffer)
			}
			for range rnd.IntN(20) {
				var d shaders.Dispatch
				for range 1 + rnd.IntN(4) {
					d.Bindings = append(d.Bindings, shaders.View{Buffer: buffers[rnd.IntN(len(buffers))]})
				}
				d.Bindings = append(d.Bindings, shaders.View{}, shaders.View{Buffer: 1}) // unbound, and weights
				to.Add("launch", d)
			}
		}
		at := p.place()
		require.Empty(t, clash(&p, at))
		for i, b := range p.buffers {
			if at.slot[i] >= 0 {
				needed += b.size
			}
		}
		for _, n := range at.sizes {
			taken += n
		}
	}
	assert.Less(t, taken, needed*2/3)
}

// clash tells of two buffers in use at one time that share memory, or of one that has
// too little.
func clash(p *Plan, at placement) string {
	for _, g := range p.programs {
		first, last := map[int]int{}, map[int]int{}
		for i, d := range g.Dispatches {
			for _, v := range d.Bindings {
				k := int(v.Buffer - firstLocal)
				if _, again := first[k]; !again {
					first[k] = i
				}
				last[k] = i
			}
		}
		for i := range g.Dispatches {
			owner := map[int]string{} // by slot
			for k, b := range p.buffers {
				if from, used := first[k]; !b.kept && !(used && from <= i && i <= last[k]) {
					continue
				}
				s := at.slot[k]
				if at.sizes[s] < b.size {
					return fmt.Sprintf("%s: launch %d: %s has %d bytes of %d", g.Name, i, b.label, at.sizes[s], b.size)
				}
				if other, taken := owner[s]; taken {
					return fmt.Sprintf("%s: launch %d: %s lies where %s does", g.Name, i, b.label, other)
				}
				owner[s] = b.label
			}
		}
	}
	return ""
}

// Two buffers of one launch must not share a slot, and one of another program is no scratch.
func TestPlaceFaults(t *testing.T) {
	var p Plan
	x, y := p.Scratch("x", 1, 1, 1, 4), p.Scratch("y", 1, 1, 2, 4)
	launch := shaders.Dispatch{Bindings: []shaders.View{{Buffer: x.Buffer}, {Buffer: y.Buffer}}}
	p.Program("first").Add("launch", launch)
	assert.Equal(t, "first: launch 0: y lies where x does", clash(&p, placement{slot: []int{0, 0}, sizes: []int{32}}))
	assert.Equal(t, "first: launch 0: y has 16 bytes of 32", clash(&p, placement{slot: []int{0, 1}, sizes: []int{16, 16}}))
	p.Program("second").Add("launch", launch)
	assert.PanicsWithValue(t, `record: scratch buffer "x" is used by the programs "first" and "second"`, func() { p.place() })
}
