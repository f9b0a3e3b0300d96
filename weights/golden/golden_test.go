package golden

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
