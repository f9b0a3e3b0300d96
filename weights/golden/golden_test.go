package golden

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/weights/unet"
)

// The first values as make_golden.py prints them: value("conv_in.weight", 3).
func TestValuesAreThoseOfPython(t *testing.T) {
	assert.Equal(t, []float32{0.14250004291534424, 0.7665290832519531, -0.8199419975280762}, Values("conv_in.weight", 3))
}

func TestCompareSeesAFault(t *testing.T) {
	c, err := Load("no-attention")
	require.NoError(t, err)
	require.Equal(t, 1, c.Stride)
	got := c.Want()
	d, err := c.Compare(got)
	require.NoError(t, err)
	assert.Zero(t, d)
	got[5] += .1
	d, err = c.Compare(got)
	require.NoError(t, err)
	assert.Greater(t, d, 1e-3)
	_, err = c.Compare(got[1:])
	assert.ErrorContains(t, err, "no-attention")
}

// Bits of whole tensors as make_golden.py's weight() gives them: the sixth row's
// first value, and the sum of all.
func TestWeightsAreThoseOfPython(t *testing.T) {
	for _, c := range []struct {
		name  string
		shape []int
		sixth uint32
		sum   uint64
	}{
		{"mid_block.attentions.0.to_k.weight", []int{48, 48}, 0xbd54f8e0, 4838651723556},
		{"mid_block.attentions.0.to_q.weight", []int{48, 48}, 0x3f6bd46c, 4874327869789},
		{"mid_block.attentions.0.to_q.bias", []int{48}, 0x3d018490, 100686021284},
		{"conv_in.weight", []int{24, 3, 3, 3}, 0xbc985fd6, 1433794926909},
		{"conv_in.bias", []int{24}, 0x3dba8708, 43842218920},
		{"conv_norm_out.weight", []int{24}, 0x3f98b328, 25548555451},
	} {
		w := Case{Outlier: 4}.Weight(c.name, c.shape)
		assert.Equal(t, c.sixth, math.Float32bits(w[5*len(w)/c.shape[0]]), c.name)
		var sum uint64
		for _, v := range w {
			sum += uint64(math.Float32bits(v))
		}
		assert.Equal(t, c.sum, sum, c.name)
	}
}

func TestCasesAreWhole(t *testing.T) {
	unets := 0
	for _, name := range Names() {
		c, err := Load(name)
		require.NoError(t, err)
		assert.Equal(t, name, c.Name)
		assert.LessOrEqual(t, len(c.Want()), 4096, name)
		if len(c.Tokens) > 0 {
			assert.Len(t, c.Tokens, 3, name)
			continue
		}
		unets++
		config, err := unet.Parse(c.Config)
		require.NoError(t, err, name)
		n := len(c.Timesteps) * config.OutChannels * c.Height * c.Width
		assert.Equal(t, (n+c.Stride-1)/c.Stride, len(c.Want()), name)
	}
	assert.GreaterOrEqual(t, unets, 8)
}
