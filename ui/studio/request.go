package studio

import (
	"fmt"
	"strings"

	"github.com/mcdm/mcdm/engine"
	"github.com/mcdm/mcdm/ui/recipe"
	"github.com/mcdm/mcdm/weights/bundle"
)

// names are what people call the modalities.
var names = map[string]string{engine.Sketch: "sketch", engine.Mask: "parts", engine.Text: "sentence", engine.Colour: "colours"}

// request is what a recipe asks of the bundle's networks; using names what it
// takes into account.
func request(r recipe.Recipe, m *bundle.Manifest) (q engine.Request, using []string) {
	q.Weights, q.Windows = map[string]float64{}, map[string]engine.Window{}
	for _, n := range m.Networks {
		in := r.Networks[n.Name]
		if !in.On || in.Weight == 0 {
			continue
		}
		switch {
		case n.Modality == engine.Sketch && r.Sketch != nil:
			q.Conditions.Sketch = r.Sketch
		case n.Modality == engine.Mask && r.Mask != nil:
			q.Conditions.Mask = r.Mask
		case n.Modality == engine.Colour && r.Colours != nil:
			q.Conditions.Colour = r.Colours
		case n.Modality == engine.Text && strings.TrimSpace(r.Prompt) != "":
			q.Conditions.Text = r.Prompt
		default:
			continue
		}
		q.Weights[n.Name] = in.Weight
		if in.Start > 0 || in.End < 1 {
			q.Windows[n.Name] = engine.Window{Start: in.Start, End: in.End}
		}
		using = append(using, names[n.Modality])
	}
	if r.Image != nil {
		q.Image, q.Sampler.Start = r.Image, r.Sampler.Start
		using = append(using, "the start picture")
	}
	q.Seed = r.Seed
	q.Sampler.Name, q.Sampler.Steps = r.Sampler.Name, r.Sampler.Steps
	q.Sampler.Eta, q.Sampler.Corrector = r.Sampler.Eta, r.Sampler.Corrector
	q.Sampler.ClippedEps = true
	return q, using
}

// differences tells in words what is not the same in two recipes, a's value
// first.
func differences(a, b recipe.Recipe) []string {
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
	for _, name := range recipe.Names(a, b) {
		x, y := a.Networks[name], b.Networks[name]
		compare(name, onOff(x.On), onOff(y.On))
		compare(name+"'s weight", x.Weight, y.Weight)
		compare(name+"'s window", percent(x), percent(y))
	}
	compare("sampler", a.Sampler.Name, b.Sampler.Name)
	compare("steps", a.Sampler.Steps, b.Sampler.Steps)
	compare("eta", a.Sampler.Eta, b.Sampler.Eta)
	compare("corrector steps", a.Sampler.Corrector, b.Sampler.Corrector)
	differ("other networks", a.Bundle == b.Bundle)
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
	return fmt.Sprintf("%.0f–%.0f%%", 100*n.Start, 100*n.End)
}
