package record

import (
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
