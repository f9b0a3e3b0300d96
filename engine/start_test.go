package engine

import (
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/engine/sampler"
	"github.com/mcdm/mcdm/shaders"
)

// portrait is a picture of 16x16 with a colour of its own in every pixel, and a
// region that keeps its left half.
func portrait() (img *image.NRGBA, left *image.Gray) {
	img, left = image.NewNRGBA(image.Rect(0, 0, 16, 16)), image.NewGray(image.Rect(0, 0, 16, 16))
	for y := range 16 {
		for x := range 16 {
			img.SetNRGBA(x, y, color.NRGBA{uint8(16 * x), uint8(16 * y), uint8(8 * (x + y)), 255})
			if x < 8 {
				left.SetGray(x, y, color.Gray{255})
			}
		}
	}
	return img, left
}

// What is kept comes out as it went in, with every sampler, and the rest is new.
func TestKeptRegionStays(t *testing.T) {
	img, left := portrait()
	for where, m := range machines(t) {
		model := load(t, m)
		for _, o := range []sampler.Options{
			{Name: "ddpm", Steps: 3}, {Name: "ddim", Steps: 3, ClippedEps: true}, {Name: "ddim", Steps: 3}, {Name: "dpmsolver++", Steps: 3, Corrector: 1},
		} {
			q := Request{Sampler: o, Image: img, Keep: left, Count: 2}
			for n, p := range sample(t, model, q) {
				different := 0
				for y := range 16 {
					for x := range 16 {
						want, got := img.NRGBAAt(x, y), p.RGBAAt(x, y)
						off := max(math.Abs(float64(want.R)-float64(got.R)), math.Abs(float64(want.G)-float64(got.G)), math.Abs(float64(want.B)-float64(got.B)))
						if x < 8 {
							require.LessOrEqual(t, off, 1.0, "%s %+v sample %d at (%d, %d): got %v, want %v", where, o, n, x, y, got, want)
						} else if off > 1 {
							different++
						}
					}
				}
				assert.Greater(t, different, 100, "%s %+v sample %d: the right half is free", where, o, n)
			}
		}
		// The region is forgotten by the next run of the same recording.
		free := Request{Sampler: sampler.Options{Steps: 2}, Count: 2}
		fresh := sample(t, load(t, record.CPU()), free)[0]
		assert.LessOrEqual(t, difference(fresh, sample(t, model, free)[0]), 2, where)
	}
}

// A run from a picture starts at sqrt(abar) x + sqrt(1 - abar) eta.
func TestStartIsTheNoisedPicture(t *testing.T) {
	img, _ := portrait()
	ctx := context.Background()
	for where, machine := range machines(t) {
		m := load(t, machine)
		q := Request{Image: img, Sampler: sampler.Options{Steps: 20, Start: .7}, Seed: 3}
		steps, err := q.Sampler.StepsOf(m.schedule)
		require.NoError(t, err)
		x, err := m.session(ctx, bare(m.networks[0]), m.square(2))
		require.NoError(t, err)
		params := stepParams(q.Seed)
		require.NoError(t, m.start(x, &params, q, steps[0]))
		require.NoError(t, x.loaded.Write(x.params, params.Bytes()))
		require.NoError(t, x.loaded.Run(ctx, x.begin))
		z, err := read(ctx, x.loaded, x.z)
		require.NoError(t, err)
		abar := m.schedule.ABar[299]
		for i, got := range z {
			n, pixel, c := i/(64*12), i/12%64, i%12 // 8x8 pixels of 3 colours x 2 x 2
			at := img.NRGBAAt(pixel%8*2+c%2, pixel/8*2+c/2%2)
			value := float64([]uint8{at.R, at.G, at.B}[c/4])/127.5 - 1
			eta := shaders.Normals(q.Seed+uint64(n), uint32(pixel), uint32(c/4), 0)[c%4]
			require.InDelta(t, math.Sqrt(abar)*value+math.Sqrt(1-abar)*eta, float64(got), 1e-5, "%s value %d", where, i)
		}
	}
}

func TestEncodeKnown(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 4, 2)) // two pixels of the grid, averaged: 4x2 -> 2x2
	img.SetNRGBA(0, 0, color.NRGBA{255, 0, 0, 255})
	img.SetNRGBA(1, 0, color.NRGBA{0, 0, 255, 255})
	keep := image.NewGray(image.Rect(0, 0, 2, 2))
	keep.SetGray(1, 1, color.Gray{51})
	b := encodeKnown(img, keep, 3, 2, 1)
	var got []float32
	for i := 0; i < len(b); i += 4 {
		got = append(got, math.Float32frombits(binary.LittleEndian.Uint32(b[i:])))
	}
	want := []float32{
		0, -1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, // what is transparent is white
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, .2, .2, .2, 0,
	}
	assert.InDeltaSlice(t, want, got, 1e-6, fmt.Sprint(got))
	assert.Equal(t, append(b[:64:64], make([]byte, 64)...), encodeKnown(img, nil, 3, 2, 1))
}

func TestStartRefusals(t *testing.T) {
	img, left := portrait()
	m, huge := load(t, record.CPU()), image.NewAlpha(image.Rect(0, 0, 4096, 4097))
	for _, c := range []struct {
		q    Request
		want string
	}{
		{Request{Sampler: sampler.Options{Start: .5}}, "needs an image"},
		{Request{Keep: left}, "keeps a region, needs an image"},
		{Request{Image: image.NewNRGBA(image.Rectangle{})}, "the image: it has no pixels"},
		{Request{Image: img, Keep: image.NewGray(image.Rectangle{})}, "the region to keep: it has no pixels"},
		{Request{Image: huge}, "the image: 4096x4097 pixels are too many"},
		{Request{Image: img, Keep: huge}, "the region to keep: 4096x4097 pixels are too many"},
		{Request{Image: img, Sampler: sampler.Options{Start: .999, Steps: 5}}, "no step is left after the start 0.999"},
	} {
		_, err := m.Sample(context.Background(), c.q, nil)
		assert.ErrorContains(t, err, c.want)
	}
	assert.Nil(t, m.current, "refused before anything is loaded")
}
