package studio

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mcdm/mcdm/engine"
	"github.com/mcdm/mcdm/ui/recipe"
)

func TestMeetIsTheMeanOfSteps(t *testing.T) {
	three := func(ab, ac, bc float64) engine.Conflict {
		return engine.Conflict{Names: []string{"sketch", "mask", "text"}, Pairs: [][]float64{{1, ab, ac}, {ab, 1, bc}, {ac, bc, 1}}}
	}
	list := meet(nil, three(.9, -.5, .25))
	list = meet(list, three(.5, -.25, .75))
	// In the last step the mask counts no more.
	list = meet(list, engine.Conflict{Names: []string{"sketch", "text"}, Pairs: [][]float64{{1, -.75}, {-.75, 1}}})
	assert.Equal(t, []recipe.Accord{
		{A: "sketch", B: "mask", Cosine: .7, Steps: 2}, {A: "sketch", B: "text", Cosine: -.5, Steps: 3}, {A: "mask", B: "text", Cosine: .5, Steps: 2},
	}, list)
	assert.Equal(t, []string{"text"}, against(list, "sketch"))
	assert.Equal(t, []string{"sketch"}, against(list, "text"))
	assert.Empty(t, against(list, "mask"))
	assert.Empty(t, meet(nil, engine.Conflict{Names: []string{"sketch"}, Pairs: [][]float64{{1}}}), "one alone is at odds with nobody")
}

func TestTogetherIsTheMeanOfPictures(t *testing.T) {
	a := []recipe.Accord{{A: "mask", B: "text", Cosine: -.5, Steps: 9}}
	b := []recipe.Accord{{A: "mask", B: "text", Cosine: .25, Steps: 3}}
	assert.Equal(t, []recipe.Accord{{A: "mask", B: "text", Cosine: -.125, Steps: 2}}, together([][]recipe.Accord{a, nil, b}))
	assert.Empty(t, together(nil))
}

// Equal lifts share a rank, and of what is not wanted less is better.
func TestRanked(t *testing.T) {
	order, scores := ranked([]engine.Lift{
		{By: map[string]float64{"sketch": 5, "text.2": -2}, All: 6},
		{By: map[string]float64{"sketch": 9, "text.2": 3}, All: 7.5},
		{By: map[string]float64{"sketch": 9, "text.2": -4}, All: 11},
	}, map[string]float64{"sketch": 1, "text.2": -.5})
	assert.Equal(t, []int{2, 1, 0}, order)
	assert.Equal(t, []recipe.Scores{
		{Rank: 3, Of: 3, By: map[string]recipe.Score{"sketch": {Lift: 5, Rank: 3}, "text.2": {Lift: -2, Rank: 2}}},
		{Rank: 2, Of: 3, By: map[string]recipe.Score{"sketch": {Lift: 9, Rank: 1}, "text.2": {Lift: 3, Rank: 3}}},
		{Rank: 1, Of: 3, By: map[string]recipe.Score{"sketch": {Lift: 9, Rank: 1}, "text.2": {Lift: -4, Rank: 1}}},
	}, scores)
}

func TestOrdinal(t *testing.T) {
	for n, want := range map[int]string{1: "1st", 2: "2nd", 3: "3rd", 4: "4th", 11: "11th", 12: "12th", 21: "21st"} {
		assert.Equal(t, want, ordinal(n))
	}
	assert.Equal(t, "“Not this”", capital("“Not this”"))
	assert.Equal(t, "Parts", capital("parts"))
	assert.Empty(t, capital(""))
}
