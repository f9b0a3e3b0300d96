//go:build js

package studio

import (
	"context"
	"fmt"
	"image"
	"maps"
	"slices"
	"strings"

	"github.com/mcdm/mcdm/ui/dom"
	"github.com/mcdm/mcdm/ui/recipe"
)

// What the networks made of the pictures in the frame: inputs at odds, and, once
// a person has asked for it, which picture obeys best.

func (s *Studio) addBest() { click("best", func() { go s.bestFirst() }) }

// bestFirst scores the pictures of the last run and puts the best first.
func (s *Studio) bestFirst() {
	s.endLive()
	batch := s.batch
	if !s.scorable() {
		return // a live picture took its place
	}
	var pictures []*image.RGBA
	for _, p := range batch {
		pictures = append(pictures, p.image)
	}
	q, _ := request(batch[0].recipe, s.bundle)
	lifts := s.run.Score(context.Background(), q, pictures)
	if lifts == nil {
		return
	}
	order, scores := ranked(lifts, q.Weights)
	s.batch = nil
	for _, i := range order {
		p := batch[i]
		p.recipe.Verdict.Scores = scores[i]
		s.batch = append(s.batch, p)
		if slices.Contains(s.history, p) {
			s.store(p)
		}
	}
	s.showGrid()
	s.tell(fmt.Sprintf("Best first: seed %d obeys best.", s.batch[0].recipe.Seed))
}

// scorable tells whether there are finished pictures to choose from, and
// something that they could obey.
func (s *Studio) scorable() bool {
	if len(s.batch) < 2 {
		return false
	}
	for _, p := range s.batch {
		if p.image == nil || p.recipe.Unfinished || p.recipe.Verdict.Scores.Of > 0 {
			return false
		}
	}
	q, _ := request(s.batch[0].recipe, s.bundle)
	return len(q.Weights) > 0
}

// framed are the pictures in the frame.
func (s *Studio) framed() []*picture {
	if s.shown != nil {
		return []*picture{s.shown}
	}
	return s.batch
}

// verdict shows what is known of the pictures in the frame.
func (s *Studio) verdict() {
	pictures := s.framed()
	s.showOdds(pictures)
	s.showScores(pictures)
	dom.Show(dom.Get("best"), (s.shown == nil || slices.Contains(s.batch, s.shown)) && s.scorable())
}

// showOdds tells in a card which inputs its own pulled against.
func (s *Studio) showOdds(pictures []*picture) {
	list := accord(pictures)
	for _, c := range s.cards {
		var parts []string
		for _, name := range []string{c.network, c.network + second} {
			others := s.calledAll(against(list, name))
			if len(others) == 0 {
				continue
			}
			who := "At odds"
			if name != c.network {
				who = called(name, s.bundle) + " is at odds"
			}
			parts = append(parts, fmt.Sprintf("%s with %s: they pull opposite ways.", who, List(others, "")))
		}
		if text := strings.Join(parts, " "); text != c.odds.Get("textContent").String() {
			dom.Text(c.odds, "%s", text)
		}
		dom.Show(c.odds, len(parts) > 0)
	}
}

// accord is how far inputs agreed, on average over pictures.
func accord(pictures []*picture) []recipe.Accord {
	var lists [][]recipe.Accord
	for _, p := range pictures {
		lists = append(lists, p.recipe.Verdict.Accord)
	}
	return together(lists)
}

// sayOdds tells everybody what the cards show of a run's pictures, behind what was
// said last.
func (s *Studio) sayOdds(pictures []*picture) {
	text := ""
	for _, m := range accord(pictures) {
		if m.Cosine <= opposed {
			text += " At odds: " + List(s.calledAll([]string{m.A, m.B}), "") + "."
		}
	}
	if text != "" {
		s.Say(dom.Get("status").Get("textContent").String() + text)
	}
}

func (s *Studio) calledAll(names []string) (out []string) {
	for _, name := range names {
		word := called(name, s.bundle)
		if !strings.HasSuffix(name, second) {
			word = "the " + word
		}
		out = append(out, word)
	}
	return out
}

// showScores fills the table of how well the pictures obey, where they were
// scored.
func (s *Studio) showScores(pictures []*picture) {
	pictures = slices.DeleteFunc(slices.Clone(pictures), func(p *picture) bool { return p.recipe.Verdict.Scores.Of == 0 })
	dom.Show(dom.Get("scores"), len(pictures) > 0)
	if len(pictures) == 0 {
		return
	}
	of := pictures[0].recipe.Verdict.Scores.Of
	dom.Text(dom.Get("scores-caption"), "How well it obeys, as the networks see it: the rank among %d, and by how much the input "+
		"makes the picture likelier (a logarithm; below 0 the input does not show). Compare only pictures of one run.", of)
	columns := slices.Sorted(maps.Keys(pictures[0].recipe.Verdict.Scores.By))
	head, body := dom.Get("scores-head"), dom.Get("scores-body")
	head.Set("textContent", "")
	body.Set("textContent", "")
	cell := func(tag, scope, text string) any {
		e := dom.New(tag, text)
		if scope != "" {
			e.Set("scope", scope)
		}
		return e
	}
	head.Call("append", cell("th", "col", "Picture"))
	for _, name := range columns {
		head.Call("append", cell("th", "col", capital(called(name, s.bundle))))
	}
	for _, p := range pictures {
		scores := p.recipe.Verdict.Scores
		row := dom.New("tr", "")
		row.Call("append", cell("th", "row", fmt.Sprintf("%s, seed %d", ordinal(scores.Rank), p.recipe.Seed)))
		for _, name := range columns {
			row.Call("append", cell("td", "", fmt.Sprintf("%s, %+.0f", ordinal(scores.By[name].Rank), scores.By[name].Lift)))
		}
		body.Call("append", row)
	}
}
