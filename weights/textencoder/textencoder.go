// Package textencoder describes the small transformer encoder that turns token
// ids [B, L] into encoder_hidden_states [B, L, D] for a text UNet:
//
//	x = token_embedding[ids] + position_embedding                 [B, L, D]
//	Layers times (pre-norm):
//	  x += out_proj(attention(layer_norm1(x)))   heads of D/Heads; q, k, v, out with bias
//	  x += fc2(gelu(fc1(layer_norm2(x))))        exact erf gelu
//	y = final_layer_norm(x)
//
// There are no masks: L is fixed and the padding is attended to like any token,
// as in Stable Diffusion. Tensor names are those of Hugging Face's CLIPTextModel.
package textencoder

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// Class is the _class_name of config.json.
const Class = "TextEncoder"

// Eps is that of every layer norm.
const Eps = 1e-5

// Config is the encoder's config.json. All values are positive.
type Config struct {
	VocabSize    int `json:"vocab_size"`              // V
	Hidden       int `json:"hidden_size"`             // D, also the width of the output
	Intermediate int `json:"intermediate_size"`       // between fc1 and fc2
	Layers       int `json:"num_hidden_layers"`       //
	Heads        int `json:"num_attention_heads"`     // divides D
	Length       int `json:"max_position_embeddings"` // L: every text is padded or cut to it
}

// limit is far above any text encoder that fits a page.
const limit = 1 << 17

// Parse reads config.json and refuses what the engine cannot run.
func Parse(config []byte) (*Config, error) {
	var c struct {
		ClassName string `json:"_class_name"`
		Config
	}
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, fmt.Errorf("text encoder's config.json: %w", err)
	}
	if c.ClassName != Class {
		return nil, fmt.Errorf("text encoder's config.json: architecture %q is not supported: use %s", c.ClassName, Class)
	}
	for _, v := range []struct {
		key string
		n   int
		max int
	}{
		{"vocab_size", c.VocabSize, limit},
		{"hidden_size", c.Hidden, limit},
		{"intermediate_size", c.Intermediate, limit},
		{"num_hidden_layers", c.Layers, 256},
		{"num_attention_heads", c.Heads, c.Hidden},
		{"max_position_embeddings", c.Length, limit},
	} {
		if v.n < 1 || v.n > v.max {
			return nil, fmt.Errorf("text encoder's config.json: %s = %d: want 1 to %d", v.key, v.n, v.max)
		}
	}
	if c.Hidden%c.Heads != 0 {
		return nil, fmt.Errorf("text encoder's config.json: num_attention_heads = %d does not divide hidden_size = %d", c.Heads, c.Hidden)
	}
	if c.Hidden/c.Heads%4 != 0 {
		return nil, fmt.Errorf("text encoder's config.json: num_attention_heads = %d of hidden_size = %d is not supported: heads are multiples of 4 channels wide here", c.Heads, c.Hidden)
	}
	return &c.Config, nil
}

// LayerName is the prefix of layer i's tensors.
func LayerName(i int) string { return "text_model.encoder.layers." + strconv.Itoa(i) }

// Tensors returns the name and shape of every tensor: embeddings [V, D] and
// [L, D], linears [O, I], norms and biases [C].
func (c *Config) Tensors() map[string][]int {
	s := map[string][]int{
		"text_model.embeddings.token_embedding.weight":    {c.VocabSize, c.Hidden},
		"text_model.embeddings.position_embedding.weight": {c.Length, c.Hidden},
	}
	add := func(name string, out int, in ...int) {
		s[name+".weight"] = append([]int{out}, in...)
		s[name+".bias"] = []int{out}
	}
	for i := range c.Layers {
		n := LayerName(i)
		for _, p := range []string{".q_proj", ".k_proj", ".v_proj", ".out_proj"} {
			add(n+".self_attn"+p, c.Hidden, c.Hidden)
		}
		add(n+".layer_norm1", c.Hidden)
		add(n+".layer_norm2", c.Hidden)
		add(n+".mlp.fc1", c.Intermediate, c.Hidden)
		add(n+".mlp.fc2", c.Hidden, c.Intermediate)
	}
	add("text_model.final_layer_norm", c.Hidden)
	return s
}
