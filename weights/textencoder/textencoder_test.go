package textencoder

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
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
		`{"_class_name":"TextEncoder","vocab_size":9,"hidden_size":8,"intermediate_size":8,"num_hidden_layers":1,"num_attention_heads":1,"max_position_embeddings":-4}`:      "max_position_embeddings",
	} {
		_, err := Parse([]byte(config))
		require.ErrorContains(t, err, want, config)
	}
}
