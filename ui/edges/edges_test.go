package edges

import (
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/weights/dataset/examples"
)

// picture of w x h pixels by a function of places 0 to 1.
func picture(w, h int, at func(x, y float64) color.Color) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, at((float64(x)+.5)/float64(w), (float64(y)+.5)/float64(h)))
		}
	}
	return img
}

func gray(v float64) color.Color { return color.Gray{uint8(v)} }

func dark(img *image.Gray) (n int) {
	for _, v := range img.Pix {
		if v < 128 {
			n++
		}
	}
	return n
}

// A bright disc has one contour, where it ends, whatever the contrast and the
// picture's size; two colours of one brightness have it too.
func TestContourOfADisc(t *testing.T) {
	for name, colors := range map[string][2]color.Color{
		"strong": {gray(0), gray(255)}, "weak": {gray(120), gray(140)},
		"colours": {color.RGBA{200, 0, 0, 255}, color.RGBA{0, 102, 0, 255}},
	} {
		for _, size := range []image.Point{{640, 480}, {90, 90}} {
			img := picture(size.X, size.Y, func(x, y float64) color.Color {
				if math.Hypot(x-.5, y-.5) < .3 {
					return colors[1]
				}
				return colors[0]
			})
			lines := Find(img).Lines(.5)
			angles := map[int]bool{}
			for i, v := range lines.Pix {
				if v == 0 {
					x, y := float64(i%Side)+.5-Side/2, float64(i/Side)+.5-Side/2
					require.InDelta(t, .3*Side, math.Hypot(x, y), 4.5, "%s %v", name, size)
					angles[int(math.Round(math.Atan2(y, x)/math.Pi*36))] = true
				}
			}
			assert.GreaterOrEqual(t, len(angles), 72, "%s %v: the contour has gaps", name, size)
			assert.Less(t, dark(lines), 2600, "%s %v: too thick", name, size) // a ring 5.4 wide
		}
	}
}

func TestNothingInFlatOrNoisyPictures(t *testing.T) {
	assert.Zero(t, dark(Find(picture(10, 10, func(_, _ float64) color.Color { return gray(77) })).Lines(1)))
	assert.Zero(t, dark(Find(image.NewNRGBA(image.Rect(0, 0, 5, 9))).Lines(1)), "transparent")
	rnd := rand.New(rand.NewPCG(1, 2))
	noisy := picture(Side, Side, func(_, _ float64) color.Color { return gray(128 + 3*rnd.NormFloat64()) })
	assert.Less(t, dark(Find(noisy).Lines(.5)), Side*Side/100)
}

func TestSpecksAreNoContours(t *testing.T) {
	speck := func(side float64) *image.Gray {
		return Find(picture(Side, Side, func(x, y float64) color.Color {
			if max(math.Abs(x-.5), math.Abs(y-.5)) < side/2/Side {
				return gray(0)
			}
			return gray(255)
		})).Lines(1)
	}
	assert.Zero(t, dark(speck(2)))
	assert.NotZero(t, dark(speck(8)))
}

// More detail adds contours and takes none away.
func TestDetail(t *testing.T) {
	img := picture(300, 300, func(x, y float64) color.Color {
		return gray(128 + 10*math.Ceil(12*x)*math.Sin(20*y)*x)
	})
	c := Find(img)
	last := c.Lines(0)
	for detail := .1; detail < 1.05; detail += .1 {
		now := c.Lines(detail)
		for i := range now.Pix {
			require.False(t, last.Pix[i] == 0 && now.Pix[i] != 0, "detail %g", detail)
		}
		last = now
	}
	assert.Greater(t, dark(last), 2*dark(c.Lines(0)))
}

// The contours of portraits lie where the data set's own sketches of them have
// lines, far more often than those of another portrait do.
func TestPortraits(t *testing.T) {
	list, err := examples.All()
	require.NoError(t, err)
	var own, other float64
	for i, e := range list {
		lines := Find(e.Picture).Lines(.5)
		require.Greater(t, dark(lines), 500)
		own += hits(lines, e.Sketch)
		other += hits(lines, list[(i+1)%len(list)].Sketch)
	}
	own, other = own/float64(len(list)), other/float64(len(list))
	t.Logf("near a line: %.2f of the contours, %.2f with another portrait's sketch", own, other)
	assert.Greater(t, own, .9)
	assert.Greater(t, own, 1.5*other)
}

// hits is the part of the lines that has a dark pixel of the sketch within 2% of
// the picture.
func hits(lines *image.Gray, sketch image.Image) float64 {
	near, n := 0, 0
	b := sketch.Bounds()
	for i, v := range lines.Pix {
		if v != 0 {
			continue
		}
		n++
		reach := max(1, b.Dx()/50)
		cx, cy := b.Min.X+i%Side*b.Dx()/Side, b.Min.Y+i/Side*b.Dy()/Side
	search:
		for y := cy - reach; y <= cy+reach; y++ {
			for x := cx - reach; x <= cx+reach; x++ {
				if image.Pt(x, y).In(b) && color.GrayModel.Convert(sketch.At(x, y)).(color.Gray).Y < 128 {
					near++
					break search
				}
			}
		}
	}
	return float64(near) / float64(n)
}

func TestDrawings(t *testing.T) {
	list, err := examples.All()
	require.NoError(t, err)
	for _, e := range list {
		assert.True(t, Draw(e.Sketch).Likely())
		assert.False(t, Draw(e.Picture).Likely())
	}
	// A pencil's line on gray paper in uneven light.
	photo := func(paper, line float64) *Drawing {
		return Draw(picture(400, 300, func(x, y float64) color.Color {
			if math.Abs(y-.5) < .02 {
				return gray(line)
			}
			return gray(paper + 12*x)
		}))
	}
	d := photo(215, 70)
	assert.True(t, d.Likely())
	assert.False(t, photo(140, 10).Likely(), "no light paper")
	assert.False(t, photo(215, 170).Likely(), "no dark line")
	lines := d.Lines(.5)
	assert.Less(t, lines.GrayAt(128, 128).Y, uint8(20))
	assert.Equal(t, uint8(255), lines.GrayAt(10, 30).Y)
	assert.InDelta(t, .04*Side*Side, dark(lines), 400)
	two := Draw(picture(Side, Side, func(_, y float64) color.Color {
		switch {
		case math.Abs(y-.3) < .02:
			return gray(0)
		case math.Abs(y-.7) < .02:
			return gray(170)
		}
		return gray(255)
	}))
	assert.InDelta(t, .04*Side*Side, dark(two.Lines(.1)), 600, "the dark one")
	assert.InDelta(t, .08*Side*Side, dark(two.Lines(.9)), 1200, "the light one, too")
	assert.False(t, Draw(picture(9, 9, func(_, _ float64) color.Color { return gray(250) })).Likely())
}

func BenchmarkFind(b *testing.B) {
	img := picture(512, 512, func(x, y float64) color.Color { return gray(128 + 100*math.Sin(30*x*y)) })
	for b.Loop() {
		Find(img)
	}
}

// BenchmarkLines is what a move of the slider costs.
func BenchmarkLines(b *testing.B) {
	c := Find(picture(512, 512, func(x, y float64) color.Color { return gray(128 + 100*math.Sin(30*x*y)) }))
	for b.Loop() {
		c.Lines(.6)
	}
}
