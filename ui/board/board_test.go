package board

import (
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var labels = []Label{{"background", color.NRGBA{200, 220, 240, 255}}, {"skin", color.NRGBA{240, 200, 160, 255}}, {"hair", color.NRGBA{120, 80, 50, 255}}}

func stroke(b *Board, pts ...[2]float64) {
	b.Down(pts[0][0], pts[0][1], .5)
	for _, p := range pts[1:] {
		b.Move(p[0], p[1], .5)
	}
	b.Up()
}

func at(x, y int) int { return y*Side + x }

func TestPencilDrawsALineWithoutGaps(t *testing.T) {
	b := New(labels)
	assert.False(t, b.HasSketch())
	stroke(b, [2]float64{10, 64}, [2]float64{60, 64}, [2]float64{118, 64}) // two leaps of a fast mouse
	for x := 11; x < 117; x++ {
		require.Greater(t, b.ink[at(x, 63)], uint8(200), "x %d", x)
		require.Zero(t, b.ink[at(x, 58)])
	}
	assert.True(t, b.HasSketch())
	assert.Less(t, b.Sketch().GrayAt(60, 63).Y, uint8(60))
	assert.Equal(t, uint8(255), b.Sketch().GrayAt(60, 20).Y)
}

func TestOverlapDoesNotDarken(t *testing.T) {
	b := New(labels)
	stroke(b, [2]float64{10, 20.3}, [2]float64{100, 20.3})
	once := b.ink
	stroke(b, [2]float64{10, 20.3}, [2]float64{100, 20.3})
	assert.Equal(t, once, b.ink)
}

func TestBrushPaintsTheLabelOnly(t *testing.T) {
	b := New(labels)
	b.SetTool(Brush)
	b.SetSize(10)
	b.SetLabel(2)
	stroke(b, [2]float64{64, 64})
	n := 0
	for i, v := range b.mask {
		if v != Unknown {
			require.Equal(t, uint8(2), v)
			d := math.Hypot(float64(i%Side)+.5-64, float64(i/Side)+.5-64)
			require.Less(t, d, 5.6)
			n++
		}
	}
	assert.InDelta(t, math.Pi*25, n, 8)
	assert.False(t, b.HasSketch())
	assert.Equal(t, uint8(2), b.Mask().ColorIndexAt(64, 64))
	assert.Equal(t, uint8(3), b.Mask().ColorIndexAt(0, 0))
}

func TestEraserErasesTheLayerDrawnLast(t *testing.T) {
	b := New(labels)
	b.SetTool(Brush)
	b.SetSize(20)
	stroke(b, [2]float64{64, 64})
	b.SetTool(Pencil)
	stroke(b, [2]float64{40, 64}, [2]float64{90, 64})
	b.SetTool(Eraser)
	stroke(b, [2]float64{30, 64}, [2]float64{100, 64})
	assert.False(t, b.HasSketch())
	assert.True(t, b.HasMask())
	b.SetTool(Bucket)
	b.SetTool(Eraser)
	b.SetSize(40)
	stroke(b, [2]float64{64, 64})
	assert.False(t, b.HasMask())
}

func TestBucketStopsAtLines(t *testing.T) {
	b := New(labels)
	b.SetSize(3)
	stroke(b, [2]float64{40, 40}, [2]float64{40, 88})
	stroke(b, [2]float64{40, 88}, [2]float64{88, 88})
	stroke(b, [2]float64{88, 88}, [2]float64{88, 40})
	stroke(b, [2]float64{88, 40}, [2]float64{40, 40})
	b.SetTool(Bucket)
	b.SetLabel(1)
	stroke(b, [2]float64{64, 64})
	assert.Equal(t, uint8(1), b.mask[at(64, 64)])
	assert.Equal(t, uint8(Unknown), b.mask[at(10, 10)])
	b.SetLabel(0)
	stroke(b, [2]float64{10, 10})
	assert.Equal(t, uint8(1), b.mask[at(64, 64)])
	assert.Equal(t, uint8(0), b.mask[at(120, 120)])
}

// Any mix of changes, taken back and repeated, gives the same bytes.
func TestUndoRedoRoundTrip(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	b := New(labels)
	b.SetGrid(8)
	var history []state
	for n := range 80 {
		history = append(history, b.state)
		switch n {
		case 30:
			b.Load(image.NewGray(image.Rect(0, 0, 9, 7)), b.Mask(), b.Colours())
			continue
		case 50:
			b.Clear()
			continue
		}
		b.SetTool(Tool(rnd.IntN(5)))
		b.SetColour(color.NRGBA{R: uint8(rnd.IntN(256))})
		b.SetSize(1 + 20*rnd.Float64())
		b.SetLabel(rnd.IntN(3))
		b.Down(200*rnd.Float64()-30, 200*rnd.Float64()-30, rnd.Float64())
		for range rnd.IntN(5) {
			b.Move(200*rnd.Float64()-30, 200*rnd.Float64()-30, rnd.Float64())
		}
		b.Up()
		if b.state == history[len(history)-1] {
			history = history[:len(history)-1]
		}
	}
	last := b.state
	n := len(history)
	require.Greater(t, n, 30)
	for i := n - 1; i >= 0; i-- {
		require.True(t, b.Undo())
		require.Equal(t, history[i], b.state, "step %d", i)
	}
	assert.False(t, b.Undo())
	for range n {
		require.True(t, b.Redo())
	}
	assert.Equal(t, last, b.state)
	assert.False(t, b.Redo())
}

func TestCancelAndClear(t *testing.T) {
	b := New(labels)
	b.Down(20, 20, .5)
	b.Move(60, 60, .5)
	version := b.Version()
	b.Cancel()
	assert.NotEqual(t, version, b.Version(), "or nobody would see it")
	assert.False(t, b.HasSketch())
	assert.False(t, b.CanUndo())
	stroke(b, [2]float64{20, 20}, [2]float64{60, 60})
	b.Clear()
	assert.False(t, b.HasSketch())
	assert.True(t, b.Undo())
	assert.True(t, b.HasSketch())
}

// Another tool and the mirror are for the next stroke.
func TestAChoiceEndsTheStroke(t *testing.T) {
	for name, choose := range map[string]func(b *Board){
		"tool": func(b *Board) { b.SetTool(Brush) }, "mirror": func(b *Board) { b.SetMirror(true) },
	} {
		b := New(labels)
		b.Down(20, 20, .5)
		b.Move(30, 20, .5)
		drawn := b.state
		choose(b)
		assert.False(t, b.Drawing(), name)
		b.Move(60, 60, .5)
		assert.True(t, drawn == b.state, name)
		assert.True(t, b.Undo(), name)
	}
}

// What an eraser's rim leaves and nobody sees is no sketch.
func TestFaintInk(t *testing.T) {
	b := New(labels)
	b.ink[at(5, 5)] = visible - 1
	assert.False(t, b.HasSketch())
	assert.Nil(t, b.Kept())
	assert.Equal(t, "Nothing is drawn or painted.", b.Describe())
	b.ink[at(5, 5)] = visible
	assert.True(t, b.HasSketch())
	assert.NotNil(t, b.Kept())
}

func TestLoadResamples(t *testing.T) {
	b := New(labels)
	sketch := image.NewGray(image.Rect(0, 0, 64, 64))
	for i := range sketch.Pix {
		sketch.Pix[i] = 255
	}
	for x := range 64 {
		sketch.Pix[32*64+x] = 0
	}
	mask := image.NewPaletted(image.Rect(0, 0, 2, 2), make(color.Palette, 5))
	copy(mask.Pix, []uint8{0, 1, 2, 4}) // 4 is no label
	b.Load(sketch, mask, nil)
	assert.Greater(t, b.ink[at(64, 64)], uint8(150))
	assert.Zero(t, b.ink[at(64, 30)])
	assert.Equal(t, []uint8{0, 1, 2, Unknown}, []uint8{b.mask[at(5, 5)], b.mask[at(100, 5)], b.mask[at(5, 100)], b.mask[at(100, 100)]})
	b.Undo()
	assert.False(t, b.HasSketch() || b.HasMask())
}

func TestCompose(t *testing.T) {
	b := New(labels)
	b.SetTool(Brush)
	b.SetLabel(2)
	b.SetSize(30)
	stroke(b, [2]float64{64, 64})
	b.SetTool(Pencil)
	b.SetSize(6)
	stroke(b, [2]float64{10, 100}, [2]float64{118, 100})
	under := image.NewRGBA(image.Rect(0, 0, 2, 2))
	for i := range under.Pix {
		under.Pix[i] = 100
	}
	dst := image.NewRGBA(image.Rect(0, 0, Side, Side))
	b.Compose(dst, View{MaskOpacity: 1, InkOpacity: 1})
	assert.Equal(t, color.RGBA{120, 80, 50, 255}, dst.RGBAAt(64, 64))
	assert.Equal(t, color.RGBA{255, 255, 255, 255}, dst.RGBAAt(0, 0))
	assert.Equal(t, color.RGBA{20, 20, 24, 255}, dst.RGBAAt(64, 99))
	b.Compose(dst, View{MaskOpacity: 1, InkOpacity: .5, InkApart: true})
	assert.Equal(t, color.RGBA{255, 255, 255, 0}, dst.RGBAAt(64, 99))
	assert.Equal(t, color.RGBA{120, 80, 50, 255}, dst.RGBAAt(64, 64))
	b.Compose(dst, View{Under: under, UnderOpacity: 1})
	assert.Equal(t, color.RGBA{100, 100, 100, 255}, dst.RGBAAt(64, 64))
	b.Compose(dst, View{Under: under, UnderOpacity: 1, MaskOpacity: .5})
	assert.Equal(t, color.RGBA{110, 90, 75, 255}, dst.RGBAAt(64, 64))
}

func TestBucketStopsAtTheThinnestLine(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for try := range 30 {
		b := New(labels)
		b.SetSize(1)
		cx, cy := 60+8*rnd.Float64(), 60+8*rnd.Float64()
		turn := rnd.Float64()
		n := 3 + rnd.IntN(60)
		for k := range n + 1 { // n = 3: a triangle, straight lines of any slope
			a, z := 2*math.Pi*(turn+float64(k)/float64(n)), 2*math.Pi*(turn+float64(k+1)/float64(n))
			stroke(b, [2]float64{cx + 50*math.Cos(a), cy + 50*math.Sin(a)}, [2]float64{cx + 50*math.Cos(z), cy + 50*math.Sin(z)})
		}
		b.SetTool(Bucket)
		b.SetLabel(2)
		stroke(b, [2]float64{cx, cy})
		require.Equal(t, uint8(2), b.mask[at(int(cx), int(cy))])
		require.Equal(t, uint8(Unknown), b.mask[at(0, 0)], "try %d: leaked through %d lines", try, n)
	}
}

func TestBucketStaysInItsRegion(t *testing.T) {
	b := New(labels)
	b.SetTool(Brush)
	b.SetLabel(1)
	b.SetSize(30)
	stroke(b, [2]float64{64, 64})
	b.SetTool(Bucket)
	b.SetLabel(2)
	stroke(b, [2]float64{64, 64})
	assert.Equal(t, uint8(2), b.mask[at(64, 64)])
	assert.Equal(t, uint8(Unknown), b.mask[at(64, 84)])
	for _, v := range b.mask {
		require.NotEqual(t, uint8(1), v)
	}
}

// Positions outside, endless or undefined (a box of no size) must not panic,
// and must not mark the board.
func TestCoordinatesOutside(t *testing.T) {
	for tool := Pencil; tool <= Dab; tool++ {
		b := New(labels)
		b.SetGrid(8)
		b.SetTool(tool)
		b.SetSize(5)
		for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e300, -1e300, 140, -12} {
			b.Down(v, 64, .5)
			b.Move(v, v, math.NaN())
			b.Move(64, v, .5)
			b.Up()
		}
		b.Down(-1e9, 500, 3)
		b.Up()
		assert.Equal(t, "Nothing is drawn or painted.", b.Describe(), "tool %d", tool)
	}
	b := New(labels)
	b.SetSize(4)
	b.Down(-20, 64, .5)
	b.Move(20, 64, .5)
	b.Move(math.NaN(), 64, .5)
	b.Move(40, math.Inf(1), .5)
	b.Move(150, 64, .5)
	b.Up()
	for x := range Side {
		require.Equal(t, uint8(255), b.ink[at(x, 64)], "x %d", x)
	}
}

func TestSizes(t *testing.T) {
	for _, size := range []float64{1, 2, 5, 12, 40} {
		b := New(labels)
		b.SetSize(size)
		stroke(b, [2]float64{-50, 64}, [2]float64{200, 64})
		sum := 0.0
		for y := range Side {
			sum += float64(b.ink[at(64, y)]) / 255
		}
		assert.InDelta(t, size, sum, .1, "width of a line of size %g", size)
	}
}

func TestClearOneLayer(t *testing.T) {
	b := New(labels)
	stroke(b, [2]float64{20, 20}, [2]float64{60, 60})
	b.SetTool(Brush)
	stroke(b, [2]float64{20, 20}, [2]float64{60, 60})
	b.Clear(SketchLayer)
	assert.False(t, b.HasSketch())
	assert.True(t, b.HasMask())
	b.Undo()
	b.Clear(MaskLayer)
	assert.True(t, b.HasSketch())
	assert.False(t, b.HasMask())
}

func TestLoadKeepsWhatItWasGiven(t *testing.T) {
	b := New(labels)
	b.SetSize(3)
	stroke(b, [2]float64{20, 20}, [2]float64{60, 100}, [2]float64{90, 10})
	b.SetTool(Brush)
	stroke(b, [2]float64{20, 20}, [2]float64{60, 60})
	c := New(labels)
	c.Load(b.Sketch(), b.Mask(), nil)
	assert.Equal(t, b.state, c.state)

	// A line one pixel wide survives shrinking by 4, wherever it lies.
	for line := 200; line < 204; line++ {
		big := image.NewGray(image.Rect(0, 0, 512, 512))
		for i := range big.Pix {
			big.Pix[i] = 255
		}
		for x := range 512 {
			big.Pix[line*512+x] = 0
		}
		c.Load(big, nil, nil)
		sum := 0
		for y := range Side {
			sum += int(c.ink[at(64, y)])
		}
		assert.InDelta(t, 255/4, sum, 3, "line %d", line)
	}
}
