package board

import (
	"image"
	"image/color"
)

// Sketch is the sketch layer: dark lines on white paper.
func (b *Board) Sketch() *image.Gray { return b.ink.onPaper() }

// Kept is the sketch without lines that are only tried: what Cancel would leave.
// It is nil where there is none.
func (b *Board) Kept() *image.Gray {
	ink := &b.ink
	if b.Trying() {
		ink = &b.before.ink
	}
	if !ink.seen() {
		return nil
	}
	return ink.onPaper()
}

func (l *layer) onPaper() *image.Gray {
	g := image.NewGray(image.Rect(0, 0, Side, Side))
	for i, v := range l {
		g.Pix[i] = 255 - v
	}
	return g
}

// seen tells whether any line of ink can be seen.
func (l *layer) seen() bool {
	for i := range l {
		if l[i] >= visible {
			return true
		}
	}
	return false
}

// Mask is the mask layer, index = label; what is unknown has the index after
// the last label, which is transparent.
func (b *Board) Mask() *image.Paletted {
	var p color.Palette
	for _, l := range b.labels {
		p = append(p, l.Color)
	}
	m := image.NewPaletted(image.Rect(0, 0, Side, Side), append(p, color.NRGBA{}))
	for i, v := range b.mask {
		m.Pix[i] = min(v, uint8(len(b.labels)))
	}
	return m
}

// View is how Compose shows the layers. Opacities are 0 to 1.
type View struct {
	Under        *image.RGBA // a picture of any size below the drawing, or nil
	UnderOpacity float64
	MaskOpacity  float64
	InkOpacity   float64
	// ColourOpacity is that of the colour layer, whose cells show as tiles; Grid
	// shows where they lie.
	ColourOpacity float64
	Grid          bool
	// InkApart leaves the ink out and gives it as alpha, 255 where there is none,
	// for those who lay it over the rest themselves, with InkOpacity.
	InkApart bool
}

// Compose draws paper, the picture under it, mask, colours and sketch into dst,
// which must be of Side x Side pixels with its origin at 0. It allocates nothing.
func (b *Board) Compose(dst *image.RGBA, v View) {
	var under image.Rectangle
	picture := weight(v.UnderOpacity)
	if v.Under != nil && picture > 0 {
		under = v.Under.Bounds()
	}
	parts, colours, lines := weight(v.MaskOpacity), weight(v.ColourOpacity), weight(v.InkOpacity)
	var column [Side]int // of the cells
	for x := range column {
		column[x] = x * b.grid / Side
	}
	for y := range Side {
		tiles := b.dabs[column[y]*b.grid:] // of this row
		top := y > 0 && column[y] != column[y-1]
		row := dst.Pix[y*dst.Stride:][: 4*Side : 4*Side]
		for x := range Side {
			i := y*Side + x
			c := [3]uint32{255, 255, 255}
			if !under.Empty() {
				at := v.Under.Pix[v.Under.PixOffset(under.Min.X+x*under.Dx()/Side, under.Min.Y+y*under.Dy()/Side):]
				cover(&c, at[0], at[1], at[2], picture)
			}
			if l := int(b.mask[i]); l < len(b.labels) {
				p := &b.labels[l].Color
				cover(&c, p.R, p.G, p.B, parts)
			}
			if b.grid > 0 {
				// A tile leaves out its first row and column, so that it is seen as one.
				edge := top || x > 0 && column[x] != column[x-1]
				if p := &tiles[column[x]]; p.A != 0 && !edge {
					cover(&c, p.R, p.G, p.B, colours)
				}
				if edge && v.Grid {
					cover(&c, 110, 110, 120, 70)
				}
			}
			alpha := uint8(255)
			if v.InkApart {
				alpha -= b.ink[i]
			} else if b.ink[i] > 0 {
				cover(&c, 20, 20, 24, (uint32(b.ink[i])*lines+127)/255)
			}
			row[4*x], row[4*x+1], row[4*x+2], row[4*x+3] = uint8(c[0]), uint8(c[1]), uint8(c[2]), alpha
		}
	}
}

// weight is an opacity of 0 to 1 as a whole number to 255.
func weight(opacity float64) uint32 {
	return uint32(max(0, min(1, opacity))*255 + .5)
}

// cover lays a colour over c with a weight of 0 to 255.
func cover(c *[3]uint32, r, g, b uint8, weight uint32) {
	rest := 255 - weight
	c[0] = (c[0]*rest + uint32(r)*weight + 127) / 255
	c[1] = (c[1]*rest + uint32(g)*weight + 127) / 255
	c[2] = (c[2]*rest + uint32(b)*weight + 127) / 255
}
