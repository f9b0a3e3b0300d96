package studio

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/mcdm/mcdm/engine"
	"github.com/mcdm/mcdm/ui/recipe"
)

// Whether two conditions are at odds is told by the steps in this part of the way from
// noise (0) to picture (1), where layout and colours are decided. In the first step all
// pull towards what any portrait looks like; later each draws its own details.
const early, late = .1, .5

// opposed is the mean cosine between two pulls in these steps from which on a person
// is told. In runs of ten DDIM steps for 24 held-out portraits (the page's weights and
// windows), 4 of 528 pairs that belong together or have nothing to do with each other
// had as little. Of pairs that contradict each other, 9 in 10 dabs and another hair
// colour in the sentence had, and two thirds of the lines or parts and the wrong length
// of hair; other portraits' parts, dabs and sentences 2 to 6 in 10.
const opposed = -.18

// telling says whether a step's angles count: p of a run that skipped a part of the way,
// as with a start picture.
func telling(p engine.Progress, skipped float64) bool {
	way := skipped + (1-skipped)*float64(p.Step-1)/float64(p.Steps)
	return early <= way && way < late
}

// meet adds to the means of a picture's earlier steps what one more step says
// about its conditions, two by two.
func meet(list []recipe.Accord, c engine.Conflict) []recipe.Accord {
	for i, b := range c.Names {
		for j, a := range c.Names[:i] {
			at := slices.IndexFunc(list, func(m recipe.Accord) bool { return m.A == a && m.B == b })
			if at < 0 {
				at = len(list)
				list = append(list, recipe.Accord{A: a, B: b})
			}
			m := &list[at]
			m.Steps++
			m.Cosine += (c.Pairs[i][j] - m.Cosine) / float64(m.Steps)
		}
	}
	return list
}

// together is the mean over several pictures of one run.
func together(pictures [][]recipe.Accord) []recipe.Accord {
	var out []recipe.Accord
	for _, list := range pictures {
		for _, m := range list {
			out = meet(out, engine.Conflict{Names: []string{m.A, m.B}, Pairs: [][]float64{{1, m.Cosine}, {m.Cosine, 1}}})
		}
	}
	return out
}

// against lists the conditions that a condition pulled against.
func against(list []recipe.Accord, name string) (others []string) {
	for _, m := range list {
		if m.Cosine > opposed {
			continue
		}
		switch name {
		case m.A:
			others = append(others, m.B)
		case m.B:
			others = append(others, m.A)
		}
	}
	return others
}

// ranked orders pictures by how well they obey the conditions of a request:
// order holds their places in lifts, the best first; scores go with lifts. A
// condition with a weight below 0 is obeyed best by the picture that it makes
// least likely.
func ranked(lifts []engine.Lift, weights map[string]float64) (order []int, scores []recipe.Scores) {
	rank := func(i int, value func(engine.Lift) float64) int {
		better := 0
		for _, l := range lifts {
			if value(l) > value(lifts[i]) {
				better++
			}
		}
		return 1 + better
	}
	for i, l := range lifts {
		s := recipe.Scores{
			Rank: rank(i, func(l engine.Lift) float64 { return l.All }),
			Of:   len(lifts), By: map[string]recipe.Score{},
		}
		for name, lift := range l.By {
			sign := math.Copysign(1, weights[name])
			s.By[name] = recipe.Score{Lift: lift, Rank: rank(i, func(l engine.Lift) float64 { return sign * l.By[name] })}
		}
		order, scores = append(order, i), append(scores, s)
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(scores[a].Rank, scores[b].Rank) })
	return order, scores
}

// capital begins a text with a capital letter.
func capital(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return ""
	}
	return string(unicode.ToUpper(first)) + text[size:]
}

// ordinal is "1st", "2nd", "11th".
func ordinal(n int) string {
	end := "th"
	if n/10%10 != 1 {
		switch n % 10 {
		case 1:
			end = "st"
		case 2:
			end = "nd"
		case 3:
			end = "rd"
		}
	}
	return fmt.Sprint(n, end)
}
