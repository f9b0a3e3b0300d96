package engine

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine/record"
)

// What the README says of the launches of a step of the shipped networks: layers of
// several are one launch.
func TestLaunches(t *testing.T) {
	m := shipped(t)
	launches := func(names ...string) int {
		var terms []*network
		for _, n := range m.networks {
			if slices.Contains(names, n.name) {
				terms = append(terms, n)
			}
		}
		require.Len(t, terms, len(names))
		s := m.whole()
		s.batch = 1
		var plan record.Plan
		x, err := m.record(&plan, bare(terms...), s)
		require.NoError(t, err)
		n := len(x.step.Dispatches) // the merge
		for _, set := range x.eps {
			n += len(set.Dispatches)
		}
		return n
	}
	assert.Equal(t, 80, launches("none"))
	assert.Equal(t, 143, launches("none", "sketch", "mask", "text"))
}
