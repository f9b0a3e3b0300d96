package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mcdm/mcdm/engine"
	"github.com/mcdm/mcdm/engine/sampler"
)

// cell is one way to sample, for many portraits: what report.py compares.
type cell struct {
	Group string   `json:"group"`
	Take  []string `json:"take"`            // the conditions that are given
	Brief bool     `json:"brief,omitempty"` // a sentence that says little
	// Bundle is a role: merged, early, float or joint; SHA256 is of its manifest, Networks of
	// what that says of those that are run, their shards' own sums among it.
	Bundle   string                   `json:"bundle"`
	SHA256   string                   `json:"sha256"`
	Networks string                   `json:"networks"`
	Data     string                   `json:"data,omitempty"` // SHA-256 of the held-out portraits
	DType    string                   `json:"dtype"`
	Trained  int                      `json:"trained,omitempty"` // pictures that these networks have seen
	Weights  map[string]float64       `json:"weights,omitempty"`
	Windows  map[string]engine.Window `json:"windows,omitempty"`
	Sampler  string                   `json:"sampler"`
	Steps    int                      `json:"steps"`
	// Corrector steps at every level after the first.
	Corrector int `json:"corrector,omitempty"`

	// Portraits First to First+Count-1 of the held-out ones, with Seeds pictures
	// each, and ManySeeds of the first Many.
	First     int `json:"first"`
	Count     int `json:"count"`
	Seeds     int `json:"seeds"`
	Many      int `json:"many,omitempty"`
	ManySeeds int `json:"many_seeds,omitempty"`

	// In what order: portrait i's turn is Start + Pace*i, and lower turns come first.
	Start float64 `json:"-"`
	Pace  float64 `json:"-"`
}

// best is what search.py found on the validation portraits.
type best struct {
	Bundle  string                   `json:"bundle"` // whose manifest has this SHA-256
	Data    string                   `json:"data"`   // as in a cell
	Weights map[string]float64       `json:"weights"`
	Windows map[string]engine.Window `json:"windows"`
}

// scale is how much is sampled.
type scale struct {
	portraits, many, manySeeds int // of the main comparison
	steps                      int
	searched                   int // validation portraits
	budgets                    []budget
}

// budget is how often all networks are evaluated in the samplers' comparison, and on
// how many portraits, with two seeds each.
type budget struct{ evaluations, portraits int }

var scales = map[string]scale{
	"full": {portraits: 100, many: 25, manySeeds: 8, steps: 20, searched: 16, budgets: []budget{{10, 24}}},
	"tiny": {portraits: 4, many: 1, manySeeds: 2, steps: 5, searched: 1, budgets: []budget{{4, 1}}},
}

// Validation portraits are those from this one on. Below it the first are compared, and the judge is examined on the
// others (judges.py).
const validation = 400

var (
	all          = []string{engine.Sketch, engine.Mask, engine.Text}
	combinations = [][]string{
		{engine.Sketch, engine.Mask}, {engine.Text, engine.Mask}, {engine.Text, engine.Sketch}, all,
	}
	// Added afterwards to the bundle, with none of the other networks touched.
	added = [][]string{{engine.Colour}, everything}

	everything = []string{engine.Sketch, engine.Mask, engine.Text, engine.Colour}
)

// groups are those of plan.
var groups = []string{"unit", "single", "joint", "early", "float", "search", "best", "page", "sampler"}

// plan lists the cells in the order in which they take turns.
func plan(s scale, found *best) []cell {
	var cells []cell
	add := func(group, bundle string, take []string, set func(*cell)) {
		c := cell{
			Group: group, Take: take, Bundle: bundle, Sampler: "ddim", Steps: s.steps,
			Count: s.portraits, Seeds: 1, Pace: 1,
		}
		if set != nil {
			set(&c)
		}
		cells = append(cells, c)
	}
	// Variety is measured where all conditions are given.
	varied := func(c *cell) {
		if len(c.Take) == len(all) {
			c.Many, c.ManySeeds = s.many, s.manySeeds
		}
	}
	for _, take := range combinations {
		add("unit", "merged", take, varied)
	}
	for _, one := range all {
		add("single", "merged", []string{one}, nil)
	}
	add("single", "merged", []string{engine.Text}, func(c *cell) { c.Brief = true })
	for _, take := range added {
		group := "unit"
		if len(take) == 1 {
			group = "single"
		}
		add(group, "merged", take, nil)
	}
	for _, take := range combinations {
		add("joint", "joint", take, varied)
	}
	add("early", "early", all, nil)
	add("float", "float", all, func(c *cell) { c.Count = (s.portraits + 1) / 2 })
	for _, w := range searched(all) {
		add("search", "merged", all, func(c *cell) {
			c.Weights, c.Windows = w.Weights, w.Windows
			c.Steps = max(5, s.steps/2)
			c.First, c.Count = validation, s.searched
			c.Start, c.Pace = 3, 2
		})
	}
	if found != nil {
		for _, take := range combinations {
			add("best", "merged", take, found.set)
		}
	}
	for _, take := range [][]string{all, everything} {
		add("page", "merged", take, page.set)
	}
	for _, b := range s.budgets {
		for _, o := range compared {
			add("sampler", "merged", all, func(c *cell) {
				c.Sampler, c.Corrector = o.Name, o.Corrector
				page.set(c)
				c.Steps = (b.evaluations + o.Corrector) / (o.Corrector + 1)
				c.Count, c.Seeds = b.portraits, 2
				c.Start, c.Pace = 5+float64(b.evaluations)/10, 80/float64(b.portraits)
			})
		}
	}
	return cells
}

// compared are the samplers that are given equal numbers of evaluations.
var compared = []sampler.Options{
	{Name: "ddim"}, {Name: "ddpm"}, {Name: "dpmsolver++"}, {Name: "sde-dpmsolver++"}, {Name: "ddpm", Corrector: 1},
}

// page is how the page samples unless it is told otherwise (data-weight and data-end
// in wasm/index.html).
var page = best{
	Weights: map[string]float64{engine.Text: 2},
	Windows: map[string]engine.Window{engine.Mask: {End: .8}, engine.Text: {End: .7}, engine.Colour: {End: .7}},
}

// set gives a cell what is of the conditions that it takes. A weight of 1 is none: such
// cells share the paper's pictures.
func (b *best) set(c *cell) {
	c.Weights, c.Windows = among(c.Take, b.Weights), among(c.Take, b.Windows)
	maps.DeleteFunc(c.Weights, func(_ string, w float64) bool { return w == 1 })
}

// searched are the weights among which the best ones are looked for: the text's,
// and how early it and the parts let go.
func searched(take []string) (list []best) {
	for _, text := range []float64{1, 2, 3} {
		for _, end := range []struct{ mask, text float64 }{{1, 1}, {.85, .85}, {.8, .7}, {.7, .6}} {
			b := best{Weights: map[string]float64{engine.Text: text}}
			if end.text < 1 {
				b.Windows = map[string]engine.Window{engine.Mask: {End: end.mask}, engine.Text: {End: end.text}}
			}
			b.Weights = among(take, b.Weights)
			list = append(list, b)
		}
	}
	return list
}

func among[T any](take []string, of map[string]T) map[string]T {
	out := map[string]T{}
	for _, name := range take {
		if v, ok := of[name]; ok {
			out[name] = v
		}
	}
	return out
}

// folder names a cell by everything that decides its pictures, so that whatever
// changes is sampled anew. How many pictures there are does not decide them, nor do
// networks of the bundle that are not run.
func (c cell) folder() string {
	c.SHA256, c.Group, c.Trained, c.First, c.Count, c.Seeds, c.Many, c.ManySeeds = "", "", 0, 0, 0, 0, 0, 0
	data, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	short := make([]string, len(c.Take))
	for i, t := range c.Take {
		short[i] = t[:1]
	}
	name := fmt.Sprintf("%s-%s-%s%d", c.Bundle, strings.Join(short, ""), c.Sampler, c.Steps)
	return fmt.Sprintf("%s-%x", name, sha256.Sum256(data))[:len(name)+13]
}

// request asks for what the cell samples, but for the portrait and the seed.
func (c cell) request() engine.Request {
	return engine.Request{
		Weights: c.Weights, Windows: c.Windows,
		Sampler: sampler.Options{Name: c.Sampler, Steps: c.Steps, Corrector: c.Corrector, ClippedEps: true},
	}
}

// schedule is that of the bundles that are compared.
var schedule = func() *sampler.Schedule {
	s, err := sampler.NewSchedule(1000, 1e-4, .02)
	if err != nil {
		panic(err)
	}
	return s
}()

// evaluations of all networks that a picture costs: those without weight in a step
// are not run.
func (c cell) evaluations() int {
	steps, err := c.request().Sampler.StepsOf(schedule)
	if err != nil {
		panic(err)
	}
	if c.Bundle == "joint" {
		return len(steps)
	}
	n := 0
	for _, s := range steps {
		var weights []float64
		for _, name := range c.Take {
			w, given := c.Weights[name]
			if !given {
				w = 1
			}
			if window, given := c.Windows[name]; given && !window.Open(schedule, s.T) {
				w = 0
			}
			weights = append(weights, w)
		}
		for _, w := range sampler.Merge(weights) {
			if w != 0 {
				n++
			}
		}
	}
	return n
}

// job is a few pictures of one portrait, made in one run.
type job struct {
	*cell
	portrait, seed, count int // seed counts from 0
	turn                  float64
}

// atOnce is how many pictures share launches.
const atOnce = 4

// jobs lists everything that a plan asks for, in the order of the turns: a first
// seed of every cell's first portrait before a second portrait, so that whatever
// is there when the run is cut compares the same portraits.
func jobs(cells []cell) (list []job) {
	for i := range cells {
		c := &cells[i]
		for p := range c.Count {
			turn := c.Start + c.Pace*float64(p)
			list = append(list, job{c, c.First + p, 0, c.Seeds, turn})
			if p >= c.Many {
				continue
			}
			later := c.Start + float64(c.Count)/float64(max(c.Many, 1))*float64(p+1)
			for seed := c.Seeds; seed < c.ManySeeds; seed += atOnce {
				list = append(list, job{c, c.First + p, seed, min(atOnce, c.ManySeeds-seed), later})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b job) int { return cmp.Compare(a.turn, b.turn) })
	return list
}
