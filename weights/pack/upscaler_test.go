package pack

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/weights/bundle"
)

// larger is five with an upscaler of their pictures, 16x16 to 32x32.
func larger(t testing.TB) Options {
	t.Helper()
	o := five(t)
	o.Upscaler = &Source{"upscale", filepath.Join(t.TempDir(), "upscale")}
	save(t, o.Upscaler.Folder, 6, plain(3), upscaling())
	return o
}

func upscaling() object {
	facts := mcdm("upscale", 3)
	facts["image_size"], facts["prediction_type"] = 32, "sample"
	return facts
}

func TestUpscaler(t *testing.T) {
	o := larger(t)
	files, reports, err := Import(o)
	require.NoError(t, err)
	require.Len(t, reports, 6)
	require.NoError(t, Verify(mapFS(files)))
	b, err := bundle.Open(mapFS(files))
	require.NoError(t, err)
	m := b.Manifest
	require.Len(t, m.Networks, 5, "it is no network of the merge")
	require.Same(t, m.Upscaler, m.Network("upscale"))
	require.Equal(t, 32, m.Upscaler.Diffusion.ImageSize)
	require.Equal(t, 16, m.Diffusion.ImageSize)
	checkValues(t, b, m.Upscaler, o.Upscaler.Folder, "int8")
	last := m.Shards[len(m.Shards)-1].Name
	require.Contains(t, last, "upscale-0-", "it is loaded last")

	again := o
	again.Upscaler = &Source{"upscale", t.TempDir()}
	require.NoError(t, Export(b, "upscale", again.Upscaler.Folder))
	got, _, err := Import(again)
	require.NoError(t, err)
	require.Equal(t, string(files[bundle.ManifestName]), string(got[bundle.ManifestName]))

	spoilt := mapFS(files)
	spoilt[last].Data[len(spoilt[last].Data)-1] ^= 1
	require.ErrorContains(t, Verify(spoilt), last)
}

func TestImportRefusesUpscalers(t *testing.T) {
	o := larger(t)
	o.Networks = append(o.Networks, Source{"large", o.Upscaler.Folder})
	_, _, err := Import(o)
	require.ErrorContains(t, err, "--upscaler")

	o = five(t)
	o.Upscaler = &Source{"upscale", o.Networks[1].Folder}
	_, _, err = Import(o)
	require.ErrorContains(t, err, `modality "none": an upscaler's is "upscale"`)

	for key, test := range map[string]struct {
		value any
		want  string
	}{
		"image_size":         {64, "on a grid of 32: the bundle's pictures have 16"},
		"prediction_type":    {"epsilon", `predicts "sample"`},
		"condition_channels": {4, "of 3 channels from 4: the bundle's have 3"},
	} {
		o := larger(t)
		facts := upscaling()
		facts[key] = test.value
		putJSON(t, o.Upscaler.Folder, "mcdm.json", facts)
		_, _, err := Import(o)
		require.ErrorContains(t, err, test.want, key)
	}
}

func TestUpscalerManifestLies(t *testing.T) {
	files, _, err := Import(larger(t))
	require.NoError(t, err)
	for name, test := range map[string]struct {
		spoil func(n *bundle.Network)
		want  string
	}{
		"no diffusion":   {func(n *bundle.Network) { n.Diffusion = nil }, "states its own diffusion"},
		"range":          {func(n *bundle.Network) { n.Diffusion.PixelRange[0] = 0 }, "pixel_range = [0 1]: want [-1, 1]"},
		"not larger":     {func(n *bundle.Network) { n.Diffusion.ImageSize, n.Diffusion.PixelUnshuffle = 16, 1 }, "pixel_unshuffle 1"},
		"grey":           {func(n *bundle.Network) { n.Diffusion.Channels = 1 }, "of 1 channels from 3"},
		"schedule":       {func(n *bundle.Network) { n.Diffusion.Schedule.T = 0 }, "num_train_timesteps = 0"},
		"lost tensor":    {func(n *bundle.Network) { delete(n.Tensors, "conv_in.bias") }, "conv_in.bias"},
		"labels":         {func(n *bundle.Network) { n.Labels = []bundle.Label{{Name: "hair", Color: "#000000"}} }, "no labels"},
		"name in common": {func(n *bundle.Network) { n.Name = "mask" }, `two networks are named "mask"`},
	} {
		m := manifest(t, files)
		test.spoil(m.Upscaler)
		data, err := json.Marshal(m)
		require.NoError(t, err)
		_, err = bundle.ParseManifest(data)
		require.ErrorContains(t, err, test.want, name)
	}
}
