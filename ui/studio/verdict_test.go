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

// Measured angles of ten steps: who agrees at first may be at odds, and the other way round.
func TestOddsAreToldByTheMiddle(t *testing.T) {
	for _, of := range []struct {
		what    string
		cosines []float64
		odds    bool
	}{
		{`hair dabbed red, "red hair"`, []float64{.71, .71, .65, .10, .02, .08, .17, .23, .20}, false},
		{`hair dabbed black, "red hair"`, []float64{.42, .39, .07, -.41, -.31, -.25, -.13, -.01, .07}, true},
		{`background dabbed green, "red hair"`, []float64{-.43, -.40, -.25, -.23, .09, .40, .13, .12, .12}, false},
		{`skin dabbed dark, "pale skin"`, []float64{-.92, -.91, -.85, -.74, -.62, -.38, -.17, -.02, .07}, true},
		{"lines of one portrait, parts of another", []float64{.26, .26, .26, .21, -.05, -.33, -.36, -.46, -.49}, true},
	} {
		var list []recipe.Accord
		for i, c := range of.cosines {
			if telling(engine.Progress{Step: i + 1, Steps: 10}, 0) {
				list = meet(list, engine.Conflict{Names: []string{"a", "b"}, Pairs: [][]float64{{1, c}, {c, 1}}})
			}
		}
		assert.Equal(t, 3, list[0].Steps)
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
	assert.Empty(t, told(1, 0))
	assert.Equal(t, []int{2}, told(2, 0))
	assert.Equal(t, []int{1, 2, 3, 4}, told(10, .5))
	assert.Empty(t, told(4, .7))
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
