package unet

import (
	"fmt"
	"slices"
	"strconv"
)

// kind says what a supported block type holds.
type kind struct {
	up        bool
	attention bool // self-attention after every resnet
	cross     bool // a transformer after every resnet
}

var kinds = map[string]kind{
	"DownBlock2D":          {},
	"AttnDownBlock2D":      {attention: true},
	"CrossAttnDownBlock2D": {cross: true},
	"UpBlock2D":            {up: true},
	"AttnUpBlock2D":        {up: true, attention: true},
	"CrossAttnUpBlock2D":   {up: true, cross: true},
}

type builder struct {
	*raw
	conditional bool
	timeEmbed   int
	groups      int
	layers      int // resnets and transformers so far
}

func (r *raw) build() (*Config, error) {
	if err := r.checkSizes(); err != nil {
		return nil, err
	}
	b := builder{raw: r, conditional: r.ClassName == ClassConditional, groups: *r.NormNumGroups}
	first := r.BlockOutChannels[0]
	b.timeEmbed = 4 * first
	if r.TimeEmbeddingDim != nil && *r.TimeEmbeddingDim != 0 {
		b.timeEmbed = *r.TimeEmbeddingDim
	}
	if b.timeEmbed < 1 || b.timeEmbed > 4*maxChannels {
		return nil, fmt.Errorf("time_embedding_dim = %d: want 1 to %d", b.timeEmbed, 4*maxChannels)
	}
	c := &Config{
		Class:      r.ClassName,
		InChannels: r.InChannels, OutChannels: r.OutChannels,
		TimeChannels: first, FlipSinToCos: r.FlipSinToCos, FreqShift: r.FreqShift, TimeEmbedDim: b.timeEmbed,
		ConvInKernel: 3, ConvOutKernel: 3,
		NormGroups: b.groups, NormEps: r.NormEps,
		FitUpsample: b.conditional,
	}
	if b.conditional {
		c.ConvInKernel, c.ConvOutKernel = r.ConvInKernel, r.ConvOutKernel
	}
	if n := len(r.SampleSize); n > 0 {
		c.SampleHeight, c.SampleWidth = r.SampleSize[0], r.SampleSize[n-1]
	}
	n := len(r.BlockOutChannels)
	out := first
	for i := range n {
		in := out
		out = r.BlockOutChannels[i]
		block, err := b.down(i, in, out)
		if err != nil {
			return nil, err
		}
		c.Down = append(c.Down, block)
	}
	mid, err := b.mid(out)
	if err != nil {
		return nil, err
	}
	c.Mid = mid
	for i := range n {
		prev := out
		out = r.BlockOutChannels[n-1-i]
		in := r.BlockOutChannels[max(n-2-i, 0)]
		block, err := b.up(i, in, prev, out)
		if err != nil {
			return nil, err
		}
		c.Up = append(c.Up, block)
	}
	c.CrossAttentionDim, err = c.crossDim()
	return c, err
}

// checkSizes makes every index and product below safe.
func (r *raw) checkSizes() error {
	n := len(r.BlockOutChannels)
	if n < 1 || n > maxLevels {
		return fmt.Errorf("block_out_channels has %d levels: want 1 to %d", n, maxLevels)
	}
	if len(r.DownBlockTypes) != n || len(r.UpBlockTypes) != n {
		return fmt.Errorf("block_out_channels has %d levels, down_block_types %d and up_block_types %d: want as many of each", n, len(r.DownBlockTypes), len(r.UpBlockTypes))
	}
	conditional := r.ClassName == ClassConditional
	type list struct {
		key    string
		v      ints
		lo, hi int
		perLvl bool // a list may give one number a level
		null   bool
	}
	lists := []list{
		{key: "in_channels", v: ints{r.InChannels}, lo: 1, hi: maxChannels},
		{key: "out_channels", v: ints{r.OutChannels}, lo: 1, hi: maxChannels},
		{key: "norm_num_groups", v: ints{*r.NormNumGroups}, lo: 1, hi: maxChannels},
		{key: "layers_per_block", v: r.LayersPerBlock, lo: 1, hi: maxLayers, perLvl: conditional},
		{key: "attention_head_dim", v: r.AttentionHeadDim, lo: 1, hi: maxChannels, perLvl: conditional, null: !conditional},
	}
	if conditional {
		lists = append(lists, list{key: "cross_attention_dim", v: r.CrossAttentionDim, lo: 1, hi: maxChannels, perLvl: true})
		for _, t := range []struct {
			key string
			v   layerTable
		}{{"transformer_layers_per_block", r.TransformerLayers}, {"reverse_transformer_layers_per_block", r.ReverseTransformer}} {
			if len(t.v) != 1 && len(t.v) != n && !(t.v == nil && t.key[0] == 'r') {
				return fmt.Errorf("%s has %d levels: want 1 number or %d", t.key, len(t.v), n)
			}
			for _, row := range t.v {
				if len(row) == 0 || slices.Min(row) < 1 || slices.Max(row) > maxLayers {
					return fmt.Errorf("%s = %v: want numbers from 1 to %d", t.key, t.v, maxLayers)
				}
			}
		}
	}
	for _, l := range lists {
		if l.v == nil && l.null {
			continue
		}
		if len(l.v) != 1 && !(l.perLvl && len(l.v) == n) {
			return fmt.Errorf("%s has %d values: want 1 number%s", l.key, len(l.v), map[bool]string{true: fmt.Sprintf(" or %d", n)}[l.perLvl])
		}
		if slices.Min(l.v) < l.lo || slices.Max(l.v) > l.hi {
			return fmt.Errorf("%s = %v: want %d to %d", l.key, l.v, l.lo, l.hi)
		}
	}
	for _, c := range r.BlockOutChannels {
		if c < 1 || c > maxChannels {
			return fmt.Errorf("block_out_channels = %v: want 1 to %d", r.BlockOutChannels, maxChannels)
		}
	}
	if len(r.SampleSize) > 2 || (len(r.SampleSize) > 0 && (slices.Min(r.SampleSize) < 1 || slices.Max(r.SampleSize) > maxChannels)) {
		return fmt.Errorf("sample_size = %v: want one or two numbers from 1 to %d, or null", r.SampleSize, maxChannels)
	}
	first := r.BlockOutChannels[0]
	if first%2 != 0 || float64(first/2) <= r.FreqShift {
		return fmt.Errorf("block_out_channels[0] = %d is not supported with freq_shift = %v: want an even number above twice freq_shift", first, r.FreqShift)
	}
	if !(r.NormEps > 0 && r.NormEps < 1) {
		return fmt.Errorf("norm_eps = %v: want a small positive number", r.NormEps)
	}
	if !(r.MidBlockScaleFactor > 0) {
		return fmt.Errorf("mid_block_scale_factor = %v: want a positive number", r.MidBlockScaleFactor)
	}
	return nil
}

func (b *builder) kindOf(key string, i int, name string, up bool) (kind, string, error) {
	t := blockType(name)
	k, ok := kinds[t]
	if !ok || k.up != up {
		return k, t, fmt.Errorf("%s[%d] = %q is not supported (want one of %v)", key, i, name, blockNames(up, b.conditional))
	}
	if k.cross && !b.conditional {
		return k, t, fmt.Errorf("%s[%d] = %q needs class %s: %s has no text input", key, i, name, ClassConditional, ClassUnconditional)
	}
	return k, t, nil
}

func blockNames(up, conditional bool) []string {
	var names []string
	for name, k := range kinds {
		if k.up == up && (conditional || !k.cross) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (b *builder) down(i, in, out int) (Block, error) {
	k, t, err := b.kindOf("down_block_types", i, b.DownBlockTypes[i], false)
	if err != nil {
		return Block{}, err
	}
	block := Block{Name: "down_blocks." + strconv.Itoa(i), Type: t}
	for j := range b.LayersPerBlock.at(i) {
		if j > 0 {
			in = out
		}
		if err := b.layer(&block, k, j, i, in, 0, out, 1); err != nil {
			return Block{}, err
		}
	}
	if i < len(b.BlockOutChannels)-1 {
		block.Downsample = &Resample{Name: block.Name + ".downsamplers.0", Channels: out, Padding: b.DownsamplePadding}
	}
	return block, nil
}

func (b *builder) up(i, in, prev, out int) (Block, error) {
	k, t, err := b.kindOf("up_block_types", i, b.UpBlockTypes[i], true)
	if err != nil {
		return Block{}, err
	}
	n := len(b.BlockOutChannels)
	level := n - 1 - i
	block := Block{Name: "up_blocks." + strconv.Itoa(i), Type: t}
	layers := b.LayersPerBlock.at(level) + 1
	for j := range layers {
		main, skip := out, out
		if j == 0 {
			main = prev
		}
		if j == layers-1 {
			skip = in
		}
		if err := b.layer(&block, k, j, level, main+skip, skip, out, 1); err != nil {
			return Block{}, err
		}
	}
	if i < n-1 {
		block.Upsample = &Resample{Name: block.Name + ".upsamplers.0", Channels: out, Padding: 1}
	}
	return block, nil
}

// mid builds the middle. UNet2DModel has resnet, attention, resnet whatever the
// name says; UNet2DConditionModel's UNetMidBlock2D is one resnet alone.
func (b *builder) mid(channels int) (*Block, error) {
	if b.MidBlockType == nil {
		return nil, nil
	}
	name := *b.MidBlockType
	cross := name == "UNetMidBlock2DCrossAttn"
	if name != "UNetMidBlock2D" && !(cross && b.conditional) {
		return nil, fmt.Errorf("mid_block_type = %q is not supported (want UNetMidBlock2D%s)", name, map[bool]string{true: " or UNetMidBlock2DCrossAttn"}[b.conditional])
	}
	block := &Block{Name: "mid_block", Type: name}
	level := len(b.BlockOutChannels) - 1
	k := kind{attention: !b.conditional && b.AddAttention, cross: cross}
	if err := b.layer(block, k, 0, level, channels, 0, channels, b.MidBlockScaleFactor); err != nil {
		return nil, err
	}
	if b.conditional && !cross {
		return block, nil
	}
	if k.attention { // its norm is the middle's own
		a := block.Attentions[0]
		switch {
		case b.AttnNormNumGroups != nil:
			a.Groups = *b.AttnNormNumGroups
			if a.Groups < 1 || channels%a.Groups != 0 {
				return nil, fmt.Errorf("attn_norm_num_groups = %d does not divide the middle's %d channels", a.Groups, channels)
			}
		case b.ResnetTimeScaleShift != "default":
			a.Groups = 0
		}
	} else if !cross {
		block.Attentions = []*Attention{nil}
	}
	return block, b.layer(block, kind{}, 1, level, channels, 0, channels, b.MidBlockScaleFactor)
}

// layer appends resnet j and what follows it.
func (b *builder) layer(block *Block, k kind, j, level, in, skip, out int, scale float64) error {
	if in%b.groups != 0 || out%b.groups != 0 {
		return fmt.Errorf("norm_num_groups = %d does not divide the channels %d -> %d of %s.resnets.%d", b.groups, in, out, block.Name, j)
	}
	if b.layers++; b.layers > maxTotal {
		return fmt.Errorf("%s.resnets.%d: more than %d layers in all", block.Name, j, maxTotal)
	}
	block.Resnets = append(block.Resnets, Resnet{
		Name: fmt.Sprintf("%s.resnets.%d", block.Name, j),
		In:   in, Skip: skip, Out: out,
		TimeEmbedDim: b.timeEmbed, ScaleShift: b.ResnetTimeScaleShift == "scale_shift",
		Groups: b.groups, Eps: b.NormEps,
		Shortcut: in != out, OutputScale: scale,
	})
	name := fmt.Sprintf("%s.attentions.%d", block.Name, j)
	switch {
	case k.attention:
		// attention_head_dim is the width of a head here; null means one head.
		headDim := out
		if b.AttentionHeadDim != nil {
			headDim = b.AttentionHeadDim.at(level)
		}
		if out%headDim != 0 {
			return fmt.Errorf("attention_head_dim = %d does not divide the %d channels of %s", headDim, out, name)
		}
		if headDim%4 != 0 {
			return fmt.Errorf("attention_head_dim = %d of %s is not supported: heads are multiples of 4 channels wide here", headDim, name)
		}
		block.Attentions = append(block.Attentions, &Attention{
			Name: name, Channels: out, Heads: out / headDim, HeadDim: headDim,
			Groups: b.groups, Eps: b.NormEps, OutputScale: scale,
		})
	case k.cross:
		// and the number of heads here (diffusers issue 2011).
		heads := b.AttentionHeadDim.at(level)
		if out%heads != 0 {
			return fmt.Errorf("attention_head_dim = %d heads do not divide the %d channels of %s", heads, out, name)
		}
		if out/heads%4 != 0 {
			return fmt.Errorf("attention_head_dim = %d heads of the %d channels of %s are not supported: heads are multiples of 4 channels wide here", heads, out, name)
		}
		table, row := b.TransformerLayers, level
		if kinds[block.Type].up && b.ReverseTransformer != nil {
			table, row = b.ReverseTransformer, len(b.BlockOutChannels)-1-level
		}
		layers, err := table.at(row, j)
		if err != nil {
			return err
		}
		if b.layers += layers; b.layers > maxTotal {
			return fmt.Errorf("%s: more than %d layers in all", name, maxTotal)
		}
		block.Transformers = append(block.Transformers, &Transformer{
			Name: name, Channels: out, Heads: heads, HeadDim: out / heads,
			Layers: layers, CrossDim: b.CrossAttentionDim.at(level),
			LinearProjection: b.UseLinearProjection,
			Groups:           b.groups, Eps: 1e-6, LayerEps: 1e-5,
		})
	}
	return nil
}

// crossDim is the one width of encoder_hidden_states that all layers share.
func (c *Config) crossDim() (int, error) {
	dim := 0
	for b := range c.Blocks() {
		for _, t := range b.Transformers {
			if dim != 0 && dim != t.CrossDim {
				return 0, fmt.Errorf("cross_attention_dim: %s wants %d and another layer %d: one text cannot have both", t.Name, t.CrossDim, dim)
			}
			dim = t.CrossDim
		}
	}
	return dim, nil
}

// Blocks yields every block in forward order.
func (c *Config) Blocks() func(yield func(*Block) bool) {
	return func(yield func(*Block) bool) {
		for i := range c.Down {
			if !yield(&c.Down[i]) {
				return
			}
		}
		if c.Mid != nil && !yield(c.Mid) {
			return
		}
		for i := range c.Up {
			if !yield(&c.Up[i]) {
				return
			}
		}
	}
}
