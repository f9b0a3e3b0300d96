package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/mcdm/mcdm/engine"
	"github.com/mcdm/mcdm/engine/gpu"
	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/weights/bundle"
)

// portrait is a held-out one.
type portrait struct {
	Seed    int       `json:"seed"` // of the dataset's builder
	Caption string    `json:"caption"`
	More    []caption `json:"more"` // a brief one
}

type caption struct {
	Caption string `json:"caption"`
}

// readPortraits lists a split, in the order of its seeds.
func readPortraits(folder string) (list []portrait, err error) {
	f, err := os.Open(filepath.Join(folder, "captions.jsonl"))
	if err != nil {
		return nil, fmt.Errorf("%w: build the held-out portraits first (make data)", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var p portrait
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", f.Name(), len(list)+1, err)
		}
		if len(p.More) == 0 {
			return nil, fmt.Errorf("%s: line %d has no brief caption: build the held-out portraits again (make data)", f.Name(), len(list)+1)
		}
		list = append(list, p)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: line %d: %w", f.Name(), len(list)+1, err)
	}
	slices.SortFunc(list, func(a, b portrait) int { return cmp.Compare(a.Seed, b.Seed) })
	return list, nil
}

// conditions reads what is taken of a portrait.
func (p portrait) conditions(folder string, take []string, brief bool) (c engine.Conditions, err error) {
	read := func(kind string) ([]byte, error) {
		return os.ReadFile(filepath.Join(folder, kind, fmt.Sprintf("%d.png", p.Seed)))
	}
	for _, what := range take {
		var data []byte
		switch what {
		case engine.Text:
			if c.Text = p.Caption; brief {
				c.Text = p.More[0].Caption
			}
			continue
		case engine.Sketch:
			if data, err = read("sketches"); err == nil {
				c.Sketch, err = engine.DecodePNG(data)
			}
		case engine.Mask:
			if data, err = read("masks"); err == nil {
				c.Mask, err = engine.DecodeMask(data)
			}
		case engine.Colour: // the engine takes the mean of each cell
			if data, err = read("pictures"); err == nil {
				c.Colour, err = engine.DecodePNG(data)
			}
		}
		if err != nil {
			return c, fmt.Errorf("the %s of portrait %d: %w", what, p.Seed, err)
		}
	}
	return c, nil
}

// run samples a plan.
type run struct {
	data, out string
	bundles   map[string]string // folder by role
	portraits []portrait
	found     *best // nil: no weights were found yet
	options   gpu.Options
	log       io.Writer

	models map[string]*engine.Model
}

// path is where a picture lies: seed counts from 0.
func (r *run) path(c *cell, portrait, seed int) string {
	return filepath.Join(r.out, c.folder(), fmt.Sprintf("%d-%d.png", r.portraits[portrait].Seed, seed))
}

// missing drops what is there from the front of a job; none is left where count is 0.
func (r *run) missing(j job) job {
	for j.count > 0 {
		if _, err := os.Stat(r.path(j.cell, j.portrait, j.seed)); err != nil {
			break
		}
		j.seed, j.count = j.seed+1, j.count-1
	}
	return j
}

// all samples the cells of the groups in only (none: of all) whose bundles are there.
func (r *run) all(ctx context.Context, cells []cell, only []string) error {
	r.models = map[string]*engine.Model{}
	defer func() {
		for _, m := range r.models {
			m.Release()
		}
	}()
	cells, err := r.present(cells)
	if err != nil {
		return err
	}
	if err := r.writeIndex(cells); err != nil {
		return err
	}
	if len(only) > 0 {
		cells = slices.DeleteFunc(cells, func(c cell) bool { return !slices.Contains(only, c.Group) })
	}
	var todo []job
	cost, pictures := 0, 0
	for _, j := range jobs(cells) {
		if j.portrait >= len(r.portraits) {
			return fmt.Errorf("%s has %d portraits, and the plan asks for number %d", r.data, len(r.portraits), j.portrait+1)
		}
		if j = r.missing(j); j.count > 0 {
			todo = append(todo, j)
			cost, pictures = cost+j.count*j.evaluations(), pictures+j.count
		}
	}
	fmt.Fprintf(r.log, "%d pictures to sample, %d evaluations\n", pictures, cost)
	start, done := time.Now(), 0
	for i, j := range todo {
		if j = r.missing(j); j.count == 0 { // another cell's pictures are the same
			continue
		}
		if err := r.sample(ctx, j); err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("stopped, the same command goes on from here: %w", context.Cause(ctx))
			}
			return fmt.Errorf("portrait %d, %s %v: %w", r.portraits[j.portrait].Seed, j.Group, j.Take, err)
		}
		done += j.count * j.evaluations()
		left := time.Duration(float64(time.Since(start)) * float64(cost-done) / float64(done))
		fmt.Fprintf(r.log, "%d/%d portrait %d %s %v %s %d x%d: %v left\n", i+1, len(todo), r.portraits[j.portrait].Seed,
			j.Group, j.Take, j.Sampler, j.Steps, j.count, left.Round(time.Second))
	}
	return nil
}

// present drops cells whose bundles, or a network of them, are missing and notes the
// sums of the others.
func (r *run) present(cells []cell) ([]cell, error) {
	type known struct{ sum, dtype string }
	found, manifests := map[string]known{}, map[string]*bundle.Manifest{}
	for role, folder := range r.bundles {
		data, err := os.ReadFile(filepath.Join(folder, bundle.ManifestName))
		if errors.Is(err, fs.ErrNotExist) && role != "merged" {
			fmt.Fprintf(r.log, "no %s bundle in %s: its columns stay empty\n", role, folder)
			continue
		}
		if err != nil {
			return nil, err
		}
		m, err := bundle.ParseManifest(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", folder, err)
		}
		found[role] = known{fmt.Sprintf("%x", sha256.Sum256(data)), m.DType}
		manifests[role] = m
	}
	if f, m := manifests["float"], manifests["merged"]; f != nil && !sameTraining(f, m) {
		fmt.Fprintf(r.log, "%s holds other networks than %s: its column stays empty\n", r.bundles["float"], r.bundles["merged"])
		delete(found, "float")
	}
	data, err := sumOfPortraits(r.data)
	if err != nil {
		return nil, err
	}
	stale := r.found != nil && (r.found.Bundle != found["merged"].sum || r.found.Data != data)
	if stale {
		fmt.Fprintf(r.log, "the best weights were found with another bundle than %s or on other portraits: search again (search.py); their columns stay empty\n", r.bundles["merged"])
	}
	var out []cell
	for _, c := range cells {
		if c.Group == "best" && stale {
			continue
		}
		if k, ok := found[c.Bundle]; ok && takes(manifests[c.Bundle], c.Take) {
			m := manifests[c.Bundle]
			c.SHA256, c.Networks, c.Data, c.DType, c.Trained = k.sum, sumOf(m, c.Take), data, k.dtype, seen(m, c.Take)
			out = append(out, c)
		}
	}
	return out, nil
}

// sumOfPortraits is a hash of all that conditions are read from.
func sumOfPortraits(folder string) (string, error) {
	h := sha256.New()
	for _, kind := range []string{"captions.jsonl", "sketches", "masks", "pictures"} {
		err := filepath.WalkDir(filepath.Join(folder, kind), func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			fmt.Fprintf(h, "%s/%s %x\n", kind, e.Name(), sha256.Sum256(data))
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

// sumOf is a hash of the networks that are run with the conditions: of all that the
// manifest says of them but for where their tensors lie, which changes with other
// networks, and of the shards that these lie in.
func sumOf(m *bundle.Manifest, conditions []string) string {
	h := sha256.New()
	var run []*bundle.Network
	for i, n := range m.Networks {
		if !runs(n, conditions) {
			continue
		}
		n.Tensors = nil
		if n.TextEncoder != nil {
			text := *n.TextEncoder
			text.Tensors, n.TextEncoder = nil, &text
		}
		if err := json.NewEncoder(h).Encode(n); err != nil {
			panic(err)
		}
		run = append(run, &m.Networks[i])
	}
	for _, i := range m.ShardsOf(run...) {
		fmt.Fprintln(h, m.Shards[i].SHA256)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// takes tells whether a bundle has a network for each of the conditions, or one for
// all of them.
func takes(m *bundle.Manifest, conditions []string) bool {
	var has []string
	for _, n := range m.Networks {
		has = append(has, n.Modality)
	}
	return slices.Contains(has, engine.Joint) ||
		!slices.ContainsFunc(conditions, func(c string) bool { return !slices.Contains(has, c) })
}

// sameTraining tells whether all networks of some are among those of all, by what
// their trainers wrote about each.
func sameTraining(some, all *bundle.Manifest) bool {
	for _, n := range some.Networks {
		if !slices.ContainsFunc(all.Networks, func(o bundle.Network) bool {
			return n.Modality == o.Modality && bytes.Equal(n.Training, o.Training)
		}) {
			return false
		}
	}
	return true
}

// seen is how many pictures the networks that are run have been trained on, those of
// the runs that they started from among them: once where several started from one, or
// from a network that is run.
func seen(m *bundle.Manifest, conditions []string) (pictures int) {
	type run struct {
		dataset string
		all     int // that it and those before it saw
	}
	own := map[run]int{}
	for _, n := range m.Networks {
		if !runs(n, conditions) {
			continue
		}
		all := 0
		for _, r := range slices.Backward(n.Runs()) {
			all += r.Seen
			key := run{r.Dataset, all}
			if known, ok := own[key]; !ok || r.Seen < known { // where one stands for several, another may list these
				own[key] = r.Seen
			}
		}
	}
	for _, n := range own {
		pictures += n
	}
	return pictures
}

// runs tells whether a network is run with the conditions.
func runs(n bundle.Network, conditions []string) bool {
	return n.Modality == engine.Unconditional || n.Modality == engine.Joint || slices.Contains(conditions, n.Modality)
}

// writeIndex tells the judges where the pictures of each cell lie.
func (r *run) writeIndex(cells []cell) error {
	type entry struct {
		Folder      string `json:"folder"`
		Evaluations int    `json:"evaluations"` // of networks, for a picture
		cell
	}
	var index []entry
	for _, c := range cells {
		index = append(index, entry{c.folder(), c.evaluations(), c})
	}
	data, err := json.MarshalIndent(index, "", " ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(r.out, "index.json"), data)
}

// sample makes the pictures of a job.
func (r *run) sample(ctx context.Context, j job) error {
	m, err := r.model(ctx, j.Bundle)
	if err != nil {
		return err
	}
	q := j.request()
	p := r.portraits[j.portrait]
	if q.Conditions, err = p.conditions(r.data, j.Take, j.Brief); err != nil {
		return err
	}
	// No two portraits share noise.
	q.Seed, q.Count = uint64(p.Seed)*1000+uint64(j.seed), j.count
	pictures, err := m.Sample(ctx, q, nil)
	if err != nil {
		return err
	}
	for i, picture := range pictures {
		var data bytes.Buffer
		if err := png.Encode(&data, opaque(picture)); err != nil {
			return err
		}
		if err := writeFile(r.path(j.cell, j.portrait, j.seed+i), data.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// opaque is the picture as three colours a pixel.
func opaque(picture *image.RGBA) image.Image {
	for i := 3; i < len(picture.Pix); i += 4 {
		picture.Pix[i] = 255
	}
	return picture
}

// model loads a bundle when it is first asked for.
func (r *run) model(ctx context.Context, role string) (*engine.Model, error) {
	if m := r.models[role]; m != nil {
		return m, nil
	}
	folder := r.bundles[role]
	b, err := bundle.Open(os.DirFS(folder))
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", folder, err)
	}
	d, err := gpu.Open(ctx, r.options)
	if err != nil {
		return nil, err
	}
	m, err := engine.Load(ctx, record.GPU(d), b, nil)
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", folder, err)
	}
	r.models[role] = m
	return m, nil
}
