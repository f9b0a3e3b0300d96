package nn

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/shaders"
	"github.com/mcdm/mcdm/weights/bundle"
	"github.com/mcdm/mcdm/weights/unet"
)

// Stack is eps networks of one make: the same layers of the same shapes, but
// for what comes in and for where they attend. What they share is recorded for
// any number of them in one launch: a single small network does not fill a GPU.
type Stack struct {
	configs []*unet.Config
	params  *params
}

// Network is one eps network of a stack.
type Network struct {
	Config *unet.Config
	Source Source
}

// NewStack describes networks that are Alike. Recording them makes room for
// their weights, which Put brings.
func NewStack(m record.Machine, nets ...Network) *Stack {
	s := &Stack{params: newParams(m)}
	for _, n := range nets {
		s.configs = append(s.configs, n.Config)
		s.params.sources = append(s.params.sources, n.Source)
	}
	return s
}

// Put copies the data of a network's tensor to the machine. A recording must
// have asked for it.
func (s *Stack) Put(network int, t bundle.Tensor) error { return s.params.put(network, t) }

// Alike tells whether two networks can be in one stack.
func Alike(a, b *unet.Config) bool { return reflect.DeepEqual(makeOf(a), makeOf(b)) }

// makeOf is a network's make: its configuration without what may differ. Where a
// block attends remains, how does not.
func makeOf(c *unet.Config) unet.Config {
	m := *c
	m.Class, m.SampleHeight, m.SampleWidth, m.InChannels, m.CrossAttentionDim, m.FitUpsample = "", 0, 0, 0, 0, false
	bare := func(b unet.Block) unet.Block {
		b.Type = ""
		attends := make([]*unet.Attention, len(b.Resnets))
		for j := range attends {
			if attention(&b, j) != nil || transformer(&b, j) != nil {
				attends[j] = &unet.Attention{}
			}
		}
		b.Attentions, b.Transformers = attends, nil
		return b
	}
	m.Down, m.Up = slices.Clone(c.Down), slices.Clone(c.Up)
	for i := range m.Down {
		m.Down[i] = bare(m.Down[i])
	}
	for i := range m.Up {
		m.Up[i] = bare(m.Up[i])
	}
	if c.Mid != nil {
		mid := bare(*c.Mid)
		m.Mid = &mid
	}
	return m
}

func attention(b *unet.Block, j int) *unet.Attention {
	if j < len(b.Attentions) {
		return b.Attentions[j]
	}
	return nil
}

func transformer(b *unet.Block, j int) *unet.Transformer {
	if j < len(b.Transformers) {
		return b.Transformers[j]
	}
	return nil
}

// Inputs of one recording of some networks, for a batch of N.
type Inputs struct {
	Z       shaders.Tensor // [N, H, W, C] z_t
	T       shaders.Tensor // [at least len(Members) * N, 1, 1, 1] t, as f32, the same N values for each member
	Members []Member
	// Kept holds keys and values of cross-attentions between recordings into one
	// plan, which share them; nil: nothing is shared.
	Kept map[string]shaders.Tensor
}

// Member is one evaluation: a network of the stack with its condition.
type Member struct {
	Network int            // of the stack
	Cond    shaders.Tensor // [N, H, W, Cc] concatenated after z; unbound when the network has none
	Context shaders.Tensor // [N, 1, L, D] encoder_hidden_states; unbound when the network has none
	Eps     shaders.Tensor // [N, H, W, C'] the result
}

// Record appends one evaluation eps(z, t) of every member to step, and to once
// what depends on the context alone: keys and values of the cross-attention.
//
// A shape that a network cannot take panics; a tensor that is missing, or
// finds no room, is an error.
func (s *Stack) Record(plan *record.Plan, once, step *record.Program, in Inputs) (err error) {
	defer catch(&err)
	if in.Kept == nil {
		in.Kept = map[string]shaders.Tensor{}
	}
	together := shaders.MaxStack
	for _, m := range in.Members {
		c := s.configs[m.Network]
		if got := in.Z.C + m.Cond.C; got != c.InChannels || m.Eps.C != c.OutChannels {
			panic(fmt.Sprintf("nn: network of %d -> %d channels recorded for z %v, condition %v, eps %v",
				c.InChannels, c.OutChannels, in.Z, m.Cond, m.Eps))
		}
		if c.CrossAttentionDim != m.Context.C {
			panic(fmt.Sprintf("nn: network attends to %d channels, context is %v", c.CrossAttentionDim, m.Context))
		}
		if !separable(c, in.Z, m.Context.W) {
			together = 1
		}
	}
	all := make([]int, len(s.configs))
	for i := range all {
		all[i] = i
	}
	for members := range slices.Chunk(in.Members, together) {
		var nets []int
		for _, m := range members {
			nets = append(nets, m.Network)
		}
		b := &recorder{
			layers: layers{s.params, plan, step, all, nets}, once: layers{s.params, plan, once, all, nets},
			configs: s.configs, members: members, kept: in.Kept,
		}
		b.record(in.Z, samples(in.T, 0, len(members)*in.Z.N))
	}
	return nil
}

// separable tells whether the samples of one network can be bound without the
// others at every level: WebGPU binds from multiples of 256 bytes.
func separable(c *unet.Config, z shaders.Tensor, length int) bool {
	h, w := z.H, z.W
	for i := range c.Down {
		channels := c.Down[i].Resnets[0].Out
		if z.N*h*w*channels%64 != 0 || z.N*length*2*channels%64 != 0 {
			return false
		}
		h, w = (h+1)/2, (w+1)/2
	}
	return true
}

// recorder records some networks of a stack.
type recorder struct {
	layers
	once    layers
	configs []*unet.Config
	members []Member
	kept    map[string]shaders.Tensor
	shifts  map[string]timeShift // by resnet
}

func (b *recorder) record(z, t shaders.Tensor) {
	c := b.configs[b.members[0].Network] // any: they are alike
	b.time(c, t)
	h := b.plan.Scratch("conv_in", t.N, z.H, z.W, c.TimeChannels)
	for i, m := range b.members {
		in := layers{b.params, b.plan, b.to, []int{m.Network}, nil}
		in.conv("conv_in", z, m.Cond, c.TimeChannels, c.ConvInKernel, shaders.Conv2DArgs{Y: samples(h, i*z.N, z.N)})
	}
	skips := []shaders.Tensor{h}
	for i := range c.Down {
		at := func(c *unet.Config) *unet.Block { return &c.Down[i] }
		for j, r := range c.Down[i].Resnets {
			h = b.attend(at, j, b.resnet(r, h, shaders.Tensor{}))
			skips = append(skips, h)
		}
		if d := c.Down[i].Downsample; d != nil {
			h = b.downsample(d, h)
			skips = append(skips, h)
		}
	}
	if c.Mid != nil {
		h = b.resnet(c.Mid.Resnets[0], h, shaders.Tensor{})
		for j, r := range c.Mid.Resnets[1:] {
			h = b.attend(func(c *unet.Config) *unet.Block { return c.Mid }, j, h)
			h = b.resnet(r, h, shaders.Tensor{})
		}
	}
	for i := range c.Up {
		at := func(c *unet.Config) *unet.Block { return &c.Up[i] }
		for j, r := range c.Up[i].Resnets {
			skip := skips[len(skips)-1]
			skips = skips[:len(skips)-1]
			h = b.attend(at, j, b.resnet(r, h, skip))
		}
		if up := c.Up[i].Upsample; up != nil {
			grid := shaders.Tensor{H: 2 * h.H, W: 2 * h.W}
			if b.fitUpsample() {
				grid = skips[len(skips)-1]
			}
			y := b.plan.Scratch(up.Name, h.N, grid.H, grid.W, up.Channels)
			h = b.conv(up.Name+".conv", h, shaders.Tensor{}, up.Channels, 3, shaders.Conv2DArgs{Y: y, Upsample: 2})
		}
	}
	h = b.groupNorm("conv_norm_out", h, shaders.Tensor{}, c.NormGroups, c.NormEps, true, timeShift{})
	if eps, ok := adjoining(b.members); ok {
		b.conv("conv_out", h, shaders.Tensor{}, c.OutChannels, c.ConvOutKernel, shaders.Conv2DArgs{Y: eps})
		return
	}
	for i, m := range b.members {
		out := b.layers
		out.nets = b.nets[i : i+1]
		out.conv("conv_out", samples(h, i*z.N, z.N), shaders.Tensor{}, c.OutChannels, c.ConvOutKernel, shaders.Conv2DArgs{Y: m.Eps})
	}
}

// adjoining is the results of all members as one tensor, if they lie one after the
// other.
func adjoining(members []Member) (eps shaders.Tensor, ok bool) {
	eps = members[0].Eps
	for i, m := range members {
		if m.Eps != samples(eps, i*eps.N, eps.N) {
			return eps, false
		}
	}
	return samples(eps, 0, len(members)*eps.N), true
}

// fitUpsample: networks that do not fit their grid to the skip cannot run where
// that makes a difference.
func (b *recorder) fitUpsample() bool {
	return slices.ContainsFunc(b.members, func(m Member) bool { return b.configs[m.Network].FitUpsample })
}

// timeShift is what the time adds to a resnet: its channels of all resnets'
// time_emb_proj(silu(temb)), [N, 1, 1, sum of their widths].
type timeShift struct {
	of     shaders.Tensor
	offset int
}

// time records the embedding of t and the projections of all resnets, which
// read nothing else, in one launch.
func (b *recorder) time(c *unet.Config, t shaders.Tensor) {
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

// attend records the attention behind a block's j-th resnet, where there is one.
// Members that attend in the same way, next to each other, and to as many tokens, do
// it in one launch.
func (b *recorder) attend(at func(*unet.Config) *unet.Block, j int, h shaders.Tensor) shaders.Tensor {
	type how struct {
		*unet.Attention
		*unet.Transformer
	}
	of := func(network int) how {
		block := at(b.configs[network])
		return how{attention(block, j), transformer(block, j)}
	}
	if of(b.members[0].Network) == (how{}) {
		return h // as in all others
	}
	y := b.plan.Scratch("attention", h.N, h.H, h.W, h.C)
	n := h.N / len(b.members)
	for first := 0; first < len(b.members); {
		same := of(b.members[first].Network)
		last := first
		for last < len(b.members) && reflect.DeepEqual(of(b.members[last].Network), same) &&
			b.members[last].Context.W == b.members[first].Context.W {
			last++
		}
		part := *b
		part.members = b.members[first:last]
		part.of, part.nets = nil, nil
		for network := range b.configs {
			if reflect.DeepEqual(of(network), same) {
				part.of = append(part.of, network)
			}
		}
		for _, m := range part.members {
			part.nets = append(part.nets, slices.Index(part.of, m.Network))
		}
		part.once.of = part.of
		x, out := samples(h, first*n, (last-first)*n), samples(y, first*n, (last-first)*n)
		if same.Attention != nil {
			part.selfAttention(same.Attention, x, out)
		} else {
			part.transformer(same.Transformer, x, out)
		}
		first = last
	}
	return y
}

func (b *recorder) resnet(r unet.Resnet, x, skip shaders.Tensor) shaders.Tensor {
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

func (b *recorder) downsample(d *unet.Resample, x shaders.Tensor) shaders.Tensor {
	// With padding 0 diffusers adds one row and column of zeros at the bottom
	// and right, which is what reading outside gives.
	side := func(n int) int { return (n+max(2*d.Padding, 1)-3)/2 + 1 }
	if d.Padding == 0 && (x.H%2 != 0 || x.W%2 != 0) { // half of it, rounded down, does not double to as much
		check(fmt.Errorf("%s: an odd grid, %dx%d, with downsample_padding 0: not supported", d.Name, x.H, x.W))
	}
	y := b.plan.Scratch(d.Name, x.N, side(x.H), side(x.W), d.Channels)
	return b.conv(d.Name+".conv", x, shaders.Tensor{}, d.Channels, 3,
		shaders.Conv2DArgs{Y: y, Stride: 2, PadTop: d.Padding, PadLeft: d.Padding})
}

func (b *recorder) selfAttention(a *unet.Attention, x, y shaders.Tensor) {
	h := x
	if a.Groups > 0 {
		h = b.groupNorm(a.Name+".group_norm", x, shaders.Tensor{}, a.Groups, a.Eps, false, timeShift{})
	}
	c := a.Channels
	qkv := b.stacked(a.Name+".to_qkv", []string{a.Name + ".to_q", a.Name + ".to_k", a.Name + ".to_v"}, true, sequence(h), []int{c, c, c}, shaders.Conv2DArgs{})
	h = b.attention(a.Name, a.Heads, a.HeadDim, qkv, 0, qkv, c, 2*c)
	b.linear(a.Name+".to_out.0", h, c,
		shaders.Conv2DArgs{Residual: sequence(x), OutScale: float32(1 / a.OutputScale), Y: sequence(y)})
}

func (b *recorder) transformer(t *unet.Transformer, x, y shaders.Tensor) {
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
		kv := b.keysAndValues(name+".attn2", c)
		a = b.attention(name+".attn2", t.Heads, t.HeadDim, q, 0, kv, 0, c)
		h = b.linear(name+".attn2.to_out.0", a, c, shaders.Conv2DArgs{Residual: h})

		n = b.layerNorm(name+".norm3", h, t.LayerEps)
		g := b.linear(name+".ff.net.0.proj", n, 8*c, shaders.Conv2DArgs{})
		f := b.plan.Scratch(name+".ff.net.0", h.N, 1, h.W, 4*c)
		b.to.Add(name+".ff.net.0", shaders.GEGLU(shaders.GEGLUArgs{X: g, Y: f}))
		h = b.linear(name+".ff.net.2", f, c, shaders.Conv2DArgs{Residual: h})
	}
	b.linear(t.Name+".proj_out", h, c, shaders.Conv2DArgs{Residual: sequence(x), Y: sequence(y)})
}

// keysAndValues are those of the members' contexts, [members * N, 1, L, 2 C],
// made once.
func (b *recorder) keysAndValues(name string, c int) shaders.Tensor {
	key := name
	for _, m := range b.members {
		key += fmt.Sprintf(" %d:%d", m.Network, m.Context.Buffer)
	}
	if kv, ok := b.kept[key]; ok {
		return kv
	}
	context := b.members[0].Context
	kv := b.plan.Keep(name+".to_kv", len(b.members)*context.N, 1, context.W, 2*c)
	for i, m := range b.members {
		once := b.once
		once.nets = b.nets[i : i+1]
		once.stacked(name+".to_kv", []string{name + ".to_k", name + ".to_v"}, false, m.Context, []int{c, c},
			shaders.Conv2DArgs{Y: samples(kv, i*context.N, context.N)})
	}
	b.kept[key] = kv
	return kv
}
