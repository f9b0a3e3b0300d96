package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine"
)

func TestTableSortsByLift(t *testing.T) {
	list := results(nil, 0)
	assert.Empty(t, list)
	for i, all := range []float64{3, -1, 12.25} {
		list = append(list, result{seed: 7 + uint64(i), lift: engine.Lift{By: map[string]float64{"text": all - 1, "mask": 1}, All: all}})
	}
	sortByLift(list)
	var out bytes.Buffer
	require.NoError(t, table(&out, []string{"a-1.png", "a-2.png", "a-3.png"}, list))
	assert.Regexp(t, `(?m)^ +seed +mask +text +all$
 +a-1.png +9 +1.0 +11.2 +12.2$
 +a-2.png +7 +1.0 +2.0 +3.0$
 +a-3.png +8 +1.0 +-2.0 +-1.0$`, out.String())

	out.Reset()
	require.NoError(t, table(&out, []string{"x.png"}, []result{{seed: 4}}))
	assert.Equal(t, "x.png  seed 4\n", out.String())
}

func TestConflictsAreMeansOfTheSamples(t *testing.T) {
	var c conflicts
	three := []string{"sketch", "mask", "text"}
	c.add([]engine.Conflict{
		{Names: three, Pairs: [][]float64{{1, .5, 0}, {.5, 1, -.2}, {0, -.2, 1}}, Rest: []float64{.1, .2, .3}},
		{Names: three, Pairs: [][]float64{{1, .7, 0}, {.7, 1, -.4}, {0, -.4, 1}}, Rest: []float64{.3, .2, -.3}},
	})
	c.add(nil)
	c.add([]engine.Conflict{{Names: []string{"sketch", "mask"}, Pairs: [][]float64{{1, -1}, {-1, 1}}, Rest: []float64{-1, -1}}})
	var out bytes.Buffer
	require.NoError(t, c.print(&out))
	assert.Regexp(t, `(?m)^ +step +sketch-mask +sketch-text +mask-text +sketch-rest +mask-rest +text-rest$
 +1 +\+0.60 +\+0.00 +-0.30 +\+0.20 +\+0.20 +\+0.00$
 +2 +- +- +- +- +- +-$
 +3 +-1.00 +- +- +- +- +-$`, out.String())

	out.Reset()
	require.NoError(t, (&conflicts{}).print(&out))
	assert.Contains(t, out.String(), "never did two conditions")
}
