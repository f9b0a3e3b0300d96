package pack

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mcdm/mcdm/weights/bundle"
	"github.com/mcdm/mcdm/weights/safetensors"
	"github.com/mcdm/mcdm/weights/textencoder"
	"github.com/mcdm/mcdm/weights/unet"
)

// Source is one network to import: the folder that diffusers' save_pretrained
// wrote (config.json and safetensors), with the trainer's mcdm.json and
// text_encoder/ where it has them.
type Source struct{ Name, Folder string }

// Options say what to import.
type Options struct {
	Name     string // of the bundle
	DType    string // one of bundle.DTypes
	Terms    string // licence; empty: the terms that the trainer noted
	DataCard string // plain text
	Networks []Source
	Upscaler *Source // nil: none

	// Keep is a bundle whose networks are taken over as they are, and its upscaler,
	// but for those that Networks and Upscaler replace; nil: there is none. Where Terms
	// or DataCard is empty, its own is taken over too.
	Keep *bundle.Bundle

	// Megabytes (of 10^6 bytes) is the most that all files of an int8 bundle may
	// have together; 0: each weight that is imported takes a byte.
	Megabytes float64
}

// Loss is what quantization did to one tensor.
type Loss struct {
	Tensor string
	RMS    float64 // relative: RelativeRMS
}

// Report says what became of one network.
type Report struct {
	Network    string
	Modality   string
	Parameters int
	Bytes      int    // of the tensors' values and scales
	Kept       bool   // taken over from Options.Keep
	Losses     []Loss // worst first; of a kept one none

	// Assumed is the schedule and prediction type that was taken, where no file
	// says what the network was trained with; "": one does.
	Assumed string
}

// Import reads diffusers folders and returns the bundle's files.
func Import(o Options) (Files, []Report, error) {
	if !bundle.ValidName.MatchString(o.Name) {
		return nil, nil, fmt.Errorf("name of the bundle %q: want %s: give another --name", o.Name, bundle.ValidName)
	}
	if !slices.Contains(bundle.DTypes, o.DType) {
		return nil, nil, fmt.Errorf("dtype %q: want one of %s", o.DType, strings.Join(bundle.DTypes, ", "))
	}
	if len(o.Networks) == 0 && (o.Keep == nil || o.Upscaler == nil) {
		return nil, nil, errors.New("no networks to import: give at least one --network NAME=FOLDER")
	}
	if o.Megabytes != 0 && (o.DType != "int8" || !(o.Megabytes > 0 && o.Megabytes < 1e6)) {
		return nil, nil, fmt.Errorf("%g megabytes of %s: want a positive size, and int8", o.Megabytes, o.DType)
	}
	m := &bundle.Manifest{Name: o.Name, DType: o.DType, Terms: o.Terms, DataCard: o.DataCard}
	if o.Keep != nil {
		kept := o.Keep.Manifest
		if kept.DType != o.DType {
			return nil, nil, fmt.Errorf("the bundle to keep networks of is %s, and %s is asked for: import all networks, or as %s", kept.DType, o.DType, kept.DType)
		}
		m.Networks, m.Upscaler = slices.Clone(kept.Networks), kept.Upscaler
		m.DataCard = cmp.Or(m.DataCard, kept.DataCard)
	}
	weights, assumed := map[string][]stored{}, map[string]string{}
	sources := o.Networks
	if o.Upscaler != nil {
		sources = append(slices.Clone(sources), *o.Upscaler)
	}
	var imported []*bundle.Network
	for i, s := range sources {
		if !bundle.ValidName.MatchString(s.Name) {
			return nil, nil, fmt.Errorf("network name %q: want %s", s.Name, bundle.ValidName)
		}
		if _, twice := weights[s.Name]; twice {
			return nil, nil, fmt.Errorf("two networks are named %q", s.Name)
		}
		n, w, err := importNetwork(s, assumed)
		if err != nil {
			return nil, nil, fmt.Errorf("network %q: %w", s.Name, err)
		}
		if i == len(o.Networks) {
			m.Upscaler = n
		} else if at := slices.IndexFunc(m.Networks, func(k bundle.Network) bool { return k.Name == s.Name }); at >= 0 {
			m.Networks[at] = *n
		} else {
			m.Networks = append(m.Networks, *n)
		}
		imported, weights[s.Name] = append(imported, n), w
	}
	slices.SortStableFunc(m.Networks, func(a, b bundle.Network) int {
		return cmp.Compare(b2i(a.Modality != bundle.Unconditional), b2i(b.Modality != bundle.Unconditional))
	})
	if slices.ContainsFunc(m.Networks, func(n bundle.Network) bool { return weights[n.Name] == nil }) {
		m.Diffusion = o.Keep.Manifest.Diffusion
	} else {
		m.Diffusion = *m.Networks[0].Diffusion
	}
	if m.Terms == "" {
		if o.Keep != nil {
			m.Terms = o.Keep.Manifest.Terms
		}
		m.Terms = joinTerms(m.Terms, imported)
	}
	if err := checkTerms(m); err != nil {
		return nil, nil, err
	}
	kept, err := keep(o.Keep, m, weights)
	if err != nil {
		return nil, nil, err
	}
	coarseness := 0.0
	if o.Megabytes > 0 {
		largest := 0
		for _, tensors := range weights {
			for _, w := range tensors {
				largest = max(largest, len(w.values))
			}
		}
		if coarseness, err = fit(int(o.Megabytes*1e6), largest, func(c float64) (Files, error) {
			files, _, err := encodeAll(m, weights, kept, o, c)
			return files, err
		}); err != nil {
			return nil, nil, err
		}
	}
	files, reports, err := encodeAll(m, weights, kept, o, coarseness)
	for i, r := range reports {
		reports[i].Assumed = assumed[r.Network]
	}
	return files, reports, err
}

// keep reads the tensors of the manifest's networks that are not imported, by network,
// as the bundle stores them: their shards come out as they were.
func keep(b *bundle.Bundle, m *bundle.Manifest, imported map[string][]stored) (map[string][]bundle.Tensor, error) {
	kept := map[string][]bundle.Tensor{}
	for _, n := range m.All() {
		if _, ok := imported[n.Name]; ok {
			continue
		}
		names := slices.Collect(maps.Keys(n.Tensors))
		if n.TextEncoder != nil {
			names = slices.AppendSeq(names, maps.Keys(n.TextEncoder.Tensors))
		}
		for _, name := range names {
			t, err := b.Tensor(n, name)
			if err != nil {
				return nil, fmt.Errorf("--keep: %w", err)
			}
			if ref, _ := n.Tensor(name); ref.DType == bundle.Coded {
				t = code(t)
			}
			kept[n.Name] = append(kept[n.Name], t)
		}
	}
	return kept, nil
}

// encodeAll quantizes the weights of the imported networks and encodes the bundle, the
// tensors of the kept ones as they are.
func encodeAll(m *bundle.Manifest, weights map[string][]stored, kept map[string][]bundle.Tensor, o Options, coarseness float64) (Files, []Report, error) {
	tensors := maps.Clone(kept)
	var reports []Report
	for _, n := range m.All() {
		r := Report{Network: n.Name, Modality: n.Modality}
		_, r.Kept = kept[n.Name]
		for _, t := range kept[n.Name] {
			r.count(t)
		}
		for _, w := range weights[n.Name] {
			t, err := quantize(w.name, w.shape, w.values, o.DType, coarseness)
			if err != nil {
				return nil, nil, fmt.Errorf("network %q: %w", n.Name, err)
			}
			r.Losses = append(r.Losses, Loss{w.name, RelativeRMS(t.Float32(), w.values)})
			if o.Megabytes > 0 {
				t = code(t)
			}
			r.count(t)
			tensors[n.Name] = append(tensors[n.Name], t)
		}
		slices.SortStableFunc(r.Losses, func(a, b Loss) int { return cmp.Compare(b.RMS, a.RMS) })
		reports = append(reports, r)
	}
	files, err := Encode(m, tensors)
	return files, reports, err
}

func (r *Report) count(t bundle.Tensor) {
	r.Parameters += t.Elements()
	r.Bytes += len(t.Data) + 4*len(t.Scale)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// importNetwork also notes what it assumed by the network's name.
func importNetwork(s Source, assumed map[string]string) (*bundle.Network, []stored, error) {
	config, err := readConfig(s.Folder)
	if err != nil {
		return nil, nil, err
	}
	c, err := unet.Parse(config)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", s.Folder, err)
	}
	f, err := readFacts(s.Folder, c)
	if err != nil {
		return nil, nil, err
	}
	assumed[s.Name] = f.assumed
	r2 := f.PixelUnshuffle * f.PixelUnshuffle
	if f.PixelUnshuffle < 1 || f.PixelUnshuffle > 64 || c.OutChannels%r2 != 0 {
		return nil, nil, fmt.Errorf("%s: pixel_unshuffle = %d does not fit out_channels = %d", s.Folder, f.PixelUnshuffle, c.OutChannels)
	}
	n := &bundle.Network{
		Name: s.Name, Modality: f.Modality, ConditionChannels: f.ConditionChannels,
		Labels: labels(f.Labels), Grid: f.Grid, Config: config,
		Diffusion: &bundle.Diffusion{
			ImageSize: f.ImageSize, Channels: c.OutChannels / r2, PixelRange: [2]float64{-1, 1},
			PixelUnshuffle: f.PixelUnshuffle, Schedule: f.Schedule, PredictionType: f.PredictionType,
		},
	}
	if err := n.Diffusion.Check(); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", s.Folder, err)
	}
	if len(f.Training) > 0 {
		var b bytes.Buffer
		if err := json.Compact(&b, f.Training); err != nil {
			return nil, nil, err
		}
		n.Training = b.Bytes()
	}
	weights, err := readWeights(s.Folder, "diffusion_pytorch_model", "model")
	if err != nil {
		return nil, nil, err
	}
	tensors, err := take(weights, c.Tensors())
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", s.Folder, err)
	}
	text, more, err := importText(filepath.Join(s.Folder, "text_encoder"))
	if err != nil {
		return nil, nil, err
	}
	n.TextEncoder = text
	return n, append(tensors, more...), nil
}

func importText(folder string) (*bundle.TextEncoder, []stored, error) {
	if !exists(folder) {
		return nil, nil, nil
	}
	config, err := readConfig(folder)
	if err != nil {
		return nil, nil, err
	}
	c, err := textencoder.Parse(config)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", folder, err)
	}
	vocabulary, err := os.ReadFile(filepath.Join(folder, "vocab.txt"))
	if err != nil {
		return nil, nil, err
	}
	weights, err := readWeights(folder, "model", "diffusion_pytorch_model")
	if err != nil {
		return nil, nil, err
	}
	tensors, err := take(weights, c.Tensors())
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", folder, err)
	}
	return &bundle.TextEncoder{Config: config, Encoder: c, Vocabulary: strings.Fields(string(vocabulary))}, tensors, nil
}

// stored is a tensor as a checkpoint has it.
type stored struct {
	name   string
	shape  []int
	values []float32
}

// take takes exactly the wanted tensors from a checkpoint. Integer tensors beside
// them (position_ids) are buffers, not weights, and are left out.
func take(file safetensors.File, want map[string][]int) ([]stored, error) {
	canonical := map[string]string{}
	for _, name := range file.Names() {
		to := unet.CanonicalName(name)
		if old, twice := canonical[to]; twice {
			return nil, fmt.Errorf("tensors %q and %q are the same one", old, name)
		}
		canonical[to] = name
		if _, ok := want[to]; !ok && file[name].DType != "I64" {
			return nil, fmt.Errorf("tensor %q does not belong to the network of config.json", name)
		}
	}
	var tensors []stored
	for _, name := range slices.Sorted(maps.Keys(want)) {
		old, ok := canonical[name]
		if !ok {
			return nil, fmt.Errorf("tensor %q is missing: config.json and weights are not of one network", name)
		}
		values, shape, err := file.Float32(old)
		if err != nil {
			return nil, err
		}
		if !slices.Equal(shape, want[name]) {
			return nil, fmt.Errorf("tensor %q has shape %v, but config.json asks for %v", old, shape, want[name])
		}
		tensors = append(tensors, stored{name, shape, values})
	}
	return tensors, nil
}

// joinTerms adds to terms those that the networks' trainers noted, but for what is
// among them.
func joinTerms(terms string, networks []*bundle.Network) string {
	for _, n := range networks {
		var t string
		if runs := n.Runs(); len(runs) > 0 {
			t = runs[0].Terms
		}
		switch {
		case terms == "":
			terms = t
		case t != "" && !strings.Contains("; "+terms+"; ", "; "+t+"; "):
			terms += "; " + t
		}
	}
	return terms
}

// checkTerms refuses to call a network CC0 whose trainer noted other terms, such as
// those of photos, or which started from such a one.
func checkTerms(m *bundle.Manifest) error {
	if !strings.HasPrefix(m.Terms, "CC0") {
		return nil
	}
	for _, n := range m.All() {
		for _, r := range n.Runs() {
			if r.Terms != "" && !strings.HasPrefix(r.Terms, "CC0") {
				return fmt.Errorf("network %q: its trainer noted the terms %q, so those of the bundle cannot be %q", n.Name, r.Terms, m.Terms)
			}
		}
	}
	return nil
}
