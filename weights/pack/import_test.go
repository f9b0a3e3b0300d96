package pack

import (
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/weights/bundle"
	"github.com/mcdm/mcdm/weights/safetensors"
)

func TestImportRoundTrip(t *testing.T) {
	o := five(t)
	for _, dtype := range bundle.DTypes {
		t.Run(dtype, func(t *testing.T) {
			o.DType = dtype
			files, reports, err := Import(o)
			require.NoError(t, err)
			require.Len(t, reports, 5)
			require.NoError(t, Verify(mapFS(files)))
			b, err := bundle.Open(mapFS(files))
			require.NoError(t, err)
			m := b.Manifest
			require.Equal(t, "none", m.Networks[0].Name, "the unconditional network comes first")
			require.Equal(t, "CC0-1.0", m.Terms)
			require.Equal(t, 16, m.Diffusion.ImageSize)
			require.Equal(t, 12, m.Diffusion.LatentChannels())
			require.Equal(t, 8, m.Diffusion.GridSize())
			require.Equal(t, []bundle.Label{{Name: "background", Color: "#7fb2d9"}, {Name: "hair", Color: "#6b4226"}, {Name: "tail", Color: m.Network("mask").Labels[2].Color}}, m.Network("mask").Labels)
			require.Equal(t, 4, m.Network("colour").Grid)
			require.Equal(t, []string{"<pad>", "<unk>", "red", "hair"}, m.Network("text").TextEncoder.Vocabulary)
			require.NotContains(t, string(files[bundle.ManifestName]), "/home/someone")
			require.Equal(t, m.Network("none"), m.Unconditional())
			require.Nil(t, m.Network("depth"))
			for _, s := range o.Networks {
				checkValues(t, b, m.Network(s.Name), s.Folder, dtype)
			}
		})
	}
}

// checkValues compares every tensor with the folder it came from.
func checkValues(t *testing.T, b *bundle.Bundle, n *bundle.Network, folder, dtype string) {
	t.Helper()
	stored, err := safetensors.ReadFile(filepath.Join(folder, "diffusion_pytorch_model.safetensors"))
	require.NoError(t, err)
	if n.TextEncoder != nil {
		more, err := safetensors.ReadFile(filepath.Join(folder, "text_encoder", "model.safetensors"))
		require.NoError(t, err)
		for name, v := range more {
			stored[name] = v
		}
	}
	for _, name := range stored.Names() {
		if stored[name].DType == "I64" {
			continue
		}
		want, shape, err := stored.Float32(name)
		require.NoError(t, err)
		got, err := b.Tensor(n, name)
		require.NoError(t, err)
		require.Equal(t, shape, got.Shape, name)
		values := got.Float32()
		require.Len(t, values, len(want), name)
		wantType := map[string]string{"int8": "I8", "f16": "F16", "f32": "F32"}[dtype]
		switch {
		case len(shape) == 1:
			wantType = "F32"
		case dtype == "int8" && strings.Contains(name, "embeddings"):
			wantType = "F16"
		}
		require.Equal(t, wantType, got.DType, name)
		for i := range want {
			bound := 0.0
			switch got.DType {
			case "I8":
				bound = float64(got.Scale[i/(len(want)/shape[0])]) / 2 * 1.0001
			case "F16":
				bound = math.Abs(float64(want[i]))/2048 + 1e-7
			}
			if e := math.Abs(float64(want[i]) - float64(values[i])); !(e <= bound) {
				require.Failf(t, "too far", "%s[%d]: got %v, want %v (tol %v)", name, i, values[i], want[i], bound)
			}
		}
	}
}

func TestImportIsReproducible(t *testing.T) {
	o := five(t)
	a, _, err := Import(o)
	require.NoError(t, err)
	// A trainer on Windows ends lines otherwise.
	text := o.Networks[slices.IndexFunc(o.Networks, func(s Source) bool { return s.Name == "text" })].Folder
	require.NoError(t, os.WriteFile(filepath.Join(text, "text_encoder", "vocab.txt"), []byte("<pad>\r\n<unk>\r\nred\r\nhair\r\n"), 0o600))
	b, _, err := Import(o)
	require.NoError(t, err)
	require.Equal(t, a, b)
}

// Large tensors are cut, small ones share shards, and no shard is too large.
func TestShards(t *testing.T) {
	dir := t.TempDir()
	c := plain(0)
	c["block_out_channels"] = []int{16, 64}
	c["time_embedding_dim"] = 2048
	stored := save(t, dir, 9, c, mcdm("none", 0))
	files, _, err := Import(Options{Name: "large", DType: "f32", Networks: []Source{{"none", dir}}})
	require.NoError(t, err)
	require.NoError(t, Verify(mapFS(files)))
	b, err := bundle.Open(mapFS(files))
	require.NoError(t, err)
	require.Greater(t, len(b.Shards()), 5)
	n := b.Manifest.Network("none")
	name := "time_embedding.linear_2.weight" // 16 MiB
	require.GreaterOrEqual(t, len(n.Tensors[name].Parts), 4)
	got, err := b.Tensor(n, name)
	require.NoError(t, err)
	require.Equal(t, stored[name].Data, got.Data)
	for _, s := range b.Shards() {
		require.LessOrEqual(t, s.Size, bundle.MaxShard)
		require.Contains(t, s.Name, s.SHA256[:16])
	}
}

func TestImportPlainDiffusersFolder(t *testing.T) {
	dir := t.TempDir()
	c := plain(0)
	c["in_channels"], c["out_channels"] = 3, 3
	stored := save(t, dir, 1, c, nil)
	old := safetensors.File{}
	for name, v := range stored {
		for now, was := range map[string]string{".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."} {
			name = strings.Replace(name, now, was, 1)
		}
		old[name] = v
	}
	require.Contains(t, old, "mid_block.attentions.0.proj_attn.bias")
	putWeights(t, dir, "diffusion_pytorch_model.safetensors", old)
	putJSON(t, dir, "scheduler_config.json", object{"beta_schedule": "linear", "num_train_timesteps": 500, "beta_end": 0.03})
	files, reports, err := Import(Options{Name: "ddpm", DType: "f32", Networks: []Source{{"none", dir}}})
	require.NoError(t, err)
	require.Empty(t, reports[0].Assumed)
	b, err := bundle.Open(mapFS(files))
	require.NoError(t, err)
	require.Equal(t, bundle.Diffusion{
		ImageSize: 8, Channels: 3, PixelRange: [2]float64{-1, 1}, PixelUnshuffle: 1, PredictionType: "epsilon",
		Schedule: bundle.Schedule{Name: "linear", T: 500, BetaStart: 1e-4, BetaEnd: 0.03},
	}, b.Manifest.Diffusion)
	got, err := b.Tensor(b.Manifest.Unconditional(), "mid_block.attentions.0.to_out.0.weight")
	require.NoError(t, err)
	require.Equal(t, stored["mid_block.attentions.0.to_out.0.weight"].Data, got.Data)
}

// Where no file beside config.json says what the noise is, that of its pipeline
// does; without one, what is taken is told.
func TestImportFromPipeline(t *testing.T) {
	pipeline := t.TempDir()
	o := Options{Name: "x", DType: "f32", Networks: []Source{{"none", filepath.Join(pipeline, "unet")}}}
	save(t, o.Networks[0].Folder, 1, plain(0), nil)
	files, reports, err := Import(o)
	require.NoError(t, err)
	require.Equal(t, ddpm, manifest(t, files).Diffusion.Schedule)
	require.Equal(t, "linear schedule, T = 1000, beta 0.0001 to 0.02, epsilon", reports[0].Assumed)

	putJSON(t, filepath.Join(pipeline, "scheduler"), "scheduler_config.json", object{"beta_schedule": "linear", "beta_end": 0.03, "prediction_type": "v_prediction"})
	files, reports, err = Import(o)
	require.NoError(t, err)
	require.Equal(t, .03, manifest(t, files).Diffusion.Schedule.BetaEnd)
	require.Equal(t, bundle.Velocity, manifest(t, files).Diffusion.PredictionType)
	require.Empty(t, reports[0].Assumed)
}

// A schedule of noise that is not ours is refused by name: with another one every
// step would be wrong.
func TestImportRefusesOtherSchedules(t *testing.T) {
	for want, config := range map[string]object{
		"rescale_betas_zero_snr is not supported":                                {"beta_schedule": "linear", "rescale_betas_zero_snr": true},
		"trained_betas is not supported":                                         {"beta_schedule": "linear", "trained_betas": []float64{.1}},
		"FlowMatchEulerDiscreteScheduler without beta_schedule is not supported": {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3},
	} {
		dir := t.TempDir()
		save(t, dir, 1, plain(0), nil)
		putJSON(t, dir, "scheduler_config.json", config)
		_, _, err := Import(Options{Name: "x", DType: "f32", Networks: []Source{{"none", dir}}})
		require.ErrorContains(t, err, want)
	}
}

func TestImportShardedCheckpoint(t *testing.T) {
	dir := t.TempDir()
	stored := save(t, dir, 1, plain(0), mcdm("none", 0))
	whole, _, err := Import(Options{Name: "x", DType: "int8", Networks: []Source{{"none", dir}}})
	require.NoError(t, err)
	halves := []safetensors.File{{}, {}}
	index := map[string]string{}
	files := []string{"diffusion_pytorch_model-00001-of-00002.safetensors", "diffusion_pytorch_model-00002-of-00002.safetensors"}
	for i, name := range stored.Names() {
		halves[i%2][name] = stored[name]
		index[name] = files[i%2]
	}
	require.NoError(t, os.Remove(filepath.Join(dir, "diffusion_pytorch_model.safetensors")))
	putWeights(t, dir, files[0], halves[0])
	putWeights(t, dir, files[1], halves[1])
	putJSON(t, dir, "diffusion_pytorch_model.safetensors.index.json", object{"weight_map": index})
	again, _, err := Import(Options{Name: "x", DType: "int8", Networks: []Source{{"none", dir}}})
	require.NoError(t, err)
	require.Equal(t, whole, again)
	index["conv_in.weight"] = "../../etc/passwd"
	putJSON(t, dir, "diffusion_pytorch_model.safetensors.index.json", object{"weight_map": index})
	_, _, err = Import(Options{Name: "x", DType: "int8", Networks: []Source{{"none", dir}}})
	require.ErrorContains(t, err, "outside the folder")
}

func TestImportRefuses(t *testing.T) {
	edit := func(key string, value any) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			c := plain(0)
			c[key] = value
			putJSON(t, dir, "config.json", c)
		}
	}
	fact := func(key string, value any) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			f := mcdm("none", 0)
			f[key] = value
			putJSON(t, dir, "mcdm.json", f)
		}
	}
	weight := func(change func(f safetensors.File)) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, "diffusion_pytorch_model.safetensors")
			f, err := safetensors.ReadFile(path)
			require.NoError(t, err)
			change(f)
			putWeights(t, dir, filepath.Base(path), f)
		}
	}
	nan := float32(math.NaN())
	for name, test := range map[string]struct {
		spoil func(t *testing.T, dir string)
		want  string
	}{
		"unsupported block": {edit("down_block_types", []string{"DownBlock2D", "KDownBlock2D"}), `down_block_types[1] = "KDownBlock2D"`},
		"unsupported class": {edit("_class_name", "AutoencoderKL"), `"AutoencoderKL"`},
		"other widths":      {edit("block_out_channels", []int{16, 64}), "has shape"},
		"more layers":       {edit("layers_per_block", 2), "is missing"},
		"learned variance":  {edit("out_channels", 24), "but config.json asks for"},
		"no config":         {func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, "config.json"))) }, "save_pretrained"},
		"other modality":    {fact("modality", "sketch"), "a sketch has 4"},
		"odd unshuffle":     {fact("pixel_unshuffle", 3), "pixel_unshuffle = 3"},
		"no unshuffle":      {fact("pixel_unshuffle", 0), "pixel_unshuffle = 0"},
		"x prediction":      {fact("prediction_type", "sample"), "sample is that of an upscaler"},
		"cosine":            {fact("schedule", object{"name": "squaredcos_cap_v2"}), `"squaredcos_cap_v2" is not supported`},
		"odd grid":          {fact("image_size", 18), "not a multiple of 2"},
		"torn facts": {func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "mcdm.json"), []byte("{"), 0o600))
		}, "mcdm.json"},
		"unknown tensor": {weight(func(f safetensors.File) { f["lora.weight"] = f["conv_in.weight"] }), `"lora.weight" does not belong`},
		"missing tensor": {weight(func(f safetensors.File) { delete(f, "conv_in.bias") }), `"conv_in.bias" is missing`},
		"twice, old and new": {weight(func(f safetensors.File) {
			f["mid_block.attentions.0.query.bias"] = f["mid_block.attentions.0.to_q.bias"]
		}), "are the same one"},
		"wrong dtype": {weight(func(f safetensors.File) {
			f["conv_in.bias"] = safetensors.Tensor{DType: "I8", Shape: []int{16}, Data: make([]byte, 16)}
		}), "dtype I8"},
		"NaN": {weight(func(f safetensors.File) {
			f["conv_norm_out.bias"] = safetensors.F32(slices.Repeat([]float32{nan}, 16), 16)
		}), `"conv_norm_out.bias": value 0 is NaN`},
		"pickle": {func(t *testing.T, dir string) {
			require.NoError(t, os.Rename(filepath.Join(dir, "diffusion_pytorch_model.safetensors"), filepath.Join(dir, "diffusion_pytorch_model.bin")))
		}, "safe_serialization"},
		"torn weights": {func(t *testing.T, dir string) {
			path := filepath.Join(dir, "diffusion_pytorch_model.safetensors")
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, data[:len(data)-1], 0o600))
		}, "not a whole safetensors file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			save(t, dir, 1, plain(0), mcdm("none", 0))
			test.spoil(t, dir)
			_, _, err := Import(Options{Name: "x", DType: "int8", Networks: []Source{{"none", dir}}})
			require.ErrorContains(t, err, test.want)
			require.ErrorContains(t, err, `network "none"`)
		})
	}
}

func TestColourGrid(t *testing.T) {
	for grid, want := range map[int]string{4: "", 0: "grid = 0", 3: "divide the network's grid of 8", -4: "grid = -4", 64: "at most 32"} {
		dir := t.TempDir()
		facts := mcdm("colour", 4)
		facts["grid"] = grid
		save(t, dir, 1, plain(4), facts)
		_, _, err := Import(Options{Name: "x", DType: "int8", Networks: []Source{{"colour", dir}}})
		if want == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, want)
		}
	}
}

// A network whose input is not what the engine makes of its modality is refused.
func TestImportRefusesInputsThatAreNotMade(t *testing.T) {
	for _, c := range []struct {
		modality string
		channels int
		want     string
	}{
		{"text", 4, "condition_channels = 4: a text network has 0, and cross-attends"},
		{"sketch", 4, `modality "sketch", but the network cross-attends`},
		{"mask", 12, `modality "mask", but the network cross-attends`},
		{"colour", 4, `modality "colour", but the network cross-attends`},
		{"none", 0, `modality "none", but the network takes a condition`},
	} {
		dir, config, facts := t.TempDir(), text(), mcdm(c.modality, c.channels)
		config["in_channels"] = 12 + c.channels
		facts["labels"], facts["grid"] = []string{"background", "hair", "tail"}, 4
		save(t, dir, 1, config, facts)
		_, _, err := Import(Options{Name: "x", DType: "f32", Networks: []Source{{c.modality, dir}}})
		require.ErrorContains(t, err, c.want)
	}
}

func TestImportRefusesMixtures(t *testing.T) {
	o := five(t)
	o.Networks[1].Name = "text"
	_, _, err := Import(o)
	require.ErrorContains(t, err, `two networks are named "text"`)

	o = five(t)
	o.Networks = slices.Delete(o.Networks, 1, 2)
	_, _, err = Import(o)
	require.ErrorContains(t, err, `0 networks have modality "none"`)

	o = five(t)
	f := mcdm("sketch", 4)
	f["schedule"] = object{"name": "linear", "num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.021}
	putJSON(t, o.Networks[2].Folder, "mcdm.json", f)
	_, _, err = Import(o)
	require.ErrorContains(t, err, `network "sketch"`)
	require.ErrorContains(t, err, "must share schedule")

	o = five(t)
	o.Networks[2].Name = "../up"
	_, _, err = Import(o)
	require.ErrorContains(t, err, `"../up"`)

	_, _, err = Import(Options{Name: "x", DType: "int4", Networks: o.Networks})
	require.ErrorContains(t, err, `dtype "int4"`)
	_, _, err = Import(Options{Name: "x", DType: "int8"})
	require.ErrorContains(t, err, "--network")
}

func TestWriteReplacesAtTheEnd(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "avatars")
	o := five(t)
	files, _, err := Import(o)
	require.NoError(t, err)
	require.NoError(t, Write(dir, files))
	require.NoError(t, Verify(os.DirFS(dir)))
	for _, name := range []string{"README.md", ".manifest.json.old", ".manifest.json.123", ".none-0-0123456789abcdef.safetensors.123"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("mine, or left by a killed import"), 0o600))
	}
	read, err := Read(os.DirFS(dir))
	require.NoError(t, err)
	require.Equal(t, files, read, "a bundle is what its manifest names")

	o.DType = "f16"
	next, _, err := Import(o)
	require.NoError(t, err)
	// A write that fails midway leaves the old bundle whole.
	broken := Files{}
	for name, data := range next {
		broken[name] = data
	}
	blocked := filepath.Join(dir, bundle.ManifestName)
	saved, err := os.ReadFile(blocked)
	require.NoError(t, err)
	broken["zz/in-no-folder-0-0000000000000000.safetensors"] = []byte("x")
	require.Error(t, Write(dir, broken))
	now, err := os.ReadFile(blocked)
	require.NoError(t, err)
	require.Equal(t, saved, now)
	require.NoError(t, Verify(os.DirFS(dir)))

	require.NoError(t, Write(dir, next))
	require.NoError(t, Verify(os.DirFS(dir)))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, len(next)+2, "old shards and temporary files are gone, what is mine stays")
	require.FileExists(t, filepath.Join(dir, "README.md"))
	require.FileExists(t, filepath.Join(dir, ".manifest.json.old"))
	require.NoError(t, os.Truncate(filepath.Join(dir, manifest(t, next).Shards[0].Name), 9))
	_, err = Read(os.DirFS(dir))
	require.ErrorContains(t, err, "torn")
}

func TestQuantize(t *testing.T) {
	q, err := Quantize("w.weight", []int{3, 2}, []float32{1, -127, 0, 0, 1e-44, 1}, "int8")
	require.NoError(t, err)
	require.Equal(t, []float32{1, 1, float32(1.0 / 127)}, q.Scale)
	require.Equal(t, []byte{1, 0x81, 0, 0, 0, 127}, q.Data)
	_, err = Quantize("w.weight", []int{1, 1}, []float32{70000}, "f16")
	require.ErrorContains(t, err, "--dtype f32")
	_, err = Quantize("w.weight", []int{1, 1}, []float32{float32(math.Inf(-1))}, "f32")
	require.ErrorContains(t, err, "-Inf")
	require.Zero(t, RelativeRMS([]float32{0}, []float32{0}))
	require.InDelta(t, .1, RelativeRMS([]float32{1.1, 2.2}, []float32{1, 2}), 1e-6)
}

func TestLabelsDiffer(t *testing.T) {
	var names []string
	for i := range 40 {
		names = append(names, strings.Repeat("x", i+1))
	}
	seen := map[string]bool{}
	for _, l := range labels(names) {
		require.Regexp(t, `^#[0-9a-f]{6}$`, l.Color)
		require.False(t, seen[l.Color], l.Color)
		seen[l.Color] = true
	}
}

func TestManifestIsPlainJSON(t *testing.T) {
	files, _, err := Import(five(t))
	require.NoError(t, err)
	var v map[string]any
	require.NoError(t, json.Unmarshal(files[bundle.ManifestName], &v))
	require.Equal(t, "mcdm-bundle", v["format"])
	require.EqualValues(t, 1, v["version"])
}

// A bundle exported and imported again is the same bundle, byte by byte:
// dequantized values fall back onto their own grid.
func TestExport(t *testing.T) {
	o := five(t)
	for _, dtype := range bundle.DTypes {
		t.Run(dtype, func(t *testing.T) {
			o.DType = dtype
			files, _, err := Import(o)
			require.NoError(t, err)
			b, err := bundle.Open(mapFS(files))
			require.NoError(t, err)
			dir, again := t.TempDir(), o
			again.Networks = nil
			for _, s := range o.Networks {
				s.Folder = filepath.Join(dir, s.Name)
				require.NoError(t, Export(b, s.Name, s.Folder))
				again.Networks = append(again.Networks, s)
			}
			got, _, err := Import(again)
			require.NoError(t, err)
			require.Equal(t, slices.Sorted(maps.Keys(files)), slices.Sorted(maps.Keys(got)))
			for name := range files {
				require.Equal(t, string(files[name]), string(got[name]), name)
			}
			require.ErrorContains(t, Export(b, "depth", dir), `no network "depth"`)
		})
	}
}
