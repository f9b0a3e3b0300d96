package studio

import (
	"fmt"
	"math"
	"strings"

	"github.com/mcdm/mcdm/engine"
	"github.com/mcdm/mcdm/ui/recipe"
	"github.com/mcdm/mcdm/weights/bundle"
)

// names are what people call the modalities.
var names = map[string]string{engine.Sketch: "sketch", engine.Mask: "parts", engine.Text: "sentence", engine.Colour: "colours"}

// request is what a recipe asks of the bundle's networks; using names what it
// takes into account. The sentence that the picture shall not obey is the second
// of its network, whether there is a first or not.
func request(r recipe.Recipe, m *bundle.Manifest) (q engine.Request, using []string) {
	q.Weights, q.Windows = map[string]float64{}, map[string]engine.Window{}
	start := 0.
	if r.Image != nil {
		start = r.Sampler.Start
	}
	for _, n := range m.Networks {
		in := r.Networks[n.Name]
		if !in.On || over(in, start) {
			continue
		}
		give := func(name string, weight float64) {
			q.Weights[name] = weight
			if in.Start > 0 || in.End < 1 {
				q.Windows[name] = engine.Window{Start: in.Start, End: in.End}
			}
			using = append(using, called(name, m))
		}
		if in.Weight != 0 && put(&q.Conditions, n.Modality, r) {
			give(n.Name, in.Weight)
		}
		if n.Modality == engine.Text && r.Not.Text != "" && r.Not.Weight != 0 {
			q.Conditions.MoreTexts = []string{r.Not.Text}
			give(n.Name+second, -r.Not.Weight)
		}
	}
	if r.Image != nil {
		q.Image, q.Sampler.Start = r.Image, start
		using = append(using, "the start picture")
	}
	q.Seed = r.Seed
	q.Sampler.Name, q.Sampler.Steps = r.Sampler.Name, r.Sampler.Steps
	q.Sampler.Eta, q.Sampler.Corrector = r.Sampler.Eta, r.Sampler.Corrector
	q.Sampler.ClippedEps = true
	return q, using
}

// over tells whether a window ends before a run begins that leaves out the way up to
// start: what it is for does not count.
func over(in recipe.Input, start float64) bool { return start > 0 && in.End <= start }

// stepsRun is how many steps are left of a sampler's behind its start.
func stepsRun(s recipe.Sampler) int {
	return int((1-s.Start)*float64(s.Steps) + 1e-9) // 0.05 times 20 is 1
}

// stepsFor are the fewest steps of which n are left behind a start.
func stepsFor(n int, start float64) int { return int(math.Ceil(float64(n)/(1-start) - 1e-9)) }

// put gives the condition of a modality, and tells whether there is one.
func put(c *engine.Conditions, modality string, r recipe.Recipe) bool {
	switch {
	case modality == engine.Sketch && r.Sketch != nil:
		c.Sketch = r.Sketch
	case modality == engine.Mask && r.Mask != nil:
		c.Mask = r.Mask
	case modality == engine.Colour && r.Colours != nil:
		c.Colour = r.Colours
	case modality == engine.Text && strings.TrimSpace(r.Prompt) != "":
		c.Text = r.Prompt
	default:
		return false
	}
	return true
}

// second is how the engine names the second condition of a network, behind the
// network's name.
const second = ".2"

// called is what people call a condition, by its name in engine.Request.
func called(name string, m *bundle.Manifest) string {
	network, isNot := strings.CutSuffix(name, second)
	if isNot {
		return "“Not this”"
	}
	for _, n := range m.Networks {
		if n.Name == network && names[n.Modality] != "" {
			return names[n.Modality]
		}
	}
	return name
}

// differences tells in words what is not the same in two recipes, a's value
// first.
func differences(a, b recipe.Recipe, m *bundle.Manifest) []string {
	var out []string
	compare := func(what string, x, y any) {
		if x != y {
			out = append(out, fmt.Sprintf("%s: %v, %v", what, x, y))
		}
	}
	differ := func(what string, same bool) {
		if !same {
			out = append(out, what)
		}
	}
	compare("seed", a.Seed, b.Seed)
	differ("another sketch", recipe.SamePixels(a.Sketch, b.Sketch))
	differ("other parts", recipe.SamePixels(a.Mask, b.Mask))
	differ("other colours", recipe.SamePixels(a.Colours, b.Colours))
	differ("another start picture", recipe.SamePixels(a.Image, b.Image))
	compare("start", a.Sampler.Start, b.Sampler.Start)
	compare("sentence", quoted(a.Prompt), quoted(b.Prompt))
	compare("not this", quoted(a.Not.Text), quoted(b.Not.Text))
	if a.Not.Text != "" && b.Not.Text != "" {
		compare("weight of “not this”", a.Not.Weight, b.Not.Weight)
	}
	for _, name := range recipe.Names(a, b) {
		x, y, what := a.Networks[name], b.Networks[name], called(name, m)
		compare(what, onOff(x.On), onOff(y.On))
		compare("weight of the "+what, x.Weight, y.Weight)
		compare("window of the "+what, percent(x), percent(y))
	}
	compare("sampler", a.Sampler.Name, b.Sampler.Name)
	compare("steps", a.Sampler.Steps, b.Sampler.Steps)
	compare("eta", a.Sampler.Eta, b.Sampler.Eta)
	compare("corrector steps", a.Sampler.Corrector, b.Sampler.Corrector)
	differ("other networks", a.Bundle == b.Bundle)
	differ("one was stopped early", a.Unfinished == b.Unfinished)
	return out
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func quoted(s string) string {
	if s == "" {
		return "none"
	}
	return "“" + s + "”"
}

// percent is a window as people read it.
func percent(n recipe.Input) string {
	return fmt.Sprintf("%g–%g%%", inPercent(n.Start), inPercent(n.End))
}

// inPercent is a part of 1 in percent, without the noise of its last digits.
func inPercent(part float64) float64 { return math.Round(1e8*part) / 1e6 }
