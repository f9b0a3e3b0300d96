//go:build js

package studio

import (
	"context"
	"errors"
	"fmt"
	"image"
	"strconv"
	"strings"
	"syscall/js"

	"github.com/mcdm/mcdm/engine"
	"github.com/mcdm/mcdm/ui/board"
	"github.com/mcdm/mcdm/ui/dom"
	"github.com/mcdm/mcdm/ui/recipe"
)

// picture is one that was made here or opened, with all that made it.
type picture struct {
	image     *image.RGBA
	recipe    recipe.Recipe
	influence map[string][]float32 // by network, summed over the steps seen

	large    *image.RGBA      // by the upscaler; nil: not yet
	upscaled *recipe.Upscaled // how

	id        string   // in the history; "" while it is in none
	favourite bool     // of the history
	stored    bool     // in the browser's storage
	button    js.Value // in the history's strip
}

// label says what the picture is, for those who do not see it.
func (p *picture) label(using []string) string {
	kind := "The portrait"
	if p.recipe.Unfinished {
		kind = "An unfinished picture"
	}
	return fmt.Sprintf("%s made from %s with seed %d", kind, List(using, "chance alone"), p.recipe.Seed)
}

// recipe reads the controls. The error says what of them cannot be used; the
// recipe then holds what it is at first.
func (s *Studio) recipe() (r recipe.Recipe, err error) {
	r.Bundle = recipe.Bundle{Name: s.bundle.Name, SHA256: s.bundleHash}
	r.Prompt = s.prompt.text()
	if text := s.not.text(); strings.TrimSpace(text) != "" {
		r.Not = recipe.Not{Text: text, Weight: value("not-weight")}
	}
	if s.board.HasSketch() {
		r.Sketch = s.board.Sketch()
	}
	if s.board.HasMask() {
		r.Mask = s.board.Mask()
		r.Labels = labelNames(s.board.Labels())
	}
	if s.board.HasColours() {
		r.Colours = s.board.Colours()
	}
	r.Networks = map[string]recipe.Input{}
	var wrong []error
	for _, c := range s.cards {
		r.Networks[c.network] = s.input(c)
		if _, _, err := c.window(); err != nil {
			wrong = append(wrong, err)
		}
	}
	whole := func(id string, least, most int) int {
		n, err := number(id, least, most)
		if err != nil {
			wrong = append(wrong, err)
			n, _ = strconv.Atoi(dom.Get(id).Get("defaultValue").String())
		}
		return n
	}
	r.Sampler.Name = dom.Get("sampler").Get("value").String()
	r.Sampler.Steps, r.Sampler.Corrector = whole("steps", 1, 1000), whole("corrector", 0, 10)
	if r.Sampler.Eta, err = strconv.ParseFloat(dom.Get("eta").Get("value").String(), 64); err != nil || r.Sampler.Eta < 0 || r.Sampler.Eta > 1 {
		r.Sampler.Eta = 0
		wrong = append(wrong, errors.New("Eta is a number from 0 to 1."))
	}
	if picture, part := s.start(); picture != nil {
		r.Image, r.Sampler.Start = picture, part
		if stepsRun(r.Sampler) == 0 {
			wrong = append(wrong, fmt.Errorf("With this start picture at least %d steps are needed. Take more, or let it change more.", stepsFor(1, part)))
		}
	}
	r.Seed = uint64(whole("seed", 0, recipe.MaxSeed-8)) // those of a batch of 8 are seeds, too
	if len(wrong) > 0 {
		return r, wrong[0]
	}
	return r, nil
}

// input is how a card's network counts.
func (s *Studio) input(c *card) recipe.Input {
	start, end, _ := c.window()
	return recipe.Input{On: c.on(), Weight: c.weight(), Start: start, End: end}
}

func labelNames(labels []board.Label) (names []string) {
	for _, l := range labels {
		names = append(names, l.Name)
	}
	return names
}

func number(id string, least, most int) (int, error) {
	n, err := strconv.Atoi(dom.Get(id).Get("value").String())
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%s is a whole number from %d to %d.", strings.ToUpper(id[:1])+id[1:], least, most)
	}
	return n, nil
}

// restore puts a recipe back into drawing, sentence and controls, and returns
// what of it does not fit, in words.
func (s *Studio) restore(r recipe.Recipe) (misfits []string) {
	mask, missing := r.MaskFor(labelNames(s.board.Labels()))
	if len(missing) > 0 {
		misfits = append(misfits, "These networks know no "+List(missing, "")+".")
	}
	var sketch, colours image.Image // a nil *image.Gray would not be nil
	if r.Sketch != nil {
		sketch = r.Sketch
	}
	if r.Colours != nil {
		colours = r.Colours
	}
	s.closeImport()
	s.board.Load(sketch, mask, colours)
	if r.Image != nil {
		s.startFrom(r.Image, "the picture that was given then", r.Sampler.Start)
	} else {
		s.startFrom(nil, "", usualStart)
	}
	s.restoreSentences(r)
	for _, c := range s.cards {
		in, ok := r.Networks[c.network]
		if !ok { // not one of those that made the picture
			in = recipe.Input{Weight: c.weight(), End: 1}
		}
		c.set(in)
	}
	for _, name := range recipe.Names(r) {
		if !s.hasCard(name) {
			misfits = append(misfits, "There is no network "+name+" here.")
		}
	}
	known := false
	options := dom.Get("sampler").Get("options")
	for i := range options.Length() {
		known = known || options.Index(i).Get("value").String() == r.Sampler.Name
	}
	if known {
		dom.Get("sampler").Set("value", r.Sampler.Name)
	} else {
		misfits = append(misfits, fmt.Sprintf("This page has no sampler %q.", r.Sampler.Name))
	}
	dom.Get("steps").Set("value", r.Sampler.Steps)
	s.untouched = false
	dom.Get("eta").Set("value", r.Sampler.Eta)
	dom.Get("corrector").Set("value", r.Sampler.Corrector)
	dom.Get("seed").Set("value", strconv.FormatUint(r.Seed, 10))
	s.ran = nil // the seed is the one that was wished for
	s.drawn()
	// No change that Live should answer: what is brought back is to be seen.
	s.fingerprint, s.liveAgain = s.mark(), false
	s.storeNow()
	return misfits
}

func (s *Studio) restoreSentences(r recipe.Recipe) {
	s.prompt.set(r.Prompt)
	weight := dom.Get("not-weight")
	if r.Not.Text == "" {
		weight.Set("value", weight.Get("defaultValue"))
	} else {
		weight.Set("value", r.Not.Weight)
		dom.Get("not-more").Set("open", true)
	}
	s.showNot()
	s.not.set(r.Not.Text)
}

func (s *Studio) hasCard(network string) bool {
	for _, c := range s.cards {
		if c.network == network {
			return true
		}
	}
	return false
}

// generate samples pictures from what is drawn, painted and typed, and keeps
// them in the history.
func (s *Studio) generate() {
	if dom.Get("generate").Get("disabled").Bool() {
		return // Enter in the sentence
	}
	if s.endLive(); s.busy() {
		return // another Enter came before
	}
	if s.importing != nil && checked("import-start") {
		s.useImport() // the board shows it
	}
	r, err := s.recipe()
	count := s.count()
	if err == nil && s.ran != nil && !pressed("lock") && s.ranCount == count && r.Same(*s.ran) {
		s.newSeed()              // who asks again for the same wants another
		s.fingerprint = s.mark() // no change that Live should answer
		r, err = s.recipe()
	}
	if err != nil {
		s.tell(err.Error())
		return
	}
	s.ran, s.ranCount = &r, count
	dom.Get("picture").Call("scrollIntoView", map[string]any{"block": "nearest"})
	made := s.sample(r, count)
	if len(made) == 0 || made[0].recipe.Unfinished {
		s.ran = nil // who asks again wants this one
	}
	s.keep(made)
	s.enlargeByItself(made...)
	s.sayOdds(made)
}

func (s *Studio) count() int {
	n, _ := strconv.Atoi(dom.Get("count").Get("value").String())
	return max(1, n)
}

// sample makes count pictures, with r's seed and those after it, and shows them
// as they form. Where none came out, what was there before is there again.
func (s *Studio) sample(r recipe.Recipe, count int) []*picture {
	q, using := request(r, s.bundle)
	q.Count = count
	q.Influence = s.shaping() != nil
	// A graphics card makes a step in little more time than reading back takes. Of the
	// few steps of a quick picture a glimpse may miss all that tell.
	q.Conflict, q.Glimpses = len(q.Weights) > 1, stepsRun(r.Sampler) > liveSteps
	was, shown := s.batch, s.shown
	var batch []*picture
	for n := range count {
		one := r
		one.Seed += uint64(n)
		one.Unfinished = true
		batch = append(batch, &picture{recipe: one})
	}
	s.batch = batch
	if count > 1 {
		s.showGrid()
	} else {
		s.showForming(batch[0])
	}
	finished := s.run.Generate(context.Background(), q, using)
	for i, p := range batch {
		p.recipe.Unfinished = i >= len(finished)
	}
	if batch[0].image == nil {
		s.batch, batch = was, nil
		if s.shown == nil || s.shown.image == nil { // no other one was chosen meanwhile
			s.shown = shown
		}
	}
	switch {
	case s.shown != nil:
		s.show(s.shown)
	case batch != nil:
		s.paint() // the grid stays as it is: one of its buttons may have the focus
	default:
		s.showGrid()
	}
	return batch
}

// Step implements Screen.
func (s *Studio) Step(p engine.Progress) {
	for i, q := range s.batch {
		if p.Step == 1 { // of a run that may have begun anew
			q.influence, q.recipe.Verdict = nil, recipe.Verdict{}
		}
		if i < len(p.Conflict) && telling(p, q.recipe.Sampler.Start) {
			q.recipe.Verdict.Accord = meet(q.recipe.Verdict.Accord, p.Conflict[i])
		}
		if len(p.Preview) > 0 {
			q.add(p.Influence, i)
		}
	}
	if len(p.Preview) > 0 {
		s.Pictures(p.Preview)
	}
}

// Pictures implements Screen.
func (s *Studio) Pictures(pictures []*image.RGBA) {
	for i, p := range pictures {
		if i < len(s.batch) {
			s.batch[i].image = p
		}
	}
	s.paint()
}

// describe gives the picture's canvas its words.
func (s *Studio) describe(text string) { dom.Get("picture").Call("setAttribute", "aria-label", text) }
