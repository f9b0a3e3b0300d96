// Package unet describes the networks of Hugging Face diffusers that the
// engine can run: it reads a diffusers config.json of class UNet2DModel or
// UNet2DConditionModel, resolves every default and every shorthand, and gives
// the network as a flat tree of layers with their names and sizes. The importer
// checks checkpoints against it and the engine builds the network from it, so
// there is one reading of config.json.
//
// Names of tensors and the order of layers are those of diffusers 0.38
// (models/unets/unet_2d.py, unet_2d_condition.py, unet_2d_blocks.py).
package unet

// The two classes of diffusers networks that are understood.
const (
	ClassUnconditional = "UNet2DModel"          // no text input
	ClassConditional   = "UNet2DConditionModel" // cross-attends to encoder_hidden_states
)

// Config is a network with every default resolved. Forward order:
//
//	temb = linear_2(silu(linear_1(sinusoid(t))))            [N, TimeEmbedDim]
//	h = conv_in(x); skips = [h]
//	Down blocks, each pushing the output of every layer and of its downsampler
//	Mid, where there is one
//	Up blocks, each resnet popping one skip: concat(h, skip) on the channel axis
//	conv_out(silu(group_norm(h)))
type Config struct {
	Class string // ClassUnconditional or ClassConditional

	// SampleHeight and SampleWidth are the size of the network's own grid that
	// it was trained on, in pixels; 0 where config.json does not say. The
	// network is convolutional: other sizes run too.
	SampleHeight, SampleWidth int

	InChannels  int // channels of conv_in's input: z, then concatenated conditions
	OutChannels int // channels of eps

	// Sinusoidal embedding of t, width TimeChannels = block_out_channels[0]:
	// half = TimeChannels/2, f_i = exp(-ln(10000) i / (half - FreqShift)),
	// [sin(t f), cos(t f)], or [cos, sin] with FlipSinToCos.
	TimeChannels int
	FlipSinToCos bool
	FreqShift    float64
	TimeEmbedDim int // width of temb

	ConvInKernel  int // 1 or 3; stride 1, padding (k-1)/2
	ConvOutKernel int

	NormGroups int     // groups of conv_norm_out
	NormEps    float64 // eps of conv_norm_out

	// CrossAttentionDim is the width D of encoder_hidden_states [N, L, D];
	// 0 where no layer attends to them.
	CrossAttentionDim int

	// FitUpsample: an upsampler's output takes the height and width of the skip
	// that follows it (UNet2DConditionModel, whose grid need not be a multiple
	// of 2^(levels-1)) rather than exactly twice its input (UNet2DModel).
	FitUpsample bool

	Down []Block
	Mid  *Block // nil where mid_block_type is null
	Up   []Block
}

// Resnets lists all of them in forward order.
func (c *Config) Resnets() (all []Resnet) {
	for _, b := range c.Down {
		all = append(all, b.Resnets...)
	}
	if c.Mid != nil {
		all = append(all, c.Mid.Resnets...)
	}
	for _, b := range c.Up {
		all = append(all, b.Resnets...)
	}
	return all
}

// Block is one level of the network on its way down or up, or its middle.
//
// Down and up: for every i, Resnets[i], then Attentions[i] or Transformers[i]
// where the block has them. Middle: Resnets[0], then for every i >= 0
// Attentions[i] or Transformers[i] (may be nil), then Resnets[i+1].
type Block struct {
	Name string // prefix of the tensor names: "down_blocks.0", "mid_block", "up_blocks.2"
	Type string // diffusers' class: "AttnDownBlock2D", ...

	Resnets      []Resnet
	Attentions   []*Attention   // self-attention: Attn*Block2D and UNetMidBlock2D
	Transformers []*Transformer // self- and cross-attention: CrossAttn*
	Downsample   *Resample      // after the last layer; nil at the lowest level
	Upsample     *Resample      // after the last layer; nil at the highest level
}

// Resnet is diffusers' ResnetBlock2D:
//
//	h = conv1(silu(norm1(x)))                               3x3, padding 1
//	default:    h = norm2(h + time_emb_proj(silu(temb)))
//	scale_shift: s, b = split(time_emb_proj(silu(temb)));  h = norm2(h) (1 + s) + b
//	y = (shortcut(x) + conv2(silu(h))) / OutputScale
type Resnet struct {
	Name         string
	In           int // channels of x, the concatenated skip included
	Skip         int // how many of In come last, from the skip; 0 outside up blocks
	Out          int
	TimeEmbedDim int
	ScaleShift   bool // time_emb_proj gives 2*Out values: scale, then shift
	Groups       int  // of norm1 (over In, so groups may straddle the skip) and norm2
	Eps          float64
	Shortcut     bool // x goes through the 1x1 conv_shortcut (In != Out)
	OutputScale  float64
}

// Attention is diffusers' Attention as used by Attn*Block2D: self-attention over
// the H*W pixels, softmax(q k^T / sqrt(HeadDim)) v, biases everywhere,
//
//	y = (x + to_out(attention(group_norm(x)))) / OutputScale
type Attention struct {
	Name        string
	Channels    int // = Heads * HeadDim
	Heads       int
	HeadDim     int
	Groups      int // of group_norm; 0: there is none
	Eps         float64
	OutputScale float64
}

// Transformer is diffusers' Transformer2DModel over the H*W pixels:
//
//	h = proj_in(norm(x));  Layers times:
//	h += attn1(norm1(h));  h += attn2(norm2(h), encoder_hidden_states)
//	h += ff.net.2(a gelu(g)), with a, g = split(ff.net.0.proj(norm3(h))), exact erf gelu
//	y = x + proj_out(h)
//
// to_q, to_k and to_v have no bias, to_out.0 has one.
type Transformer struct {
	Name     string
	Channels int // = Heads * HeadDim
	Heads    int
	HeadDim  int
	Layers   int
	// CrossDim is the width of encoder_hidden_states.
	CrossDim int
	// LinearProjection: proj_in and proj_out are linears [C, C] after the
	// permutation to [N, H*W, C]; otherwise 1x1 convolutions [C, C, 1, 1] before
	// it. The numbers are the same, the shapes of the weights are not.
	LinearProjection bool
	Groups           int     // of norm, a group norm
	Eps              float64 // of norm: 1e-6, whatever norm_eps says
	LayerEps         float64 // of norm1, norm2 and norm3, layer norms: 1e-5
}

// Resample is a 3x3 convolution of Channels to Channels. Downsample: stride 2,
// padding Padding on all sides, or with Padding 0 one row and one column of
// zeros at the bottom and right only. Upsample: nearest neighbour times 2, then
// stride 1 and padding 1.
type Resample struct {
	Name     string // prefix: "down_blocks.0.downsamplers.0"; its tensors are conv.weight and conv.bias
	Channels int
	Padding  int
}
