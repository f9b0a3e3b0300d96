package nn

import (
	"fmt"

	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/shaders"
	"github.com/mcdm/mcdm/weights/bundle"
	"github.com/mcdm/mcdm/weights/textencoder"
)

// TextEncoder turns token ids into encoder_hidden_states: a pre-norm
// transformer encoder without masks, padding attended to like any token.
//
//	x = token[ids] + position
//	x += out_proj(attention(layer_norm1(x)))     for each layer
//	x += fc2(gelu(fc1(layer_norm2(x))))
//	y = final_layer_norm(x)
type TextEncoder struct {
	Config *textencoder.Config
	params *params
}

// NewTextEncoder describes an encoder. Recording it makes room for its weights,
// which Put brings.
func NewTextEncoder(m record.Machine, c *textencoder.Config, s Source) *TextEncoder {
	return &TextEncoder{c, newParams(m, s)}
}

// Put copies a tensor's data to the machine. It must have been recorded.
func (e *TextEncoder) Put(t bundle.Tensor) error { return e.params.put(0, t) }

// Record appends the encoder to a program. tokens is [N, 1, L, 1] of u32, the
// result y [N, 1, L, D].
func (e *TextEncoder) Record(plan *record.Plan, to *record.Program, tokens, y shaders.Tensor) (err error) {
	defer catch(&err)
	c := e.Config
	if tokens.W != c.Length || y.W != tokens.W || y.C != c.Hidden {
		panic(fmt.Sprintf("nn: text encoder of length %d and width %d recorded for tokens %v and output %v",
			c.Length, c.Hidden, tokens, y))
	}
	l := layers{e.params, plan, to, []int{0}, nil}
	d := c.Hidden
	x := plan.Scratch("embeddings", tokens.N, 1, tokens.W, d)
	to.Add("embeddings", shaders.Embedding(shaders.EmbeddingArgs{
		Tokens:   tokens,
		Table:    l.rows("text_model.embeddings.token_embedding.weight", c.VocabSize, d),
		Position: l.rows("text_model.embeddings.position_embedding.weight", c.Length, d),
		Y:        x,
	}))
	for i := range c.Layers {
		name := textencoder.LayerName(i)
		n := l.layerNorm(name+".layer_norm1", x, textencoder.Eps)
		qkv := l.stacked(name+".self_attn.qkv_proj",
			[]string{name + ".self_attn.q_proj", name + ".self_attn.k_proj", name + ".self_attn.v_proj"}, true, n, []int{d, d, d}, shaders.Conv2DArgs{})
		a := l.attention(name+".self_attn", c.Heads, d/c.Heads, qkv, 0, qkv, d, 2*d)
		x = l.linear(name+".self_attn.out_proj", a, d, shaders.Conv2DArgs{Residual: x})

		n = l.layerNorm(name+".layer_norm2", x, textencoder.Eps)
		h := l.linear(name+".mlp.fc1", n, c.Intermediate, shaders.Conv2DArgs{Activation: shaders.GELU})
		x = l.linear(name+".mlp.fc2", h, d, shaders.Conv2DArgs{Residual: x})
	}
	to.Add("final_layer_norm", shaders.LayerNorm(shaders.LayerNormArgs{
		X: x, Y: y, Eps: textencoder.Eps,
		Gamma: l.vector([]string{"text_model.final_layer_norm.weight"}, []int{d}), Beta: l.vector([]string{"text_model.final_layer_norm.bias"}, []int{d}),
	}))
	return nil
}
