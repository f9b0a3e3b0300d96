package pack

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/weights/safetensors"
	"github.com/mcdm/mcdm/weights/textencoder"
	"github.com/mcdm/mcdm/weights/unet"
)

type object = map[string]any

func schedule() object {
	return object{"name": "linear", "num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02}
}

// plain is the config.json of a small network of z's 12 channels and more.
func plain(condition int) object {
	return object{
		"_class_name": "UNet2DModel", "_name_or_path": "/home/someone/runs", "sample_size": 8,
		"in_channels": 12 + condition, "out_channels": 12, "block_out_channels": []int{16, 32}, "layers_per_block": 1,
		"down_block_types": []string{"DownBlock2D", "AttnDownBlock2D"}, "up_block_types": []string{"AttnUpBlock2D", "UpBlock2D"},
		"norm_num_groups": 8,
	}
}

func text() object {
	c := plain(0)
	c["_class_name"] = "UNet2DConditionModel"
	c["down_block_types"] = []string{"DownBlock2D", "CrossAttnDownBlock2D"}
	c["up_block_types"] = []string{"CrossAttnUpBlock2D", "UpBlock2D"}
	c["attention_head_dim"] = 4
	c["cross_attention_dim"] = 24
	return c
}

func mcdm(modality string, condition int) object {
	return object{
		"modality": modality, "condition_channels": condition, "image_size": 16, "pixel_unshuffle": 2,
		"schedule": schedule(), "prediction_type": "epsilon",
		"training": object{"pictures_seen": 7, "terms": "CC0-1.0"},
	}
}

func putJSON(t testing.TB, folder, name string, v any) {
	t.Helper()
	data, err := json.Marshal(v)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(folder, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, name), data, 0o600))
}

// random makes weights of the given names and shapes from a seed.
func random(seed uint64, shapes map[string][]int) safetensors.File {
	r := rand.New(rand.NewPCG(seed, 1))
	f := safetensors.File{}
	for _, name := range safetensorsNames(shapes) {
		n := 1
		for _, d := range shapes[name] {
			n *= d
		}
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		f[name] = safetensors.F32(v, shapes[name]...)
	}
	return f
}

func safetensorsNames(shapes map[string][]int) []string {
	f := safetensors.File{}
	for name := range shapes {
		f[name] = safetensors.Tensor{}
	}
	return f.Names()
}

func putWeights(t testing.TB, folder, name string, f safetensors.File) {
	t.Helper()
	data, err := f.Bytes()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, name), data, 0o600))
}

// save writes a diffusers folder and returns its weights.
func save(t testing.TB, folder string, seed uint64, config object, facts any) safetensors.File {
	t.Helper()
	putJSON(t, folder, "config.json", config)
	if facts != nil {
		putJSON(t, folder, "mcdm.json", facts)
	}
	data, err := json.Marshal(config)
	require.NoError(t, err)
	c, err := unet.Parse(data)
	require.NoError(t, err)
	f := random(seed, c.Tensors())
	putWeights(t, folder, "diffusion_pytorch_model.safetensors", f)
	return f
}

func saveText(t testing.TB, folder string) {
	t.Helper()
	save(t, folder, 4, text(), mcdm("text", 0))
	encoder := filepath.Join(folder, "text_encoder")
	config := object{
		"_class_name": "TextEncoder", "vocab_size": 4, "hidden_size": 24, "intermediate_size": 48,
		"num_hidden_layers": 2, "num_attention_heads": 3, "max_position_embeddings": 8,
	}
	putJSON(t, encoder, "config.json", config)
	data, err := json.Marshal(config)
	require.NoError(t, err)
	c, err := textencoder.Parse(data)
	require.NoError(t, err)
	f := random(5, c.Tensors())
	f["text_model.embeddings.position_ids"] = safetensors.Tensor{DType: "I64", Shape: []int{1}, Data: make([]byte, 8)}
	putWeights(t, encoder, "model.safetensors", f)
	require.NoError(t, os.WriteFile(filepath.Join(encoder, "vocab.txt"), []byte("<pad>\n<unk>\nred\nhair\n"), 0o600))
}

// five writes folders of five networks and returns the options to import them.
func five(t testing.TB) Options {
	t.Helper()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	saveText(t, at("text"))
	save(t, at("none"), 1, plain(0), mcdm("none", 0))
	save(t, at("sketch"), 2, plain(4), mcdm("sketch", 4))
	mask := mcdm("mask", 12)
	mask["labels"] = []string{"background", "hair", "tail"}
	save(t, at("mask"), 3, plain(12), mask)
	colour := mcdm("colour", 4)
	colour["grid"] = 4
	save(t, at("colour"), 6, plain(4), colour)
	return Options{Name: "small", DType: "int8", DataCard: "made up", Networks: []Source{
		{"text", at("text")}, {"none", at("none")}, {"sketch", at("sketch")}, {"mask", at("mask")}, {"colour", at("colour")},
	}}
}

func mapFS(files Files) fstest.MapFS {
	m := fstest.MapFS{}
	for name, data := range files {
		m[name] = &fstest.MapFile{Data: data}
	}
	return m
}
