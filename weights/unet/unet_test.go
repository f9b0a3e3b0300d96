package unet

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/weights/internal/hostile"
)

func load[T any](t *testing.T, file string) map[string]T {
	t.Helper()
	f, err := os.Open("testdata/" + file)
	require.NoError(t, err)
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(file, ".gz") {
		r, err = gzip.NewReader(f)
		require.NoError(t, err)
	}
	var table map[string]T
	require.NoError(t, json.NewDecoder(r).Decode(&table), file)
	return table
}

// The oracle is diffusers: names and shapes of its own state dicts.
func TestTensorsMatchDiffusers(t *testing.T) {
	configs := load[json.RawMessage](t, "configs.json")
	shapes := load[map[string][]int](t, "shapes.json.gz")
	require.GreaterOrEqual(t, len(configs), 8)
	for name, config := range configs {
		t.Run(name, func(t *testing.T) {
			c, err := Parse(config)
			require.NoError(t, err)
			got, want := c.Tensors(), shapes[name]
			require.NotEmpty(t, want)
			for _, k := range slices.Sorted(maps.Keys(want)) {
				require.Equal(t, want[k], got[k], k)
			}
			for k := range got {
				require.Contains(t, want, k, "diffusers has no such tensor")
			}
		})
	}
}

func parse(t *testing.T, name string) *Config {
	t.Helper()
	c, err := Parse(load[json.RawMessage](t, "configs.json")[name])
	require.NoError(t, err)
	return c
}

func TestResolvedOptions(t *testing.T) {
	c := parse(t, "google/ddpm-cifar10-32")
	require.Equal(t, [2]int{32, 32}, [2]int{c.SampleHeight, c.SampleWidth})
	require.False(t, c.FlipSinToCos)
	require.Equal(t, 1.0, c.FreqShift)
	require.Equal(t, 1e-6, c.NormEps)
	require.False(t, c.FitUpsample)
	require.Equal(t, 0, c.Down[0].Downsample.Padding)
	require.Nil(t, c.Down[3].Downsample)
	require.Nil(t, c.Up[3].Upsample)
	a := c.Down[1].Attentions[1]
	require.Equal(t, [2]int{1, 256}, [2]int{a.Heads, a.HeadDim}, "a null head width is one head")
	require.Len(t, c.Up[0].Resnets, 3)
	last := c.Up[3].Resnets[2]
	require.Equal(t, [3]int{256, 128, 128}, [3]int{last.In, last.Skip, last.Out})
	require.Equal(t, 256, c.Up[3].Resnets[0].In-c.Up[3].Resnets[0].Skip)

	c = parse(t, "unconditional")
	require.Equal(t, [2]int{6, 32}, [2]int{c.Mid.Attentions[0].Heads, c.Mid.Attentions[0].HeadDim})
	require.True(t, c.FlipSinToCos)

	c = parse(t, "mask, scale_shift")
	require.Zero(t, c.Mid.Attentions[0].Groups, "scale_shift drops the middle's group norm")
	require.Equal(t, 32, c.Down[2].Attentions[0].Groups)

	c = parse(t, "scale_shift, attn_norm_num_groups")
	require.Equal(t, 16, c.Mid.Attentions[0].Groups)
	require.Equal(t, 1.5, c.Mid.Attentions[0].OutputScale)
	require.Equal(t, 1.5, c.Mid.Resnets[1].OutputScale)
	require.Equal(t, 1.0, c.Down[0].Resnets[0].OutputScale)
	require.Equal(t, [2]int{24, 32}, [2]int{c.SampleHeight, c.SampleWidth})

	c = parse(t, "no attention in the middle")
	require.Equal(t, []*Attention{nil}, c.Mid.Attentions)
	require.Len(t, c.Mid.Resnets, 2)

	c = parse(t, "text")
	require.True(t, c.FitUpsample)
	require.Equal(t, 128, c.CrossAttentionDim)
	require.Equal(t, [2]int{4, 48}, [2]int{c.Mid.Transformers[0].Heads, c.Mid.Transformers[0].HeadDim})
	require.Equal(t, 1e-6, c.Mid.Transformers[0].Eps)

	c = parse(t, "text, every block type")
	require.Equal(t, [2]int{1, 2}, [2]int{c.Up[2].Transformers[0].Layers, c.Up[2].Transformers[1].Layers})
	require.Equal(t, 8, c.Down[0].Attentions[0].Heads, "32 channels of 4: a head's width outside the transformers")
	require.Len(t, c.Mid.Resnets, 1)
	require.Zero(t, c.SampleHeight)
}

func TestRefusesByName(t *testing.T) {
	for _, test := range []struct{ config, want string }{
		{`{`, "config.json"},
		{`{}`, `"_class_name"`},
		{`{"_class_name":"UNet3DConditionModel"}`, "UNet3DConditionModel"},
		{`{"_class_name":"UNet2DModel","down_block_types":["DownBlock2D","SkipDownBlock2D","DownBlock2D","DownBlock2D"]}`, `down_block_types[1] = "SkipDownBlock2D"`},
		{`{"_class_name":"UNet2DModel","up_block_types":["UpBlock2D","UpBlock2D","UpBlock2D","DownBlock2D"]}`, `up_block_types[3] = "DownBlock2D"`},
		{`{"_class_name":"UNet2DModel","down_block_types":["DownBlock2D","CrossAttnDownBlock2D","DownBlock2D","DownBlock2D"]}`, "UNet2DConditionModel"},
		{`{"_class_name":"UNet2DConditionModel","mid_block_type":"UNetMidBlock2DSimpleCrossAttn"}`, "UNetMidBlock2DSimpleCrossAttn"},
		{`{"_class_name":"UNet2DModel","act_fn":"gelu"}`, "act_fn = gelu"},
		{`{"_class_name":"UNet2DModel","time_embedding_type":"fourier"}`, "time_embedding_type = fourier"},
		{`{"_class_name":"UNet2DModel","resnet_time_scale_shift":"spatial"}`, "resnet_time_scale_shift = spatial"},
		{`{"_class_name":"UNet2DModel","center_input_sample":true}`, "center_input_sample"},
		{`{"_class_name":"UNet2DModel","downsample_type":"resnet"}`, "downsample_type = resnet"},
		{`{"_class_name":"UNet2DModel","num_class_embeds":10}`, "num_class_embeds = 10"},
		{`{"_class_name":"UNet2DModel","norm_num_groups":null}`, "norm_num_groups"},
		{`{"_class_name":"UNet2DModel","norm_num_groups":48}`, "norm_num_groups = 48 does not divide"},
		{`{"_class_name":"UNet2DModel","attention_head_dim":33}`, "attention_head_dim = 33 does not divide"},
		{`{"_class_name":"UNet2DModel","attention_head_dim":14}`, "attention_head_dim = 14 of down_blocks"},
		{`{"_class_name":"UNet2DModel","attention_head_dim":0}`, "attention_head_dim"},
		{`{"_class_name":"UNet2DModel","layers_per_block":1000000000}`, "layers_per_block"},
		{`{"_class_name":"UNet2DModel","layers_per_block":[]}`, "layers_per_block"},
		{`{"_class_name":"UNet2DModel","in_channels":-3}`, "in_channels"},
		{`{"_class_name":"UNet2DModel","block_out_channels":[]}`, "block_out_channels"},
		{`{"_class_name":"UNet2DModel","block_out_channels":[32]}`, "down_block_types"},
		{`{"_class_name":"UNet2DConditionModel","only_cross_attention":[false,true,false,false]}`, "only_cross_attention"},
		{`{"_class_name":"UNet2DConditionModel","dual_cross_attention":true}`, "dual_cross_attention"},
		{`{"_class_name":"UNet2DConditionModel","addition_embed_type":"text_time"}`, "text_time"},
		{`{"_class_name":"UNet2DConditionModel","attention_head_dim":[8,8]}`, "attention_head_dim has 2 values"},
		{`{"_class_name":"UNet2DConditionModel","attention_head_dim":null}`, "attention_head_dim has 0 values"},
		{`{"_class_name":"UNet2DConditionModel","transformer_layers_per_block":null}`, "transformer_layers_per_block"},
		{`{"_class_name":"UNet2DConditionModel","transformer_layers_per_block":[[1,2,3],[1],[1],[1]],"layers_per_block":4}`, "needs one for transformer 3"},
		{`{"_class_name":"UNet2DConditionModel","cross_attention_dim":[8,16,16,16]}`, "one text cannot have both"},
		{`{"_class_name":"UNet2DConditionModel","sample_size":[1,2,3]}`, "sample_size"},
	} {
		_, err := Parse([]byte(test.config))
		require.ErrorContains(t, err, test.want, test.config)
	}
}

func TestCanonicalName(t *testing.T) {
	for old, want := range map[string]string{
		"mid_block.attentions.0.query.weight":          "mid_block.attentions.0.to_q.weight",
		"down_blocks.1.attentions.1.key.bias":          "down_blocks.1.attentions.1.to_k.bias",
		"up_blocks.2.attentions.0.value.weight":        "up_blocks.2.attentions.0.to_v.weight",
		"up_blocks.2.attentions.0.proj_attn.bias":      "up_blocks.2.attentions.0.to_out.0.bias",
		"up_blocks.2.attentions.0.to_q.bias":           "up_blocks.2.attentions.0.to_q.bias",
		"down_blocks.0.resnets.0.query.weight":         "down_blocks.0.resnets.0.query.weight",
		"down_blocks.0.attentions.0.group_norm.weight": "down_blocks.0.attentions.0.group_norm.weight",
		"query":          "query",
		"a.b":            "a.b",
		"":               "",
		"conv_in.weight": "conv_in.weight",
	} {
		require.Equal(t, want, CanonicalName(old))
	}
}

func FuzzParse(f *testing.F) {
	data, err := os.ReadFile("testdata/configs.json")
	require.NoError(f, err)
	var configs map[string]json.RawMessage
	require.NoError(f, json.Unmarshal(data, &configs))
	for _, c := range configs {
		f.Add([]byte(c))
	}
	for _, lie := range []string{
		``, `{`, `[]`, `null`, `{"_class_name":"UNet2DModel","_class_name":"UNet2DConditionModel"}`,
		`{"_class_name":"UNet2DModel","block_out_channels":[9223372036854775807]}`,
		`{"_class_name":"UNet2DModel","block_out_channels":[],"down_block_types":[],"up_block_types":[]}`,
		`{"_class_name":"UNet2DModel","block_out_channels":null,"down_block_types":null,"up_block_types":null}`,
		`{"_class_name":"UNet2DModel","layers_per_block":-1}`,
		`{"_class_name":"UNet2DModel","norm_num_groups":0}`,
		`{"_class_name":"UNet2DModel","attention_head_dim":0}`,
		`{"_class_name":"UNet2DModel","attention_head_dim":[]}`,
		`{"_class_name":"UNet2DModel","freq_shift":1e308}`,
		`{"_class_name":"UNet2DModel","norm_eps":1e999}`,
		`{"_class_name":"UNet2DModel","sample_size":[64,64,64]}`,
		hugeConfig,
		`{"_class_name":"UNet2DConditionModel","transformer_layers_per_block":[[],[],[],[]]}`,
		`{"_class_name":"UNet2DConditionModel","transformer_layers_per_block":[[1],[1,2],[3,4,5]]}`,
		`{"_class_name":"UNet2DConditionModel","reverse_transformer_layers_per_block":[null]}`,
		`{"_class_name":"UNet2DConditionModel","cross_attention_dim":[1,2,3,4]}`,
	} {
		f.Add([]byte(lie))
	}
	f.Fuzz(func(t *testing.T, config []byte) {
		var c *Config
		var err error
		hostile.Parse(t, len(config), 1000, 16<<20, func() {
			if c, err = Parse(config); err == nil {
				c.Tensors()
			}
		})
		if err != nil {
			require.Regexp(t, `^config\.json: .`, err.Error())
			return
		}
		for name, shape := range c.Tensors() {
			require.Positive(t, slices.Min(shape), name)
		}
	})
}

// hugeConfig is short and asks for a million layers.
const hugeConfig = `{"_class_name":"UNet2DConditionModel","layers_per_block":64,"transformer_layers_per_block":64}`

func TestHugeConfigIsRefused(t *testing.T) {
	_, err := Parse([]byte(hugeConfig))
	require.ErrorContains(t, err, "down_blocks.0.attentions.7: more than 512 layers")
}
