package textencoder

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/weights/internal/hostile"
)

// shapes.json is the state dict of weights/train/text_encoder.py with config.json.
func TestTensorsMatchTrainer(t *testing.T) {
	config, err := os.ReadFile("testdata/config.json")
	require.NoError(t, err)
	c, err := Parse(config)
	require.NoError(t, err)
	data, err := os.ReadFile("testdata/shapes.json")
	require.NoError(t, err)
	var want map[string][]int
	require.NoError(t, json.Unmarshal(data, &want))
	require.Equal(t, want, c.Tensors())
}

func TestRefuses(t *testing.T) {
	for config, want := range map[string]string{
		`{`:                               "config.json",
		`{}`:                              `architecture ""`,
		`{"_class_name":"CLIPTextModel"}`: "CLIPTextModel",
		`{"_class_name":"TextEncoder"}`:   "vocab_size = 0",
		`{"_class_name":"TextEncoder","vocab_size":9,"hidden_size":8,"intermediate_size":8,"num_hidden_layers":1000000,"num_attention_heads":1,"max_position_embeddings":4}`: "num_hidden_layers",
		`{"_class_name":"TextEncoder","vocab_size":9,"hidden_size":8,"intermediate_size":8,"num_hidden_layers":1,"num_attention_heads":3,"max_position_embeddings":4}`:       "does not divide",
		`{"_class_name":"TextEncoder","vocab_size":9,"hidden_size":8,"intermediate_size":8,"num_hidden_layers":1,"num_attention_heads":4,"max_position_embeddings":4}`:       "multiples of 4",
		`{"_class_name":"TextEncoder","vocab_size":9,"hidden_size":8,"intermediate_size":8,"num_hidden_layers":1,"num_attention_heads":1,"max_position_embeddings":-4}`:      "max_position_embeddings",
	} {
		_, err := Parse([]byte(config))
		require.ErrorContains(t, err, want, config)
	}
}

func FuzzParse(f *testing.F) {
	config, err := os.ReadFile("testdata/config.json")
	require.NoError(f, err)
	f.Add(config)
	const rest = `"vocab_size":131072,"intermediate_size":131072,"num_hidden_layers":256,"max_position_embeddings":131072`
	for _, lie := range []string{
		``, `[]`, `null`, `{"_class_name":7}`, `{"_class_name":"TextEncoder","vocab_size":1e9}`,
		`{"_class_name":"TextEncoder","hidden_size":131072,"num_attention_heads":131072,` + rest + `}`,
		`{"_class_name":"TextEncoder","hidden_size":9223372036854775807,"num_attention_heads":1,` + rest + `}`,
		`{"_class_name":"TextEncoder","hidden_size":8,"num_attention_heads":0,` + rest + `}`,
		`{"_class_name":"TextEncoder","hidden_size":8,"Hidden_Size":16,"num_attention_heads":1,` + rest + `}`,
	} {
		f.Add([]byte(lie))
	}
	f.Fuzz(func(t *testing.T, config []byte) {
		var tensors map[string][]int
		var err error
		hostile.Parse(t, len(config), 1000, 8<<20, func() {
			var c *Config
			if c, err = Parse(config); err == nil {
				tensors = c.Tensors()
			}
		})
		if err != nil {
			require.Regexp(t, `^text encoder's config\.json: .`, err.Error())
			return
		}
		for name, shape := range tensors {
			require.Positive(t, slices.Min(shape), name)
		}
	})
}
