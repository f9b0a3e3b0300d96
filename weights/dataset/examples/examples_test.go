package examples

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAll(t *testing.T) {
	list, err := All()
	require.NoError(t, err)
	require.Len(t, list, 12)
	for _, e := range list {
		assert.Equal(t, 128, e.Picture.Bounds().Dx())
		assert.Equal(t, 128, e.Sketch.Bounds().Dx())
		assert.Equal(t, 11, len(e.Mask.Palette))
		assert.NotEmpty(t, e.Caption)
	}
}
