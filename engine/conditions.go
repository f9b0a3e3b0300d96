package engine

import (
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"math"
	"slices"
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
	// More of the same, each one more evaluation of its network a step. In Weights,
	// Windows and Maps the first of MoreTexts is "text.2", with text for its
	// network's name, and so on.
	MoreSketches []image.Image
	MoreMasks    []*image.Paletted
	MoreTexts    []string
}

// The modalities whose inputs this package can encode.
const (
	Unconditional = "none"
	Sketch        = "sketch"
	Mask          = "mask"
	Text          = "text"
	// Joint is a network that takes a sketch, a mask and a text at once, any of them
	// empty: what merges are compared with. It is one summand of (12).
	Joint = "joint"
)

func (c Conditions) sketches() []image.Image {
	return append([]image.Image{c.Sketch}, c.MoreSketches...)
}

func (c Conditions) masks() []*image.Paletted {
	return append([]*image.Paletted{c.Mask}, c.MoreMasks...)
}

func (c Conditions) texts() []string { return append([]string{c.Text}, c.MoreTexts...) }

// given lists which of a modality's conditions are there, from 0.
func (c Conditions) given(modality string) (which []int) {
	switch modality {
	case Sketch:
		return there(c.sketches(), func(s image.Image) bool { return s != nil })
	case Mask:
		return there(c.masks(), func(m *image.Paletted) bool { return m != nil })
	case Text:
		return there(c.texts(), func(s string) bool { return s != "" })
	case Joint:
		if c.Sketch != nil || c.Mask != nil || c.Text != "" {
			return []int{0}
		}
	}
	return nil
}

func there[T any](list []T, is func(T) bool) (which []int) {
	for i, v := range list {
		if is(v) {
			which = append(which, i)
		}
	}
	return which
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

// encodeSketch gives the condition's channels [C=r*r] on the network's grid,
// channels last.
func encodeSketch(img image.Image, side, r int) ([]byte, error) {
	if err := checkSize(img.Bounds()); err != nil {
		return nil, fmt.Errorf("the sketch: %w", err)
	}
	ink := inkOf(img, side)
	return unshuffle(1, side, r, func(_, y, x int) float32 { return ink[y*side+x] }), nil
}

// encodeMask gives one-hot labels [C=labels*r*r] on the network's grid,
// channels last, all zero where the label is unknown.
func encodeMask(m *image.Paletted, labels, side, r int) ([]byte, error) {
	if err := checkSize(m.Bounds()); err != nil {
		return nil, fmt.Errorf("the mask: %w", err)
	}
	index := labelsOf(m, labels, side)
	return unshuffle(labels, side, r, func(c, y, x int) float32 {
		if int(index[y*side+x]) == c {
			return 1
		}
		return 0
	}), nil
}

// encodeJoint gives the channels of a sketch and after them those of a mask, all
// zero for what is nil.
func encodeJoint(sketch image.Image, mask *image.Paletted, labels, side, r int) ([]byte, error) {
	ink, index := make([]float32, side*side), slices.Repeat([]uint8{unknown}, side*side)
	if sketch != nil {
		if err := checkSize(sketch.Bounds()); err != nil {
			return nil, fmt.Errorf("the sketch: %w", err)
		}
		ink = inkOf(sketch, side)
	}
	if mask != nil {
		if err := checkSize(mask.Bounds()); err != nil {
			return nil, fmt.Errorf("the mask: %w", err)
		}
		index = labelsOf(mask, labels, side)
	}
	return unshuffle(1+labels, side, r, func(c, y, x int) float32 {
		switch i := y*side + x; {
		case c == 0:
			return ink[i]
		case int(index[i]) == c-1:
			return 1
		}
		return 0
	}), nil
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
