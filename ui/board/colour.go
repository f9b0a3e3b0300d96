package board

import (
	"image"
	"image/color"
	"math"

	"golang.org/x/image/draw"

	"github.com/mcdm/mcdm/weights/bundle"
)

// SetGrid gives the board a colour layer of n x n cells, empty, n at most
// bundle.MaxGrid; 0, as at first, means none. What could be undone no longer can.
func (b *Board) SetGrid(n int) {
	b.Up()
	b.grid, b.dabs, b.history = max(0, min(n, bundle.MaxGrid)), cells{}, history{}
	b.on = SketchLayer
	b.SetTool(b.tool) // may find its layer come or gone
	b.version++
}

// cells are the board's own, to read and to change.
func (b *Board) cells() []color.NRGBA { return b.dabs[:b.grid*b.grid] }

// SetColour chooses the colour that is dabbed and poured; it is always opaque.
func (b *Board) SetColour(c color.NRGBA) {
	c.A = 255
	b.colour = c
	if b.tool == Bucket && b.grid > 0 {
		b.on = ColourLayer
	}
}

// Colour is the chosen colour.
func (b *Board) Colour() color.NRGBA { return b.colour }

// HasColours tells whether any cell has a colour.
func (b *Board) HasColours() bool { return b.Coloured() > 0 }

// Coloured counts the cells that have a colour.
func (b *Board) Coloured() (n int) {
	for _, c := range b.cells() {
		if c.A != 0 {
			n++
		}
	}
	return n
}

// Colours is the colour layer, a pixel for each cell; what is free is
// transparent. nil without a colour layer.
func (b *Board) Colours() *image.NRGBA {
	if b.grid == 0 {
		return nil
	}
	img := image.NewNRGBA(image.Rect(0, 0, b.grid, b.grid))
	for i, c := range b.cells() {
		img.SetNRGBA(i%b.grid, i/b.grid, c)
	}
	return img
}

// cellsOf brings dabs of any size to the grid: a cell has the mean colour of what
// is painted in it, where that is half of it or more.
func (b *Board) cellsOf(img image.Image) []color.NRGBA {
	cells := make([]color.NRGBA, b.grid*b.grid)
	mean := image.NewRGBA(image.Rect(0, 0, b.grid, b.grid))
	box := draw.Kernel{Support: .5, At: func(float64) float64 { return 1 }}
	box.Scale(mean, mean.Rect, img, img.Bounds(), draw.Src, nil)
	for i := range cells {
		if c := color.NRGBAModel.Convert(mean.RGBAAt(i%b.grid, i/b.grid)).(color.NRGBA); c.A >= 128 {
			c.A = 255
			cells[i] = c
		}
	}
	return cells
}

// cell is the one that a pixel lies in.
func (b *Board) cell(i int) int {
	return i/Side*b.grid/Side*b.grid + i%Side*b.grid/Side
}

// dab colours the cells that a stroke passes through, and those whose middle it
// covers; the eraser frees them.
func (b *Board) dab(p, q point) {
	var to color.NRGBA
	if b.tool == Dab {
		to = b.colour
	}
	size := Side / float64(b.grid)
	for i := range b.cells() {
		x, y := float64(i%b.grid), float64(i/b.grid)
		if d, radius := distance(p, q, (x+.5)*size, (y+.5)*size); d <= radius {
			b.dabs[i] = to
		}
	}
	// Four to a cell; to a place that is endlessly far, not endlessly many.
	steps := math.Min(math.Ceil(4*math.Hypot(q.x-p.x, q.y-p.y)/size), 1e4) + 1
	for s := 0.; s <= steps; s++ {
		at := blend(p, q, s/steps)
		x, y := math.Floor(at.x/size), math.Floor(at.y/size)
		if n := float64(b.grid); x >= 0 && y >= 0 && x < n && y < n {
			b.dabs[int(y)*b.grid+int(x)] = to
		}
	}
}

// pourColour fills the cells around a pixel that have its cell's colour, as far
// as the lines of the sketch leave at least half of them on its side.
func (b *Board) pourColour(start int) {
	from := b.dabs[b.cell(start)]
	if from == b.colour {
		return
	}
	inside, rim := b.flood(start, func(i int) bool { return b.dabs[b.cell(i)] == from })
	filled, whole := make([]int, b.grid*b.grid), make([]int, b.grid*b.grid)
	for i := range b.ink {
		whole[b.cell(i)]++
	}
	for _, list := range [][]int{inside, rim} {
		for _, i := range list {
			filled[b.cell(i)]++
		}
	}
	for c := range b.cells() {
		if filled[c] > 0 && 2*filled[c] >= whole[c] {
			b.dabs[c] = b.colour
		}
	}
	b.dabs[b.cell(start)] = b.colour
}
