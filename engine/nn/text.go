package nn

import (
	"encoding/json"
	"fmt"

	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/shaders"
)

// TextConfig is config.json of the text encoder, in the keys of Hugging Face
// transformers.
type TextConfig struct {
	VocabSize    int `json:"vocab_size"`
	HiddenSize   int `json:"hidden_size"`             // D
	Intermediate int `json:"intermediate_size"`       // width inside the MLP
	Layers       int `json:"num_hidden_layers"`       //
	Heads        int `json:"num_attention_heads"`     //
	MaxPosition  int `json:"max_position_embeddings"` // L, the fixed length of all prompts
}

// ParseTextConfig reads and checks a text encoder's config.json.
func ParseTextConfig(raw []byte) (TextConfig, error) {
	var c TextConfig
	if err := json.Unmarshal(raw, &c); err != nil {
		return c, fmt.Errorf("text encoder: config.json: %w", err)
	}
	const most = 1 << 20
	for _, f := range []struct {
		key string
		v   int
	}{
		{"vocab_size", c.VocabSize}, {"hidden_size", c.HiddenSize}, {"intermediate_size", c.Intermediate},
		{"num_hidden_layers", c.Layers}, {"num_attention_heads", c.Heads}, {"max_position_embeddings", c.MaxPosition},
	} {
		if f.v < 1 || f.v > most {
			return c, fmt.Errorf("text encoder: config.json: %s = %d: want 1 to %d", f.key, f.v, most)
		}
	}
	if c.HiddenSize%c.Heads != 0 {
		return c, fmt.Errorf("text encoder: config.json: hidden_size = %d is not a multiple of num_attention_heads = %d", c.HiddenSize, c.Heads)
	}
	return c, nil
}

// TextEncoder turns token ids into encoder_hidden_states: a pre-norm
// transformer encoder without masks, padding attended to like any token.
//
//	x = token[ids] + position
//	x += out_proj(attention(layer_norm1(x)))     for each layer
//	x += fc2(gelu(fc1(layer_norm2(x))))
//	y = final_layer_norm(x)
type TextEncoder struct {
	Config TextConfig
	params *params
}

// NewTextEncoder describes an encoder; its weights are uploaded when it is
// first recorded.
func NewTextEncoder(m record.Machine, c TextConfig, s Source) *TextEncoder {
	return &TextEncoder{c, newParams(m, s)}
}

// textEps is the eps of the encoder's layer norms, PyTorch's default.
const textEps = 1e-5

// Record appends the encoder to a program. tokens is [N, 1, L, 1] of u32, the
// result y [N, 1, L, D].
func (e *TextEncoder) Record(plan *record.Plan, to *record.Program, tokens, y shaders.Tensor) (err error) {
	defer catch(&err)
	c := e.Config
	if tokens.W != c.MaxPosition || y.W != tokens.W || y.C != c.HiddenSize {
		panic(fmt.Sprintf("nn: text encoder of length %d and width %d recorded for tokens %v and output %v",
			c.MaxPosition, c.HiddenSize, tokens, y))
	}
	l := layers{e.params, plan, to}
	d := c.HiddenSize
	x := plan.Scratch("embeddings", tokens.N, 1, tokens.W, d)
	to.Add("embeddings", shaders.Embedding(shaders.EmbeddingArgs{
		Tokens:   tokens,
		Table:    l.rows("text_model.embeddings.token_embedding.weight", c.VocabSize, d),
		Position: l.rows("text_model.embeddings.position_embedding.weight", c.MaxPosition, d),
		Y:        x,
	}))
	for i := range c.Layers {
		name := fmt.Sprintf("text_model.encoder.layers.%d", i)
		n := l.layerNorm(name+".layer_norm1", x, textEps)
		qkv := l.stacked(name+".self_attn.qkv_proj",
			[]string{name + ".self_attn.q_proj", name + ".self_attn.k_proj", name + ".self_attn.v_proj"}, true, n, d, shaders.Conv2DArgs{})
		a := l.attention(name+".self_attn", c.Heads, d/c.Heads, qkv, 0, qkv, d, 2*d)
		x = l.linear(name+".self_attn.out_proj", a, d, shaders.Conv2DArgs{Residual: x})

		n = l.layerNorm(name+".layer_norm2", x, textEps)
		h := l.linear(name+".mlp.fc1", n, c.Intermediate, shaders.Conv2DArgs{Activation: shaders.GELU})
		x = l.linear(name+".mlp.fc2", h, d, shaders.Conv2DArgs{Residual: x})
	}
	to.Add("final_layer_norm", shaders.LayerNorm(shaders.LayerNormArgs{
		X: x, Y: y, Eps: textEps,
		Gamma: l.vector("text_model.final_layer_norm.weight", d), Beta: l.vector("text_model.final_layer_norm.bias", d),
	}))
	return nil
}
