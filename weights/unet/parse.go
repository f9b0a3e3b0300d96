package unet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Limits on what a config.json may ask for, far above any real network, so that
// a hostile one cannot make the reader allocate without end.
const (
	maxLevels   = 16
	maxLayers   = 64
	maxChannels = 1 << 16
	maxTotal    = 512 // resnets and transformer layers; SDXL has 87
)

// raw is config.json as diffusers writes it. Absent keys keep the defaults that
// are set before decoding; an explicit null clears a pointer.
type raw struct {
	ClassName             string     `json:"_class_name"`
	SampleSize            ints       `json:"sample_size"`
	InChannels            int        `json:"in_channels"`
	OutChannels           int        `json:"out_channels"`
	CenterInputSample     bool       `json:"center_input_sample"`
	TimeEmbeddingType     string     `json:"time_embedding_type"`
	TimeEmbeddingDim      *int       `json:"time_embedding_dim"`
	FreqShift             float64    `json:"freq_shift"`
	FlipSinToCos          bool       `json:"flip_sin_to_cos"`
	DownBlockTypes        []string   `json:"down_block_types"`
	MidBlockType          *string    `json:"mid_block_type"`
	UpBlockTypes          []string   `json:"up_block_types"`
	BlockOutChannels      []int      `json:"block_out_channels"`
	LayersPerBlock        ints       `json:"layers_per_block"`
	MidBlockScaleFactor   float64    `json:"mid_block_scale_factor"`
	DownsamplePadding     int        `json:"downsample_padding"`
	DownsampleType        string     `json:"downsample_type"`
	UpsampleType          string     `json:"upsample_type"`
	ActFn                 string     `json:"act_fn"`
	AttentionHeadDim      ints       `json:"attention_head_dim"`
	NormNumGroups         *int       `json:"norm_num_groups"`
	AttnNormNumGroups     *int       `json:"attn_norm_num_groups"`
	NormEps               float64    `json:"norm_eps"`
	ResnetTimeScaleShift  string     `json:"resnet_time_scale_shift"`
	AddAttention          bool       `json:"add_attention"`
	CrossAttentionDim     ints       `json:"cross_attention_dim"`
	TransformerLayers     layerTable `json:"transformer_layers_per_block"`
	ReverseTransformer    layerTable `json:"reverse_transformer_layers_per_block"`
	UseLinearProjection   bool       `json:"use_linear_projection"`
	ConvInKernel          int        `json:"conv_in_kernel"`
	ConvOutKernel         int        `json:"conv_out_kernel"`
	OnlyCrossAttention    bools      `json:"only_cross_attention"`
	DualCrossAttention    bool       `json:"dual_cross_attention"`
	NumAttentionHeads     any        `json:"num_attention_heads"`
	ClassEmbedType        *string    `json:"class_embed_type"`
	NumClassEmbeds        *int       `json:"num_class_embeds"`
	AdditionEmbedType     *string    `json:"addition_embed_type"`
	EncoderHidDim         *int       `json:"encoder_hid_dim"`
	EncoderHidDimType     *string    `json:"encoder_hid_dim_type"`
	TimeEmbeddingActFn    *string    `json:"time_embedding_act_fn"`
	TimestepPostAct       *string    `json:"timestep_post_act"`
	TimeCondProjDim       *int       `json:"time_cond_proj_dim"`
	ClassEmbeddingsConcat bool       `json:"class_embeddings_concat"`
	AttentionType         string     `json:"attention_type"`
}

func ptr[T any](v T) *T { return &v }

// defaults are those of the two classes' constructors in diffusers 0.38.
func defaults(class string) raw {
	r := raw{
		InChannels: 3, OutChannels: 3,
		TimeEmbeddingType:    "positional",
		FlipSinToCos:         true,
		DownBlockTypes:       []string{"DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"},
		MidBlockType:         ptr("UNetMidBlock2D"),
		UpBlockTypes:         []string{"AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"},
		BlockOutChannels:     []int{224, 448, 672, 896},
		LayersPerBlock:       ints{2},
		MidBlockScaleFactor:  1,
		DownsamplePadding:    1,
		DownsampleType:       "conv",
		UpsampleType:         "conv",
		ActFn:                "silu",
		AttentionHeadDim:     ints{8},
		NormNumGroups:        ptr(32),
		NormEps:              1e-5,
		ResnetTimeScaleShift: "default",
		AddAttention:         true,
		ConvInKernel:         3,
		ConvOutKernel:        3,
		AttentionType:        "default",
	}
	if class == ClassConditional {
		r.InChannels, r.OutChannels = 4, 4
		r.DownBlockTypes = []string{"CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"}
		r.MidBlockType = ptr("UNetMidBlock2DCrossAttn")
		r.UpBlockTypes = []string{"UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"}
		r.BlockOutChannels = []int{320, 640, 1280, 1280}
		r.CrossAttentionDim = ints{1280}
		r.TransformerLayers = layerTable{{1}}
	}
	return r
}

// Parse reads a diffusers config.json. What the engine cannot run is refused
// with an error that names the key and its value.
func Parse(config []byte) (*Config, error) {
	var head struct {
		ClassName string `json:"_class_name"`
	}
	if err := json.Unmarshal(config, &head); err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	switch head.ClassName {
	case ClassUnconditional, ClassConditional:
	case "":
		return nil, errors.New(`config.json: no "_class_name": give the folder that save_pretrained of the UNet wrote`)
	default:
		return nil, fmt.Errorf("config.json: architecture %q is not supported: use %s or %s", head.ClassName, ClassUnconditional, ClassConditional)
	}
	r := defaults(head.ClassName)
	if err := json.Unmarshal(config, &r); err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	if err := r.supported(); err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	c, err := r.build()
	if err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	return c, nil
}

// supported refuses options that change the numbers and that the engine lacks.
// Options that diffusers itself does not hand to the supported blocks
// (resnet_skip_time_act, resnet_out_scale_factor, cross_attention_norm,
// mid_block_only_cross_attention, upcast_attention, dropout at inference) are of no effect and pass.
func (r *raw) supported() error {
	refuse := func(key string, value any, want string) error {
		return fmt.Errorf("%s = %v is not supported (%s)", key, value, want)
	}
	conditional := r.ClassName == ClassConditional
	switch {
	case r.ActFn != "silu" && r.ActFn != "swish":
		return refuse("act_fn", r.ActFn, "want silu")
	case r.TimeEmbeddingType != "positional":
		return refuse("time_embedding_type", r.TimeEmbeddingType, "want positional")
	case r.ResnetTimeScaleShift != "default" && r.ResnetTimeScaleShift != "scale_shift":
		return refuse("resnet_time_scale_shift", r.ResnetTimeScaleShift, "want default or scale_shift")
	case r.CenterInputSample:
		return refuse("center_input_sample", true, "want false")
	case !conditional && r.DownsampleType != "conv":
		return refuse("downsample_type", r.DownsampleType, "want conv")
	case !conditional && r.UpsampleType != "conv":
		return refuse("upsample_type", r.UpsampleType, "want conv")
	case r.ClassEmbedType != nil:
		return refuse("class_embed_type", *r.ClassEmbedType, "want null")
	case r.NumClassEmbeds != nil:
		return refuse("num_class_embeds", *r.NumClassEmbeds, "want null")
	case r.NormNumGroups == nil:
		return refuse("norm_num_groups", "null", "want a number")
	case r.DownsamplePadding != 0 && r.DownsamplePadding != 1:
		return refuse("downsample_padding", r.DownsamplePadding, "want 0 or 1")
	}
	if !conditional {
		return nil
	}
	switch {
	case r.OnlyCrossAttention.any():
		return refuse("only_cross_attention", true, "want false")
	case r.DualCrossAttention:
		return refuse("dual_cross_attention", true, "want false")
	case r.NumAttentionHeads != nil:
		return refuse("num_attention_heads", r.NumAttentionHeads, "want null: diffusers takes the heads from attention_head_dim")
	case r.AdditionEmbedType != nil:
		return refuse("addition_embed_type", *r.AdditionEmbedType, "want null")
	case r.EncoderHidDim != nil:
		return refuse("encoder_hid_dim", *r.EncoderHidDim, "want null")
	case r.EncoderHidDimType != nil:
		return refuse("encoder_hid_dim_type", *r.EncoderHidDimType, "want null")
	case r.TimeEmbeddingActFn != nil:
		return refuse("time_embedding_act_fn", *r.TimeEmbeddingActFn, "want null")
	case r.TimestepPostAct != nil:
		return refuse("timestep_post_act", *r.TimestepPostAct, "want null")
	case r.TimeCondProjDim != nil:
		return refuse("time_cond_proj_dim", *r.TimeCondProjDim, "want null")
	case r.ClassEmbeddingsConcat:
		return refuse("class_embeddings_concat", true, "want false")
	case r.AttentionType != "default":
		return refuse("attention_type", r.AttentionType, "want default")
	case r.ConvInKernel != 1 && r.ConvInKernel != 3:
		return refuse("conv_in_kernel", r.ConvInKernel, "want 1 or 3")
	case r.ConvOutKernel != 1 && r.ConvOutKernel != 3:
		return refuse("conv_out_kernel", r.ConvOutKernel, "want 1 or 3")
	}
	return nil
}

// ints is a number, a list of numbers, or null (nil).
type ints []int

func (v *ints) UnmarshalJSON(b []byte) error {
	*v = nil
	if isNull(b) {
		return nil
	}
	if b[0] == '[' {
		return json.Unmarshal(b, (*[]int)(v))
	}
	*v = ints{0}
	return json.Unmarshal(b, &(*v)[0])
}

// at returns the value of level i: the only number, or the i-th of a list.
func (v ints) at(i int) int {
	if len(v) == 1 {
		return v[0]
	}
	return v[i]
}

// bools is a truth value, a list of them, or null.
type bools []bool

func (v *bools) UnmarshalJSON(b []byte) error {
	*v = nil
	if isNull(b) {
		return nil
	}
	if b[0] == '[' {
		return json.Unmarshal(b, (*[]bool)(v))
	}
	*v = bools{false}
	return json.Unmarshal(b, &(*v)[0])
}

func (v bools) any() bool {
	for _, b := range v {
		if b {
			return true
		}
	}
	return false
}

// layerTable is the depth of the transformers: a number, one number a level, or
// one list a level with a number for each of its transformers.
type layerTable []ints

func (v *layerTable) UnmarshalJSON(b []byte) error {
	*v = nil
	if isNull(b) {
		return nil
	}
	if b[0] == '[' {
		return json.Unmarshal(b, (*[]ints)(v))
	}
	*v = layerTable{nil}
	return json.Unmarshal(b, &(*v)[0])
}

func (v layerTable) at(level, layer int) (int, error) {
	row := v[0]
	if len(v) > 1 {
		row = v[level]
	}
	switch {
	case len(row) == 1:
		return row[0], nil
	case layer < len(row):
		return row[layer], nil
	}
	return 0, fmt.Errorf("transformer_layers_per_block: level %d has %d numbers and needs one for transformer %d", level, len(row), layer)
}

func isNull(b []byte) bool { return bytes.Equal(b, []byte("null")) }

// blockType drops the prefix of very old configs, as diffusers does.
func blockType(s string) string { return strings.TrimPrefix(s, "UNetRes") }
