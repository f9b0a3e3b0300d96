// Package edges makes sketches of pictures: the contours of a photo, after Canny
// (A computational approach to edge detection, 1986), or the dark lines of a
// picture that is a drawing already.
package edges

import (
	"image"
	"math"
	"slices"

	"golang.org/x/image/draw"
)

// Side is the height and width of the sketches: twice the board's, so that lines
// are smooth once they are brought to its size.
const Side = 256

// sigma of the Gaussian blur that comes before the gradients, in pixels.
const sigma = 1.4

// faint is the least gradient that counts, in levels of 255 per pixel: noise of
// flat areas stays below it whatever the threshold.
const faint = 2.

// least is how many pixels a contour has at least; shorter ones are specks.
const least = 14

// plane is one value for every pixel, row by row.
type plane []float32

// Contours are a picture's, before it is decided which are strong enough.
type Contours struct {
	strength plane     // gradient where it is the largest across the contour, else 0
	sorted   []float32 // all of these, the weakest first
}

// Find looks for the contours of a picture of any size, which is stretched to a
// square.
func Find(img image.Image) *Contours {
	channels := split(img)
	size, dx, dy := make(plane, Side*Side), make(plane, Side*Side), make(plane, Side*Side)
	for _, c := range channels {
		c.blur()
		// The channel that changes most decides: colours of one brightness have a
		// contour, too.
		for y := range Side {
			for x := range Side {
				gx, gy := c.sobel(x, y)
				i := y*Side + x
				if s := float32(math.Sqrt(float64(gx*gx + gy*gy))); s > size[i] {
					size[i], dx[i], dy[i] = s, gx, gy
				}
			}
		}
	}
	out := &Contours{strength: make(plane, Side*Side)}
	for y := range Side {
		for x := range Side {
			i := y*Side + x
			if s := size[i]; s >= faint && crest(size, x, y, dx[i], dy[i]) {
				out.strength[i] = s
				out.sorted = append(out.sorted, s)
			}
		}
	}
	slices.Sort(out.sorted)
	return out
}

// Lines draws the contours, dark on white. With more detail, 0 to 1, weaker ones
// appear; all stay that were there with less.
func (c *Contours) Lines(detail float64) *image.Gray {
	out := image.NewGray(image.Rect(0, 0, Side, Side))
	for i := range out.Pix {
		out.Pix[i] = 255
	}
	if len(c.sorted) == 0 {
		return out
	}
	// As many pixels as detail says are strong; contours go on from them along
	// weaker ones (hysteresis).
	detail = math.Max(.02, math.Min(1, detail))
	n := len(c.sorted)
	high := c.sorted[min(n-1, int(float64(n)*(1-detail*detail)))]
	low := high * .4 // above 0, like all that are sorted
	seen := make([]bool, Side*Side)
	var line []int
	for start, s := range c.strength {
		if s < high || seen[start] {
			continue
		}
		seen[start] = true
		line = append(line[:0], start)
		for k := 0; k < len(line); k++ {
			x, y := line[k]%Side, line[k]/Side
			for ny := max(0, y-1); ny <= min(Side-1, y+1); ny++ {
				for nx := max(0, x-1); nx <= min(Side-1, x+1); nx++ {
					j := ny*Side + nx
					if !seen[j] && c.strength[j] >= low {
						seen[j] = true
						line = append(line, j)
					}
				}
			}
		}
		if len(line) < least {
			continue
		}
		for _, i := range line {
			dot(out, i%Side, i/Side)
		}
	}
	return out
}

// dot is four pixels wide, without corners: on the board a line of two pixels,
// like the pencil's.
func dot(out *image.Gray, x, y int) {
	for dy := -1; dy <= 2; dy++ {
		for dx := -1; dx <= 2; dx++ {
			corner := (dx == -1 || dx == 2) && (dy == -1 || dy == 2)
			if p := image.Pt(x+dx, y+dy); !corner && p.In(out.Rect) {
				out.Pix[p.Y*Side+p.X] = 0
			}
		}
	}
}

// split gives the three channels, 0 to 255, on white where it is transparent.
func split(img image.Image) [3]plane {
	rgba := image.NewRGBA(image.Rect(0, 0, Side, Side))
	draw.Draw(rgba, rgba.Rect, image.White, image.Point{}, draw.Src)
	draw.BiLinear.Scale(rgba, rgba.Rect, img, img.Bounds(), draw.Over, nil)
	var out [3]plane
	for c := range out {
		out[c] = make(plane, Side*Side)
		for i := range out[c] {
			out[c][i] = float32(rgba.Pix[4*i+c])
		}
	}
	return out
}

// at repeats the border outwards.
func (p plane) at(x, y int) float32 {
	return p[max(0, min(Side-1, y))*Side+max(0, min(Side-1, x))]
}

// blur is a Gaussian one, first along rows and then along columns.
func (p plane) blur() {
	const reach = 4
	var weights [2*reach + 1]float32
	sum := float32(0)
	for k := range weights {
		d := float64(k - reach)
		weights[k] = float32(math.Exp(-d * d / (2 * sigma * sigma)))
		sum += weights[k]
	}
	for k := range weights {
		weights[k] /= sum
	}
	line := make(plane, Side+2*reach) // a row or column, its ends repeated
	for _, pass := range [2]struct{ first, step int }{{Side, 1}, {1, Side}} {
		for n := range Side {
			row := p[n*pass.first:]
			for k := range line {
				line[k] = row[max(0, min(Side-1, k-reach))*pass.step]
			}
			for x := range Side {
				v := float32(0)
				for k, w := range weights {
					v += w * line[x+k]
				}
				row[x*pass.step] = v
			}
		}
	}
}

// sobel is the gradient, in levels per pixel.
func (p plane) sobel(x, y int) (gx, gy float32) {
	nw, n, ne := p.at(x-1, y-1), p.at(x, y-1), p.at(x+1, y-1)
	w, e := p.at(x-1, y), p.at(x+1, y)
	sw, s, se := p.at(x-1, y+1), p.at(x, y+1), p.at(x+1, y+1)
	return (ne + 2*e + se - nw - 2*w - sw) / 8, (sw + 2*s + se - nw - 2*n - ne) / 8
}

// crest tells whether no pixel before or behind, across the contour, has a
// larger gradient; of two equal ones only the second is one.
func crest(size plane, x, y int, dx, dy float32) bool {
	const tan = .41421356 // of an eighth of a half turn: there is a neighbour every quarter
	ax, ay := max(dx, -dx), max(dy, -dy)
	step := image.Pt(1, 0)
	switch {
	case ay < tan*ax:
	case ax < tan*ay:
		step = image.Pt(0, 1)
	case (dx > 0) == (dy > 0):
		step = image.Pt(1, 1)
	default:
		step = image.Pt(-1, 1)
	}
	s := size[y*Side+x]
	return s >= size.at(x-step.X, y-step.Y) && s > inside(size, x+step.X, y+step.Y)
}

// inside is at, but nothing beyond the border.
func inside(size plane, x, y int) float32 {
	if x < 0 || y < 0 || x >= Side || y >= Side {
		return 0
	}
	return size[y*Side+x]
}
