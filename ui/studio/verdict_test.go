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

// Measured angles of ten steps: what the first step and the second half say does not count.
func TestOddsAreToldByTheFirstHalf(t *testing.T) {
	for _, of := range []struct {
		what    string
		cosines []float64
		odds    bool
	}{
		{"hair dabbed, a sentence that says its colour", []float64{.67, .66, .43, -.08, -.06, -.38, -.37}, false},
		{"hair dabbed, a sentence with another colour", []float64{-.25, -.15, -.08, -.66, -.42, -.07, -.29}, true},
		{"lines of a portrait, a sentence that is right about it", []float64{-.28, -.25, -.03, .36, -.02, -.04, -.03}, false},
		{"lines of long hair, a sentence of short hair", []float64{-.35, -.38, -.39, -.38, -.16, -.19, -.10}, true},
		{"lines of one portrait, parts of another", []float64{-.27, -.21, -.15, -.24, -.34, -.50, -.50, -.43}, true},
	} {
		var list []recipe.Accord
		for i, c := range of.cosines {
			if telling(engine.Progress{Step: i + 1, Steps: 10}, 0) {
				list = meet(list, engine.Conflict{Names: []string{"a", "b"}, Pairs: [][]float64{{1, c}, {c, 1}}})
			}
		}
		assert.Equal(t, 4, list[0].Steps)
		assert.Equal(t, of.odds, len(against(list, "a")) > 0, "%s: %.2f", of.what, list[0].Cosine)
	}
}

func TestTellingSteps(t *testing.T) {
	told := func(steps int, skipped float64) (list []int) {
		for i := range steps {
			if telling(engine.Progress{Step: i + 1, Steps: steps}, skipped) {
				list = append(list, i+1)
			}
		}
		return list
	}
	assert.Empty(t, told(2, 0))
	assert.Equal(t, []int{2}, told(3, 0))
	assert.Equal(t, []int{2, 3, 4, 5}, told(10, 0))
	assert.Equal(t, []int{1, 2, 3}, told(10, .3))
	assert.Empty(t, told(4, .5))
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
