package board

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDescribe(t *testing.T) {
	b := New(labels)
	assert.Equal(t, "Nothing is drawn or painted.", b.Describe())
	stroke(b, [2]float64{10, 10}, [2]float64{60, 70})
	assert.Equal(t, "Lines from top left to in the middle.", b.Describe())
	b.SetTool(Bucket)
	b.SetLabel(0)
	stroke(b, [2]float64{5, 100})
	b.SetTool(Brush)
	b.SetLabel(2)
	b.SetSize(30)
	stroke(b, [2]float64{105, 20})
	assert.Equal(t, "Lines from top left to in the middle. background: 95% in the middle. hair: 4% top right. Not painted: under 1%.", b.Describe())
	b.Clear(SketchLayer)
	b.SetLabel(0)
	b.SetSize(MaxSize)
	for x := 0.; x < 128; x += 20 {
		stroke(b, [2]float64{x, 0}, [2]float64{x, 128})
	}
	assert.Equal(t, "background: 100% in the middle.", b.Describe())
	b.SetTool(Eraser)
	b.SetSize(1)
	stroke(b, [2]float64{5.5, 5.5})
	assert.Equal(t, "background: almost all in the middle. Not painted: under 1%.", b.Describe())
	b.Clear()
	b.SetTool(Pencil)
	stroke(b, [2]float64{2, 2}, [2]float64{126, 126})
	assert.Equal(t, "Lines all over.", b.Describe())
}
