package board

import (
	"image"
	"image/color"
)

// Sketch is the sketch layer: dark lines on white paper.
func (b *Board) Sketch() *image.Gray {
	g := image.NewGray(image.Rect(0, 0, Side, Side))
	for i, v := range b.ink {
		g.Pix[i] = 255 - v
	}
	return g
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
}

// Compose draws paper, the picture under it, mask and sketch into dst, which
// must be of Side x Side pixels with its origin at 0.
func (b *Board) Compose(dst *image.RGBA, v View) {
	var under image.Rectangle
	if v.Under != nil && v.UnderOpacity > 0 {
		under = v.Under.Bounds()
	}
	for y := range Side {
		for x := range Side {
			i := y*Side + x
			c := [3]float64{255, 255, 255}
			if !under.Empty() {
				at := v.Under.Pix[v.Under.PixOffset(under.Min.X+x*under.Dx()/Side, under.Min.Y+y*under.Dy()/Side):]
				cover(&c, at[0], at[1], at[2], v.UnderOpacity)
			}
			if l := int(b.mask[i]); l < len(b.labels) {
				p := b.labels[l].Color
				cover(&c, p.R, p.G, p.B, v.MaskOpacity)
			}
			cover(&c, 20, 20, 24, float64(b.ink[i])/255*v.InkOpacity)
			to := dst.Pix[dst.PixOffset(x, y):]
			to[0], to[1], to[2], to[3] = uint8(c[0]+.5), uint8(c[1]+.5), uint8(c[2]+.5), 255
		}
	}
}

// cover lays a colour over c.
func cover(c *[3]float64, r, g, b uint8, opacity float64) {
	c[0] += (float64(r) - c[0]) * opacity
	c[1] += (float64(g) - c[1]) * opacity
	c[2] += (float64(b) - c[2]) * opacity
}
