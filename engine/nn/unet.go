package nn

import (
	"fmt"

	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/shaders"
	"github.com/mcdm/mcdm/weights/unet"
)

// UNet is one eps network with its weights on a machine.
type UNet struct {
	Config *unet.Config
	params *params
}

// NewUNet describes a network; its weights are uploaded when it is first
// recorded.
func NewUNet(m record.Machine, c *unet.Config, s Source) *UNet {
	return &UNet{c, newParams(m, s)}
}

// Inputs of one recording of a network, for a batch of N.
type Inputs struct {
	Z       shaders.Tensor // [N, H, W, C] z_t
	Cond    shaders.Tensor // [N, H, W, Cc] concatenated after z; unbound when the network has none
	Context shaders.Tensor // [N, 1, L, D] encoder_hidden_states; unbound when the network has none
	T       shaders.Tensor // [N, 1, 1, 1] t, as f32
	Eps     shaders.Tensor // [N, H, W, C'] the result
}

// Record appends one evaluation eps(z, t) to step, and to once what depends on
// the context alone: keys and values of the cross-attention.
//
// A shape that the network cannot take panics; a tensor that cannot be read or
// uploaded is an error.
func (u *UNet) Record(plan *record.Plan, once, step *record.Program, in Inputs) (err error) {
	defer catch(&err)
	c := u.Config
	if got := in.Z.C + in.Cond.C; got != c.InChannels || in.Eps.C != c.OutChannels {
		panic(fmt.Sprintf("nn: network of %d -> %d channels recorded for z %v, condition %v, eps %v",
			c.InChannels, c.OutChannels, in.Z, in.Cond, in.Eps))
	}
	if c.CrossAttentionDim != in.Context.C {
		panic(fmt.Sprintf("nn: network attends to %d channels, context is %v", c.CrossAttentionDim, in.Context))
	}
	b := &unetRecorder{layers: layers{u.params, plan, step}, once: layers{u.params, plan, once}, context: in.Context}
	b.time(c, in.T)

	h := b.conv("conv_in", in.Z, in.Cond, c.TimeChannels, c.ConvInKernel, shaders.Conv2DArgs{})
	skips := []shaders.Tensor{h}
	for i := range c.Down {
		block := &c.Down[i]
		for j, r := range block.Resnets {
			h = b.layer(block, r, j, h, shaders.Tensor{})
			skips = append(skips, h)
		}
		if d := block.Downsample; d != nil {
			h = b.downsample(d, h)
			skips = append(skips, h)
		}
	}
	if c.Mid != nil {
		h = b.resnet(c.Mid.Resnets[0], h, shaders.Tensor{})
		for j, r := range c.Mid.Resnets[1:] {
			h = b.attend(c.Mid, j, h)
			h = b.resnet(r, h, shaders.Tensor{})
		}
	}
	for i := range c.Up {
		block := &c.Up[i]
		for j, r := range block.Resnets {
			skip := skips[len(skips)-1]
			skips = skips[:len(skips)-1]
			h = b.layer(block, r, j, h, skip)
		}
		if up := block.Upsample; up != nil {
			grid := shaders.Tensor{H: 2 * h.H, W: 2 * h.W}
			if c.FitUpsample {
				grid = skips[len(skips)-1]
			}
			y := plan.Scratch(up.Name, h.N, grid.H, grid.W, up.Channels)
			h = b.conv(up.Name+".conv", h, shaders.Tensor{}, up.Channels, 3, shaders.Conv2DArgs{Y: y, Upsample: 2})
		}
	}
	h = b.groupNorm("conv_norm_out", h, shaders.Tensor{}, c.NormGroups, c.NormEps, true, timeShift{})
	b.conv("conv_out", h, shaders.Tensor{}, c.OutChannels, c.ConvOutKernel, shaders.Conv2DArgs{Y: in.Eps})
	return nil
}

type unetRecorder struct {
	layers
	once    layers
	context shaders.Tensor
	shifts  map[string]timeShift // by resnet
}

// timeShift is what the time adds to a resnet: its channels of all resnets'
// time_emb_proj(silu(temb)), [N, 1, 1, sum of their widths].
type timeShift struct {
	of     shaders.Tensor
	offset int
}

// time records the embedding of t and the projections of all resnets, which
// read nothing else, in one launch.
func (b *unetRecorder) time(c *unet.Config, t shaders.Tensor) {
	sinusoid := b.plan.Scratch("time_proj", t.N, 1, 1, c.TimeChannels)
	b.to.Add("time_proj", shaders.TimeEmbedding(shaders.TimeEmbeddingArgs{
		T: t, Frequency: b.frequencies(c.TimeChannels, c.FreqShift), Y: sinusoid, FlipSinToCos: c.FlipSinToCos,
	}))
	silu := shaders.Conv2DArgs{Activation: shaders.SiLU}
	h := b.linear("time_embedding.linear_1", sinusoid, c.TimeEmbedDim, silu)
	temb := b.linear("time_embedding.linear_2", h, c.TimeEmbedDim, silu)

	var names []string
	var widths []int
	for _, r := range c.Resnets() {
		names = append(names, r.Name+".time_emb_proj")
		widths = append(widths, r.Out)
		if r.ScaleShift {
			widths[len(widths)-1] *= 2
		}
	}
	all := b.stacked("time_emb_proj", names, true, temb, widths, shaders.Conv2DArgs{})
	b.shifts = map[string]timeShift{}
	offset := 0
	for i, r := range c.Resnets() {
		b.shifts[r.Name] = timeShift{all, offset}
		offset += (widths[i] + 3) &^ 3
	}
}

// layer is a resnet and the attention that follows it in its block.
func (b *unetRecorder) layer(block *unet.Block, r unet.Resnet, j int, x, skip shaders.Tensor) shaders.Tensor {
	return b.attend(block, j, b.resnet(r, x, skip))
}

func (b *unetRecorder) attend(block *unet.Block, j int, h shaders.Tensor) shaders.Tensor {
	if j < len(block.Attentions) && block.Attentions[j] != nil {
		return b.selfAttention(block.Attentions[j], h)
	}
	if j < len(block.Transformers) && block.Transformers[j] != nil {
		return b.transformer(block.Transformers[j], h)
	}
	return h
}

func (b *unetRecorder) resnet(r unet.Resnet, x, skip shaders.Tensor) shaders.Tensor {
	none, shift := shaders.Tensor{}, b.shifts[r.Name]
	h := b.groupNorm(r.Name+".norm1", x, skip, r.Groups, r.Eps, true, timeShift{})
	if r.ScaleShift {
		h = b.conv(r.Name+".conv1", h, none, r.Out, 3, shaders.Conv2DArgs{})
		h = b.groupNorm(r.Name+".norm2", h, none, r.Groups, r.Eps, true, shift)
	} else {
		h = b.conv(r.Name+".conv1", h, none, r.Out, 3, shaders.Conv2DArgs{TimeBias: shift.of, TimeOffset: shift.offset})
		h = b.groupNorm(r.Name+".norm2", h, none, r.Groups, r.Eps, true, timeShift{})
	}
	residual := x
	switch {
	case r.Shortcut:
		residual = b.conv(r.Name+".conv_shortcut", x, skip, r.Out, 1, shaders.Conv2DArgs{})
	case skip.Ok():
		check(fmt.Errorf("%s adds its %d + %d concatenated inputs to its output without conv_shortcut: not supported", r.Name, x.C, skip.C))
	}
	return b.conv(r.Name+".conv2", h, none, r.Out, 3,
		shaders.Conv2DArgs{Residual: residual, OutScale: float32(1 / r.OutputScale)})
}

func (b *unetRecorder) downsample(d *unet.Resample, x shaders.Tensor) shaders.Tensor {
	// With padding 0 diffusers adds one row and column of zeros at the bottom
	// and right, which is what reading outside gives.
	side := func(n int) int { return (n+max(2*d.Padding, 1)-3)/2 + 1 }
	y := b.plan.Scratch(d.Name, x.N, side(x.H), side(x.W), d.Channels)
	return b.conv(d.Name+".conv", x, shaders.Tensor{}, d.Channels, 3,
		shaders.Conv2DArgs{Y: y, Stride: 2, PadTop: d.Padding, PadLeft: d.Padding})
}

func (b *unetRecorder) selfAttention(a *unet.Attention, x shaders.Tensor) shaders.Tensor {
	h := x
	if a.Groups > 0 {
		h = b.groupNorm(a.Name+".group_norm", x, shaders.Tensor{}, a.Groups, a.Eps, false, timeShift{})
	}
	c := a.Channels
	qkv := b.stacked(a.Name+".to_qkv", []string{a.Name + ".to_q", a.Name + ".to_k", a.Name + ".to_v"}, true, sequence(h), []int{c, c, c}, shaders.Conv2DArgs{})
	h = b.attention(a.Name, a.Heads, a.HeadDim, qkv, 0, qkv, c, 2*c)
	y := b.linear(a.Name+".to_out.0", h, c,
		shaders.Conv2DArgs{Residual: sequence(x), OutScale: float32(1 / a.OutputScale)})
	return like(y, x)
}

func (b *unetRecorder) transformer(t *unet.Transformer, x shaders.Tensor) shaders.Tensor {
	c := t.Channels
	h := b.groupNorm(t.Name+".norm", x, shaders.Tensor{}, t.Groups, t.Eps, false, timeShift{})
	h = b.linear(t.Name+".proj_in", sequence(h), c, shaders.Conv2DArgs{})
	for i := range t.Layers {
		name := fmt.Sprintf("%s.transformer_blocks.%d", t.Name, i)

		n := b.layerNorm(name+".norm1", h, t.LayerEps)
		qkv := b.stacked(name+".attn1.to_qkv", []string{name + ".attn1.to_q", name + ".attn1.to_k", name + ".attn1.to_v"}, false, n, []int{c, c, c}, shaders.Conv2DArgs{})
		a := b.attention(name+".attn1", t.Heads, t.HeadDim, qkv, 0, qkv, c, 2*c)
		h = b.linear(name+".attn1.to_out.0", a, c, shaders.Conv2DArgs{Residual: h})

		n = b.layerNorm(name+".norm2", h, t.LayerEps)
		q := b.stacked(name+".attn2.to_q", []string{name + ".attn2.to_q"}, false, n, []int{c}, shaders.Conv2DArgs{})
		kv := b.plan.Keep(name+".attn2.to_kv", b.context.N, 1, b.context.W, 2*c)
		b.once.stacked(name+".attn2.to_kv", []string{name + ".attn2.to_k", name + ".attn2.to_v"}, false, b.context, []int{c, c}, shaders.Conv2DArgs{Y: kv})
		a = b.attention(name+".attn2", t.Heads, t.HeadDim, q, 0, kv, 0, c)
		h = b.linear(name+".attn2.to_out.0", a, c, shaders.Conv2DArgs{Residual: h})

		n = b.layerNorm(name+".norm3", h, t.LayerEps)
		g := b.linear(name+".ff.net.0.proj", n, 8*c, shaders.Conv2DArgs{})
		f := b.plan.Scratch(name+".ff.net.0", h.N, 1, h.W, 4*c)
		b.to.Add(name+".ff.net.0", shaders.GEGLU(shaders.GEGLUArgs{X: g, Y: f}))
		h = b.linear(name+".ff.net.2", f, c, shaders.Conv2DArgs{Residual: h})
	}
	y := b.linear(t.Name+".proj_out", h, c, shaders.Conv2DArgs{Residual: sequence(x)})
	return like(y, x)
}
