package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine"
	"github.com/mcdm/mcdm/weights/bundle"
)

func TestPlanIsWhatWasAskedFor(t *testing.T) {
	full := scales["full"]
	count := map[string]int{}
	folders := map[string]string{}
	for _, c := range plan(full, &best{Weights: map[string]float64{"text": 1.5, "mask": 0.7}}) {
		count[c.Group]++
		if c.Group == "search" {
			assert.GreaterOrEqual(t, c.First, validation, "weights are searched on portraits that are not compared")
		} else {
			assert.LessOrEqual(t, c.First+c.Count, 100, "the judges' reference portraits are not sampled")
		}
		if c.Group == "best" {
			for name := range c.Weights {
				assert.Contains(t, c.Take, name)
			}
		}
		// Only the page's own weights are in two groups, for other portraits.
		if other, twice := folders[c.folder()]; twice {
			assert.Equal(t, []string{"search", "sampler"}, []string{other, c.Group})
		}
		folders[c.folder()] = c.Group
	}
	assert.Equal(t, map[string]int{"unit": 5, "single": 5, "joint": 4, "early": 1, "float": 1, "search": 12, "best": 4, "page": 2, "sampler": 5}, count)
	assert.ElementsMatch(t, groups, slices.Collect(maps.Keys(count)))
}

func TestWhatIsNoGroupIsRefused(t *testing.T) {
	c := command()
	c.SetArgs([]string{"--data", t.TempDir(), "--only", "unit,samplers"})
	assert.EqualError(t, c.Execute(), "--only samplers: want some of unit, single, joint, early, float, search, best, page, sampler")
}

// What cannot be read is not taken for the end.
func TestPortraitsAreReadToTheEnd(t *testing.T) {
	folder := t.TempDir()
	line := `{"seed": 9000000, "caption": "a face", "more": [{"caption": "hair"}]}` + "\n"
	write := func(text string) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, "captions.jsonl"), []byte(text), 0o644))
	}
	write(line + line)
	list, err := readPortraits(folder)
	require.NoError(t, err)
	assert.Len(t, list, 2)
	write(line + strings.Repeat(" ", bufio.MaxScanTokenSize) + line)
	_, err = readPortraits(folder)
	assert.ErrorContains(t, err, "captions.jsonl: line 2: ")
}

// The samplers are compared as the page samples.
func TestPageIsThePage(t *testing.T) {
	html, err := os.ReadFile("../../wasm/index.html")
	require.NoError(t, err)
	of := best{Weights: map[string]float64{}, Windows: map[string]engine.Window{}}
	for _, card := range regexp.MustCompile(`id="card-(\w+)" data-weight="([\d.]+)" .*data-end="(\d+)"`).FindAllStringSubmatch(string(html), -1) {
		weight, err := strconv.ParseFloat(card[2], 64)
		require.NoError(t, err)
		end, err := strconv.ParseFloat(card[3], 64)
		require.NoError(t, err)
		if weight != 1 {
			of.Weights[card[1]] = weight
		}
		if end != 100 {
			of.Windows[card[1]] = engine.Window{End: end / 100}
		}
	}
	assert.Equal(t, page, of)
}

func TestFolderNamesWhatDecidesThePictures(t *testing.T) {
	a := cell{Group: "unit", Take: []string{"sketch", "mask"}, Bundle: "merged", SHA256: "x", Networks: "n", Sampler: "ddim", Steps: 20, Count: 4, Seeds: 1}
	same := a
	same.SHA256, same.Trained = "y", 5 // of another network's training
	same.Group, same.Count, same.Seeds, same.Many, same.ManySeeds, same.Start, same.Pace = "sampler", 9, 2, 3, 8, 1, 2
	assert.Equal(t, a.folder(), same.folder(), "as many pictures as wanted")
	(&best{Weights: map[string]float64{"mask": 1}}).set(&same)
	assert.Equal(t, a.folder(), same.folder(), "a weight of 1 is the usual one")
	for name, change := range map[string]func(*cell){
		"networks":   func(c *cell) { c.Networks = "y" },
		"portraits":  func(c *cell) { c.Data = "y" },
		"steps":      func(c *cell) { c.Steps = 21 },
		"sentence":   func(c *cell) { c.Brief = true },
		"corrector":  func(c *cell) { c.Corrector = 1 },
		"conditions": func(c *cell) { c.Take = []string{"sketch", "text"} },
		"weights":    func(c *cell) { c.Weights = map[string]float64{"mask": 2} },
		"windows":    func(c *cell) { c.Windows = map[string]engine.Window{"mask": {End: .5}} },
	} {
		b := a
		change(&b)
		assert.NotEqual(t, a.folder(), b.folder(), name)
	}
}

// What another network learnt since does not ask for new pictures; what a network that
// is run learnt, or how it was rounded, does.
func TestSumIsOfTheNetworksThatRun(t *testing.T) {
	made := func(sums ...string) *bundle.Manifest {
		m := new(bundle.Manifest)
		for i, name := range []string{"none", "sketch", "text"} {
			m.Networks = append(m.Networks, bundle.Network{
				Name: name, Modality: name, Tensors: map[string]bundle.TensorRef{"w": {Parts: []bundle.Span{{Shard: i, Length: 4}}}},
			})
			m.Shards = append(m.Shards, bundle.Shard{SHA256: sums[i]})
		}
		return m
	}
	take := []string{"sketch"}
	sum := sumOf(made("a", "b", "c"), take)
	assert.Equal(t, sum, sumOf(made("a", "b", "other"), take))
	assert.NotEqual(t, sum, sumOf(made("a", "other", "c"), take))
	assert.NotEqual(t, sum, sumOf(made("other", "b", "c"), take))
	trained := made("a", "b", "c")
	trained.Networks[1].Training = []byte(`{"pictures_seen": 1}`)
	assert.NotEqual(t, sum, sumOf(trained, take))
	// Another network has more shards than it had: those behind it only have other numbers.
	moved := made("a", "b", "c")
	moved.Networks[1].TextEncoder = &bundle.TextEncoder{Tensors: map[string]bundle.TensorRef{"e": {Parts: []bundle.Span{{Shard: 1, Length: 4}}}}}
	sum = sumOf(moved, take)
	moved.Shards = slices.Insert(moved.Shards, 1, bundle.Shard{SHA256: "new"})
	for _, tensors := range []map[string]bundle.TensorRef{moved.Networks[1].Tensors, moved.Networks[1].TextEncoder.Tensors} {
		for _, ref := range tensors {
			ref.Parts[0].Shard++
		}
	}
	assert.Equal(t, sum, sumOf(moved, take))
	assert.NotNil(t, moved.Networks[1].TextEncoder.Tensors, "the manifest is left as it is")
}

// What several networks started from was learnt from once, whether all runs are listed
// or one stands for those before it.
func TestSeen(t *testing.T) {
	none, joint := `{"dataset": "none", "pictures_seen": 1000}, {"dataset": "none", "pictures_seen": 100}`, `{"dataset": "joint", "pictures_seen": 50000}`
	first := `{"dataset": "none", "pictures_seen": 1000, "started_from": {"dataset": "none", "pictures_seen": 100}}`
	of := func(trainings ...string) *bundle.Manifest {
		m := new(bundle.Manifest)
		for i, training := range trainings {
			m.Networks = append(m.Networks, bundle.Network{Modality: []string{"none", "sketch", "mask", "text", "colour", "voice"}[i], Training: []byte(training)})
		}
		return m
	}
	for name, m := range map[string]*bundle.Manifest{
		"sums": of(first,
			`{"dataset": "sketch", "pictures_seen": 20, "started_from": {"dataset": "none", "pictures_seen": 1100}}`,
			`{"dataset": "mask", "pictures_seen": 3, "started_from": {"dataset": "none", "pictures_seen": 1100}}`,
			`{"dataset": "text", "pictures_seen": 4, "started_from": `+joint+`}`,
			`{"dataset": "colour", "pictures_seen": 5, "started_from": `+joint+`}`,
			`"unknown"`),
		"lists": of(first,
			`{"dataset": "sketch", "pictures_seen": 20, "started_from": [`+none+`]}`,
			`{"dataset": "mask", "pictures_seen": 3, "started_from": [`+none+`]}`,
			`{"dataset": "text", "pictures_seen": 4, "started_from": [`+joint+`]}`,
			`{"dataset": "colour", "pictures_seen": 5, "started_from": [`+joint+`]}`,
			`"unknown"`),
	} {
		assert.Equal(t, 1100, seen(m, nil), name)
		assert.Equal(t, 1100+20+3, seen(m, []string{"sketch", "mask"}), name)
		assert.Equal(t, 1100+20+4+5+50000, seen(m, []string{"sketch", "text", "colour", "voice"}), name)
		assert.Equal(t, 20+1100, seen(&bundle.Manifest{Networks: m.Networks[1:]}, []string{"sketch"}), name)
	}
	// The last ones of two networks are other runs, and both began with the same two.
	m := of(first, `{"dataset": "sketch", "pictures_seen": 7, "started_from": [{"dataset": "sketch", "pictures_seen": 20}, `+none+`]}`,
		`{"dataset": "mask", "pictures_seen": 9, "started_from": [{"dataset": "mask", "pictures_seen": 3}, `+none+`]}`)
	assert.Equal(t, 7+20+9+3+1100, seen(m, []string{"sketch", "mask"}))
}

// The f32 bundle holds the networks that are compared, not all that are shipped.
func TestSameTraining(t *testing.T) {
	made := func(networks ...string) *bundle.Manifest {
		m := new(bundle.Manifest)
		for _, n := range networks {
			modality, pictures, _ := strings.Cut(n, " ")
			m.Networks = append(m.Networks, bundle.Network{Modality: modality, Training: []byte(pictures)})
		}
		return m
	}
	shipped := made("none 5", "sketch 4", "mask 3", "colour 2", "text 1")
	assert.True(t, sameTraining(made("none 5", "sketch 4", "mask 3", "text 1"), shipped))
	assert.True(t, sameTraining(made("text 1", "none 5"), shipped))
	assert.False(t, sameTraining(made("none 5", "text 2"), shipped))
	assert.False(t, sameTraining(made("none 5", "voice 1"), shipped))
}

// A word, a line or a pixel more, and they are other portraits.
func TestSumOfPortraits(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644))
	}
	for _, name := range []string{"captions.jsonl", "sketches/1.png", "masks/1.png", "pictures/1.png"} {
		write(name, "x")
	}
	last := ""
	for _, change := range []string{"captions.jsonl", "sketches/1.png", "masks/1.png", "pictures/1.png", "masks/2.png"} {
		write(change, "y")
		sum, err := sumOfPortraits(folder)
		require.NoError(t, err)
		assert.NotEqual(t, last, sum, change)
		last = sum
	}
	write("packed/ink.npy", "z") // made of them
	sum, err := sumOfPortraits(folder)
	require.NoError(t, err)
	assert.Equal(t, last, sum)
	_, err = sumOfPortraits(t.TempDir())
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// TestJobsGoRoundByPortrait: when the run is cut anywhere, cells with the same
// pace differ by one portrait at most; every picture is asked for once.
func TestJobsGoRoundByPortrait(t *testing.T) {
	cells := plan(scales["full"], nil)
	asked := map[*cell]map[[2]int]bool{}
	first := map[*cell]int{}
	for _, j := range jobs(cells) {
		if asked[j.cell] == nil {
			asked[j.cell] = map[[2]int]bool{}
		}
		require.LessOrEqual(t, j.count, atOnce)
		for s := range j.count {
			key := [2]int{j.portrait, j.seed + s}
			require.False(t, asked[j.cell][key], "asked for twice")
			asked[j.cell][key] = true
		}
		if j.Group != "unit" && j.Group != "single" && j.Group != "joint" {
			continue
		}
		if j.seed == 0 {
			first[j.cell]++
		}
		for i := range cells {
			if c := &cells[i]; (c.Group == "unit" || c.Group == "single") && c.Count == j.Count {
				require.LessOrEqual(t, first[j.cell], first[c]+1, "%v is ahead of %v", j.Take, c.Take)
			}
		}
	}
	for i := range cells {
		c := &cells[i]
		assert.Len(t, asked[c], c.Count*c.Seeds+c.Many*max(0, c.ManySeeds-c.Seeds), "%s %v", c.Group, c.Take)
	}
}

func TestEvaluations(t *testing.T) {
	assert.Equal(t, 4*20, (&cell{Bundle: "merged", Take: all, Steps: 20}).evaluations())
	assert.Equal(t, 20, (&cell{Bundle: "joint", Take: all, Steps: 20}).evaluations(), "one network")
	assert.Equal(t, 20, (&cell{Bundle: "merged", Take: all[:1], Steps: 20}).evaluations(), "with weight 1 the unconditional one is not run")
	assert.Equal(t, 4*39, (&cell{Bundle: "merged", Take: all, Steps: 20, Corrector: 1}).evaluations())
	half := map[string]engine.Window{"mask": {End: .5}, "text": {End: .5}}
	assert.Equal(t, 4*5+5, (&cell{Bundle: "merged", Take: all, Steps: 10, Windows: half}).evaluations(), "the sketch ends alone, with weight 1")
}

// TestResume samples nothing: it plans around pictures that are there.
func TestResume(t *testing.T) {
	r := run{out: t.TempDir(), portraits: make([]portrait, 3)}
	for i := range r.portraits {
		r.portraits[i].Seed = 9000000 + i
	}
	c := &cell{Take: all, Bundle: "merged", Sampler: "ddim", Steps: 5}
	j := job{cell: c, portrait: 1, seed: 1, count: 3}
	assert.Equal(t, j, r.missing(j))
	require.NoError(t, writeFile(r.path(c, 1, 1), nil))
	require.NoError(t, writeFile(r.path(c, 1, 2), nil))
	assert.Equal(t, job{cell: c, portrait: 1, seed: 3, count: 1}, r.missing(j))
	require.NoError(t, writeFile(r.path(c, 1, 3), nil))
	assert.Zero(t, r.missing(j).count)
	left, err := filepath.Glob(filepath.Join(r.out, "*", "*.part"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

// noPortraits is a split's folder with nothing in it.
func noPortraits(t *testing.T) string {
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "captions.jsonl"), nil, 0o644))
	for _, kind := range []string{"sketches", "masks", "pictures"} {
		require.NoError(t, os.Mkdir(filepath.Join(folder, kind), 0o755))
	}
	return folder
}

// Weights that were found for other networks are not sampled with.
func TestBestOfAnotherBundle(t *testing.T) {
	var log bytes.Buffer
	r := run{data: noPortraits(t), bundles: map[string]string{"merged": "../bundles/avatars"}, log: &log}
	best := func(sum, data string) int {
		r.found = &best{Bundle: sum, Data: data, Weights: map[string]float64{"text": 2}}
		cells, err := r.present(plan(scales["tiny"], r.found))
		require.NoError(t, err)
		return len(slices.DeleteFunc(cells, func(c cell) bool { return c.Group != "best" }))
	}
	data, err := sumOfPortraits(r.data)
	require.NoError(t, err)
	assert.Zero(t, best("another", data))
	assert.Contains(t, log.String(), "search again")
	manifest, err := os.ReadFile("../bundles/avatars/" + bundle.ManifestName)
	require.NoError(t, err)
	sum := fmt.Sprintf("%x", sha256.Sum256(manifest))
	assert.Zero(t, best(sum, "others"))
	assert.Equal(t, 4, best(sum, data))
}

func TestBundlesThatAreNotThere(t *testing.T) {
	var log bytes.Buffer
	r := run{data: noPortraits(t), bundles: map[string]string{"merged": "../bundles/avatars", "joint": t.TempDir()}, log: &log}
	cells, err := r.present(plan(scales["tiny"], nil))
	require.NoError(t, err)
	assert.Contains(t, log.String(), "no joint bundle in")
	for _, c := range cells {
		assert.Equal(t, "merged", c.Bundle)
		m := bundle.Manifest{Networks: []bundle.Network{{Modality: "none"}, {Modality: "sketch"}}}
		assert.Equal(t, slices.Equal(c.Take, []string{"sketch"}), takes(&m, c.Take))
		assert.Len(t, c.SHA256, 64)
		assert.Len(t, c.Data, 64)
		assert.Equal(t, "int8", c.DType)
	}
	r.bundles = map[string]string{"merged": t.TempDir()}
	_, err = r.present(cells)
	assert.ErrorIs(t, err, os.ErrNotExist)
	r = run{out: t.TempDir(), data: noPortraits(t), bundles: map[string]string{"merged": "../bundles/avatars"}, portraits: make([]portrait, 2), log: &log}
	assert.ErrorContains(t, r.all(context.Background(), plan(scales["tiny"], nil), nil), " has 2 portraits, and the plan asks for number")
}
