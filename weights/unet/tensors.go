package unet

import (
	"strconv"
	"strings"
)

// Tensors returns the name and shape of every tensor of the network's state
// dict: convolutions [O, I, kh, kw], linears [O, I], norms and biases [C].
func (c *Config) Tensors() map[string][]int {
	s := shapes{}
	first := c.TimeChannels // block_out_channels[0]
	s.conv("conv_in", c.InChannels, first, c.ConvInKernel)
	s.linear("time_embedding.linear_1", c.TimeChannels, c.TimeEmbedDim)
	s.linear("time_embedding.linear_2", c.TimeEmbedDim, c.TimeEmbedDim)
	for i := range c.Down {
		s.block(&c.Down[i])
	}
	if c.Mid != nil {
		s.block(c.Mid)
	}
	for i := range c.Up {
		s.block(&c.Up[i])
	}
	s.norm("conv_norm_out", first)
	s.conv("conv_out", first, c.OutChannels, c.ConvOutKernel)
	return s
}

type shapes map[string][]int

func (s shapes) norm(name string, c int) {
	s[name+".weight"] = []int{c}
	s[name+".bias"] = []int{c}
}

func (s shapes) linear(name string, in, out int) {
	s[name+".weight"] = []int{out, in}
	s[name+".bias"] = []int{out}
}

func (s shapes) conv(name string, in, out, k int) {
	s[name+".weight"] = []int{out, in, k, k}
	s[name+".bias"] = []int{out}
}

func (s shapes) block(b *Block) {
	for _, r := range b.Resnets {
		s.resnet(r)
	}
	for _, a := range b.Attentions {
		if a != nil {
			s.attention(a)
		}
	}
	for _, t := range b.Transformers {
		s.transformer(t)
	}
	for _, r := range []*Resample{b.Downsample, b.Upsample} {
		if r != nil {
			s.conv(r.Name+".conv", r.Channels, r.Channels, 3)
		}
	}
}

func (s shapes) resnet(r Resnet) {
	s.norm(r.Name+".norm1", r.In)
	s.conv(r.Name+".conv1", r.In, r.Out, 3)
	s.linear(r.Name+".time_emb_proj", r.TimeEmbedDim, r.timeOut())
	s.norm(r.Name+".norm2", r.Out)
	s.conv(r.Name+".conv2", r.Out, r.Out, 3)
	if r.Shortcut {
		s.conv(r.Name+".conv_shortcut", r.In, r.Out, 1)
	}
}

func (r *Resnet) timeOut() int {
	if r.ScaleShift {
		return 2 * r.Out
	}
	return r.Out
}

func (s shapes) attention(a *Attention) {
	if a.Groups > 0 {
		s.norm(a.Name+".group_norm", a.Channels)
	}
	for _, p := range []string{".to_q", ".to_k", ".to_v", ".to_out.0"} {
		s.linear(a.Name+p, a.Channels, a.Channels)
	}
}

func (s shapes) transformer(t *Transformer) {
	c := t.Channels
	s.norm(t.Name+".norm", c)
	for _, p := range []string{".proj_in", ".proj_out"} {
		if t.LinearProjection {
			s.linear(t.Name+p, c, c)
		} else {
			s.conv(t.Name+p, c, c, 1)
		}
	}
	for i := range t.Layers {
		b := t.Name + ".transformer_blocks." + strconv.Itoa(i)
		for _, n := range []string{".norm1", ".norm2", ".norm3"} {
			s.norm(b+n, c)
		}
		for _, a := range []struct {
			name string
			kv   int
		}{{".attn1", c}, {".attn2", t.CrossDim}} {
			s[b+a.name+".to_q.weight"] = []int{c, c}
			s[b+a.name+".to_k.weight"] = []int{c, a.kv}
			s[b+a.name+".to_v.weight"] = []int{c, a.kv}
			s.linear(b+a.name+".to_out.0", c, c)
		}
		s.linear(b+".ff.net.0.proj", c, 8*c)
		s.linear(b+".ff.net.2", 4*c, c)
	}
}

// oldAttention maps the names of AttentionBlock, which diffusers had before
// 0.17 and which google/ddpm-* still carry, to those of Attention.
var oldAttention = map[string]string{
	"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0",
}

// CanonicalName turns a tensor's name of an old checkpoint into today's:
// "mid_block.attentions.0.proj_attn.bias" into
// "mid_block.attentions.0.to_out.0.bias". Other names come back unchanged.
func CanonicalName(name string) string {
	rest, leaf, ok := cutLast(name)
	if !ok {
		return name
	}
	block, layer, ok := cutLast(rest)
	if !ok || !strings.Contains(block, "attentions.") {
		return name
	}
	if now, old := oldAttention[layer]; old {
		return block + "." + now + "." + leaf
	}
	return name
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}
