package board

import (
	"image"
	"image/color"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var red, blue, free = color.NRGBA{255, 0, 0, 255}, color.NRGBA{0, 0, 255, 255}, color.NRGBA{}

// coloured is a board with a grid of 8, cells of 16 pixels, and red in hand.
func coloured() *Board {
	b := New(labels)
	b.SetGrid(8)
	b.SetColour(color.NRGBA{R: 255})
	b.SetTool(Dab)
	return b
}

// paintedIn lists the cells of a colour as column, row.
func (b *Board) paintedIn(c color.NRGBA) (cells [][2]int) {
	for i, v := range b.cells() {
		if v == c {
			cells = append(cells, [2]int{i % b.grid, i / b.grid})
		}
	}
	return cells
}

func TestDab(t *testing.T) {
	b := coloured()
	assert.False(t, b.HasColours())
	stroke(b, [2]float64{47.5, 20}) // at the edge of a cell: that one alone
	assert.Equal(t, [][2]int{{2, 1}}, b.paintedIn(red))
	assert.False(t, b.HasSketch() || b.HasMask())

	// A leap of a fast mouse leaves no gap, and a wide stroke covers more.
	b.Clear()
	stroke(b, [2]float64{8, 8}, [2]float64{120, 120})
	for i := range 8 {
		assert.Contains(t, b.paintedIn(red), [2]int{i, i})
	}
	b.Clear()
	b.SetSize(48)
	stroke(b, [2]float64{72, 72})
	assert.Len(t, b.paintedIn(red), 9)

	// The eraser frees cells, and only them; what lies outside is nothing.
	b.SetColour(blue)
	stroke(b, [2]float64{-30, 300}, [2]float64{math.NaN(), 4})
	assert.Empty(t, b.paintedIn(blue))
	b.SetTool(Eraser)
	b.SetSize(4)
	stroke(b, [2]float64{72, 72})
	assert.Len(t, b.paintedIn(red), 8)
	assert.NotContains(t, b.paintedIn(red), [2]int{4, 4})
	require.True(t, b.Undo())
	assert.Len(t, b.paintedIn(red), 9)

	b.SetMirror(true)
	b.SetTool(Dab)
	b.SetSize(1)
	stroke(b, [2]float64{4, 4})
	assert.Equal(t, [][2]int{{0, 0}, {7, 0}}, b.paintedIn(blue))

	b.Clear(SketchLayer, MaskLayer)
	assert.True(t, b.HasColours())
	b.Clear(ColourLayer)
	assert.False(t, b.HasColours())
}

func TestBucketPoursColour(t *testing.T) {
	b := coloured()
	b.SetTool(Bucket)
	stroke(b, [2]float64{60, 60})
	assert.Len(t, b.paintedIn(red), 64)
	b.Undo()

	// A line holds the colour: here between the fourth column of cells and the
	// fifth, and then through the third of the cells beside it.
	b.SetTool(Pencil)
	b.SetSize(3)
	stroke(b, [2]float64{69, -5}, [2]float64{69, 140})
	b.SetTool(Dab)
	b.SetTool(Bucket)
	stroke(b, [2]float64{65, 60})
	assert.Len(t, b.paintedIn(red), 33, "the fifth column is mostly on the other side, but for the cell that was meant")
	b.Undo()
	stroke(b, [2]float64{20, 60})
	assert.Len(t, b.paintedIn(red), 32)
	b.SetColour(blue)
	stroke(b, [2]float64{100, 60})
	assert.Len(t, b.paintedIn(blue), 32)

	// The chosen part turns the bucket to the mask, a colour back.
	b.SetLabel(1)
	stroke(b, [2]float64{20, 60})
	assert.True(t, b.HasMask())
	assert.Len(t, b.paintedIn(red), 32)
	b.SetColour(blue)
	assert.Equal(t, ColourLayer, b.On())
	stroke(b, [2]float64{20, 60})
	assert.Len(t, b.paintedIn(blue), 64)
}

func TestColoursRoundTrip(t *testing.T) {
	b := coloured()
	stroke(b, [2]float64{20, 20}, [2]float64{100, 20})
	img := b.Colours()
	assert.Equal(t, image.Rect(0, 0, 8, 8), img.Rect)
	assert.Equal(t, red, img.NRGBAAt(3, 1))
	assert.Equal(t, free, img.NRGBAAt(3, 2))
	c := coloured()
	c.Load(nil, nil, img)
	assert.Equal(t, b.state, c.state)
	c.Undo()
	assert.False(t, c.HasColours())

	// From a picture of another size: means, where half of a cell is painted.
	wide := image.NewNRGBA(image.Rect(5, 5, 5+32, 5+16))
	for y := range 16 {
		for x := range 32 {
			if v := []color.NRGBA{red, blue, free, free}[x%4]; y < 8 && x < 16 {
				wide.SetNRGBA(5+x, 5+y, v)
			} else if y == 8 {
				wide.SetNRGBA(5+x, 5+y, red)
			}
		}
	}
	c.Load(nil, nil, wide)
	assert.Equal(t, color.NRGBA{127, 0, 127, 255}, c.Colours().NRGBAAt(0, 0))
	assert.Equal(t, free, c.Colours().NRGBAAt(5, 0))
	assert.Equal(t, red, c.Colours().NRGBAAt(5, 4), "one of the cell's two rows")

	// Smaller than the grid: every pixel is several cells.
	small := image.NewNRGBA(image.Rect(0, 0, 2, 2))
	small.SetNRGBA(1, 0, red)
	c.Load(nil, nil, small)
	assert.Len(t, c.paintedIn(red), 16)
	assert.Equal(t, red, c.Colours().NRGBAAt(4, 3))

	// Without a grid there is no layer, even where there was one.
	none := New(labels)
	none.SetTool(Dab)
	stroke(none, [2]float64{20, 20})
	none.Load(nil, nil, img)
	assert.Nil(t, none.Colours())
	assert.False(t, none.HasColours())
	none.SetGrid(8)
	assert.Equal(t, ColourLayer, none.On(), "the tool in hand was waiting for it")
	none.SetTool(Bucket)
	none.SetGrid(0)
	stroke(none, [2]float64{20, 20})
	assert.True(t, none.HasMask())
}

func TestColoursShow(t *testing.T) {
	b := coloured()
	stroke(b, [2]float64{20, 20})
	dst := image.NewRGBA(image.Rect(0, 0, Side, Side))
	b.Compose(dst, View{ColourOpacity: .5})
	assert.Equal(t, color.RGBA{255, 127, 127, 255}, dst.RGBAAt(20, 20))
	assert.Equal(t, color.RGBA{255, 255, 255, 255}, dst.RGBAAt(16, 20), "the tile's edge")
	assert.Equal(t, color.RGBA{255, 255, 255, 255}, dst.RGBAAt(40, 20))
	b.Compose(dst, View{ColourOpacity: 0, Grid: true})
	assert.Equal(t, color.RGBA{255, 255, 255, 255}, dst.RGBAAt(20, 20))
	assert.Less(t, dst.RGBAAt(64, 20).R, uint8(240), "a line of the grid")
	assert.Equal(t, "Colours: 1 of 64 cells, top left.", b.Describe())
}
