package engine

import (
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"math"
	"slices"

	"github.com/mcdm/mcdm/weights/bundle"
)

// Conditions are what a person gives. Whatever is absent is not merged at all:
// its network is not run.
type Conditions struct {
	// Sketch holds dark lines on light paper, of any size: it is averaged down
	// (or sampled up) to the bundle's picture size. nil: no sketch.
	Sketch image.Image
	// Mask holds a label's index per pixel, of any size. An index that is not a
	// label of the bundle means "unknown". nil: no mask.
	Mask *image.Paletted
	// Text is a sentence; "" means none.
	Text string
	// Colour holds dabs of colour, of any size: it is averaged down (or sampled up)
	// to the grid of the bundle's colour network. What is transparent is left to
	// the networks. nil: no dabs.
	Colour image.Image
	// More of the same, each one more evaluation of its network a step. In Weights,
	// Windows and Maps the first of MoreTexts is "text.2", with text for its
	// network's name, and so on.
	MoreSketches []image.Image
	MoreMasks    []*image.Paletted
	MoreTexts    []string
	MoreColours  []image.Image
}

// The modalities whose inputs this package can encode, and that of the network
// without any.
const (
	Unconditional = bundle.Unconditional
	Sketch        = "sketch"
	Mask          = "mask"
	Text          = "text"
	Colour        = "colour"
	// Joint is a network that takes a sketch, a mask and a text at once, any of them
	// empty: what merges are compared with. It is one summand of (12).
	Joint = "joint"
)

// modalities are all kinds of conditions: nothing else in this package knows one
// from another, but for what the joint network takes at once. One more takes
//   - a network, trained alone: weights/train/data.py (Split.condition) makes what it
//     sees of a picture, nets.py says how many channels that is, or that it
//     cross-attends;
//   - in weights/bundle, what those channels are, in Network, and that it is checked
//     (checkCondition). What the encoder must know, such as labels or the size of a
//     grid, stands in the trainer's mcdm.json and comes from there into the manifest;
//   - here, its fields in Conditions and a line with its encoder.
//
// Then weights, windows, maps, scores and all the rest work by the network's name.
// Command mcdm needs a flag (cmd/mcdm/conditions.go); the page a card (#card-NAME in
// wasm/index.html), a field of the recipe (ui/recipe) and its place in
// ui/studio/request.go; a card without a network is not shown.
var modalities = []modality{
	kind(Sketch, Conditions.sketches, encodeSketch),
	kind(Mask, Conditions.masks, encodeMask),
	kind(Text, Conditions.texts, encodeText),
	kind(Colour, Conditions.colours, encodeColour),
}

// modality is one kind of condition.
type modality struct {
	name string
	// given lists which of its conditions are there, from 0.
	given func(Conditions) []int
	// encode makes the at-th of them what its network takes: rows [H, W, Cc] f32
	// that are concatenated to z, channels last and padded to a multiple of four, or
	// token ids.
	encode func(c Conditions, at int, n *network, d bundle.Diffusion) ([]byte, error)
}

// kind is a modality whose conditions are of type T; its zero value is none.
func kind[T comparable](name string, all func(Conditions) []T, encode func(T, *network, bundle.Diffusion) ([]byte, error)) modality {
	return modality{
		name: name,
		given: func(c Conditions) (which []int) {
			var none T
			for i, v := range all(c) {
				if v != none {
					which = append(which, i)
				}
			}
			return which
		},
		encode: func(c Conditions, at int, n *network, d bundle.Diffusion) ([]byte, error) {
			data, err := encode(all(c)[at], n, d)
			if err != nil {
				return nil, fmt.Errorf("the %s: %w", name, err)
			}
			return data, nil
		},
	}
}

// Modalities names all kinds of conditions.
func Modalities() (names []string) {
	for _, m := range modalities {
		names = append(names, m.name)
	}
	return names
}

// modalityOf is nil for the unconditional network and for what this package
// cannot encode.
func modalityOf(name string) *modality {
	for i := range modalities {
		if modalities[i].name == name {
			return &modalities[i]
		}
	}
	return nil
}

func (c Conditions) sketches() []image.Image {
	return append([]image.Image{c.Sketch}, c.MoreSketches...)
}

func (c Conditions) masks() []*image.Paletted {
	return append([]*image.Paletted{c.Mask}, c.MoreMasks...)
}

func (c Conditions) texts() []string { return append([]string{c.Text}, c.MoreTexts...) }

func (c Conditions) colours() []image.Image { return append([]image.Image{c.Colour}, c.MoreColours...) }

// given lists which of a modality's conditions are there, from 0.
func (c Conditions) given(modality string) []int {
	if m := modalityOf(modality); m != nil {
		return m.given(c)
	}
	if modality == Joint && (c.Sketch != nil || c.Mask != nil || c.Text != "") {
		return []int{0}
	}
	return nil
}

// inkOf turns a drawing into ink on the picture's grid: 0 is paper, 1 a line,
// [1, side, side]. Pixels are averaged over the area that they cover; what is
// transparent is paper.
func inkOf(img image.Image, side int) []float32 {
	dark := resample(img, side, func(v color.Color) float64 {
		c := color.NRGBA64Model.Convert(v).(color.NRGBA64)
		gray := (0.299*float64(c.R) + 0.587*float64(c.G) + 0.114*float64(c.B)) / 65535
		return (1 - gray) * float64(c.A) / 65535
	})
	ink := make([]float32, len(dark))
	for i, v := range dark {
		ink[i] = float32(v)
	}
	return ink
}

// resample brings a value of every pixel to a grid of [side, side].
func resample(img image.Image, side int, value func(color.Color) float64) []float64 {
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	values := make([]float64, w*h)
	for y := range h {
		for x := range w {
			values[y*w+x] = value(img.At(b.Min.X+x, b.Min.Y+y))
		}
	}
	// Separable box filter: rows, then columns.
	rows := make([]float64, h*side)
	for y := range h {
		boxAverage(values[y*w:], 1, w, rows[y*side:], 1, side)
	}
	out := make([]float64, side*side)
	for x := range side {
		boxAverage(rows[x:], side, h, out[x:], side, side)
	}
	return out
}

// boxAverage resamples n values to m: output i is the mean of the input over
// [i n/m, (i+1) n/m), parts of values included.
func boxAverage(src []float64, srcStride, n int, dst []float64, dstStride, m int) {
	scale := float64(n) / float64(m)
	for i := range m {
		from, to := float64(i)*scale, float64(i+1)*scale
		sum := 0.0
		for k := int(from); k < n && float64(k) < to; k++ {
			part := math.Min(to, float64(k+1)) - math.Max(from, float64(k))
			sum += src[k*srcStride] * part
		}
		dst[i*dstStride] = sum / scale
	}
}

// unknown marks a pixel of a mask whose label the network shall choose.
const unknown = 255

// labelsOf brings a mask to the picture's grid: every pixel takes the label
// that is most frequent in the area it covers (nearest when the mask is
// smaller). On a tie it is the later one, since thin parts lie on wide ones: the
// networks were trained on masks that were halved so.
func labelsOf(m *image.Paletted, labels, side int) []uint8 {
	b := m.Bounds()
	w, h := b.Dx(), b.Dy()
	out := make([]uint8, side*side)
	count := make([]int, labels+1)
	for y := range side {
		for x := range side {
			clear(count)
			x0, x1 := area(x, w, side)
			y0, y1 := area(y, h, side)
			for v := y0; v < y1; v++ {
				for u := x0; u < x1; u++ {
					count[min(int(m.ColorIndexAt(b.Min.X+u, b.Min.Y+v)), labels)]++
				}
			}
			best := 0
			for l, n := range count {
				if n > count[best] || n == count[best] && n > 0 && l < labels {
					best = l
				}
			}
			out[y*side+x] = uint8(best)
			if best == labels {
				out[y*side+x] = unknown
			}
		}
	}
	return out
}

// area is the range of n source pixels that output pixel i of m covers.
func area(i, n, m int) (from, to int) {
	from = i * n / m
	return from, max((i+1)*n/m, from+1)
}

// encodeSketch gives ink, unshuffled: C = r*r.
func encodeSketch(img image.Image, _ *network, d bundle.Diffusion) ([]byte, error) {
	if err := checkSize(img.Bounds()); err != nil {
		return nil, err
	}
	side := d.ImageSize
	ink := inkOf(img, side)
	return unshuffle(1, side, d.PixelUnshuffle, func(_, y, x int) float32 { return ink[y*side+x] }), nil
}

// encodeMask gives one-hot labels, all zero where the label is unknown,
// unshuffled: C = labels*r*r.
func encodeMask(m *image.Paletted, n *network, d bundle.Diffusion) ([]byte, error) {
	if err := checkSize(m.Bounds()); err != nil {
		return nil, err
	}
	side := d.ImageSize
	index := labelsOf(m, n.labels, side)
	return unshuffle(n.labels, side, d.PixelUnshuffle, func(c, y, x int) float32 {
		if int(index[y*side+x]) == c {
			return 1
		}
		return 0
	}), nil
}

// encodeJoint gives the channels of a sketch and after them those of a mask, all
// zero for what is nil.
func encodeJoint(c Conditions, n *network, d bundle.Diffusion) ([]byte, error) {
	side := d.ImageSize
	ink, index := make([]float32, side*side), slices.Repeat([]uint8{unknown}, side*side)
	if c.Sketch != nil {
		if err := checkSize(c.Sketch.Bounds()); err != nil {
			return nil, fmt.Errorf("the sketch: %w", err)
		}
		ink = inkOf(c.Sketch, side)
	}
	if c.Mask != nil {
		if err := checkSize(c.Mask.Bounds()); err != nil {
			return nil, fmt.Errorf("the mask: %w", err)
		}
		index = labelsOf(c.Mask, n.labels, side)
	}
	return unshuffle(1+n.labels, side, d.PixelUnshuffle, func(c, y, x int) float32 {
		switch i := y*side + x; {
		case c == 0:
			return ink[i]
		case int(index[i]) == c-1:
			return 1
		}
		return 0
	}), nil
}

// encodeText gives the ids of the words that the network knows, one a row.
func encodeText(text string, n *network, _ bundle.Diffusion) ([]byte, error) {
	return tokenRows(n.tokenizer.EncodeKnown(text)), nil
}

// encodeColour gives R, G, B in -1..1 and 1 where the colour is known, all zero
// elsewhere, every cell repeated over its part of the network's grid: C = 4.
func encodeColour(img image.Image, n *network, d bundle.Diffusion) ([]byte, error) {
	if err := checkSize(img.Bounds()); err != nil {
		return nil, err
	}
	cells, grid := coloursOf(img, n.grid), d.GridSize()
	var values []float32
	for y := range grid {
		for x := range grid {
			c := cells[y*n.grid/grid*n.grid+x*n.grid/grid]
			values = append(values, c[:]...)
		}
	}
	return rows(values, 4), nil
}

// coloursOf brings dabs to a grid of side x side cells: the mean R, G, B in -1..1
// of what is painted, and 1, where at least half of the cell is; elsewhere zeros.
func coloursOf(img image.Image, side int) [][4]float32 {
	cells := make([][4]float32, side*side)
	painted := resample(img, side, func(v color.Color) float64 {
		_, _, _, a := v.RGBA()
		return float64(a) / 0xffff
	})
	for i := range 3 {
		sum := resample(img, side, func(v color.Color) float64 {
			r, g, b, _ := v.RGBA() // premultiplied: what is transparent has no say
			return float64([]uint32{r, g, b}[i]) / 0xffff
		})
		for k, a := range painted {
			if a >= .5-1e-9 { // but for rounding
				cells[k][i], cells[k][3] = float32(2*sum[k]/a-1), 1
			}
		}
	}
	return cells
}

// unshuffle packs channels x side x side values by PyTorch's
// pixel_unshuffle(r), channel c*r*r + dy*r + dx, into channels-last rows that
// are padded to a multiple of four.
func unshuffle(channels, side, r int, at func(c, y, x int) float32) []byte {
	grid := side / r
	stride := (channels*r*r + 3) &^ 3
	out := make([]byte, 4*grid*grid*stride)
	for y := range side {
		for x := range side {
			for c := range channels {
				k := c*r*r + (y%r)*r + x%r
				i := ((y/r)*grid+x/r)*stride + k
				binary.LittleEndian.PutUint32(out[4*i:], math.Float32bits(at(c, y, x)))
			}
		}
	}
	return out
}
