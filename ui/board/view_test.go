package board

import (
	"image"
	"image/color"
	"math/rand/v2"
	"testing"
)

// BenchmarkFrame is what a frame costs the processor while a stroke is drawn on
// a board of 1024 x 1024 screen pixels: the new piece of the stroke, and all
// layers composed. The graphics card enlarges the result to the screen's
// pixels, so their number does not count.
func BenchmarkFrame(b *testing.B) {
	x, dst := crowded(), image.NewRGBA(image.Rect(0, 0, Side, Side))
	under := image.NewRGBA(image.Rect(0, 0, 64, 64))
	x.SetTool(Pencil)
	x.SetSize(3)
	x.Down(10, 10, .5)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if n%100 == 99 { // as long as a stroke is
			x.Cancel()
			x.Down(10, 10, .5)
		}
		x.Move(float64(10+n*7%100), float64(10+n*3%100), .5)
		x.Compose(dst, View{Under: under, UnderOpacity: .5, MaskOpacity: .5, ColourOpacity: .6, InkOpacity: .9})
	}
}

// crowded has ink and labels everywhere.
func crowded() *Board {
	rnd := rand.New(rand.NewPCG(7, 8))
	b := New(labels)
	for i := range b.ink {
		b.ink[i] = uint8(rnd.IntN(256))
		b.mask[i] = uint8(rnd.IntN(len(labels)))
	}
	b.SetGrid(8)
	for i := range b.cells() {
		b.dabs[i] = color.NRGBA{uint8(i), 40, 90, 255}
	}
	return b
}
