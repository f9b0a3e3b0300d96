package engine

import (
	"context"
	"errors"
	"image"
	"testing"

	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/weights/bundle"
	"github.com/mcdm/mcdm/weights/golden"
	"github.com/mcdm/mcdm/weights/pack"
	"github.com/mcdm/mcdm/weights/unet"
)

// enlarging is the tiny bundle with the upscaler of the golden file.
func enlarging(t *testing.T, dtype string) (*bundle.Bundle, golden.Upscaling) {
	t.Helper()
	c, err := golden.LoadUpscaling()
	require.NoError(t, err)
	u, err := unet.Parse(c.Config)
	require.NoError(t, err)
	b := tiny(t)
	m := *b.Manifest
	tensors := map[string][]bundle.Tensor{}
	for i := range m.Networks {
		n := &m.Networks[i]
		for name := range n.Tensors {
			v, err := b.Tensor(n, name)
			require.NoError(t, err)
			tensors[n.Name] = append(tensors[n.Name], v)
		}
	}
	d := m.Diffusion
	d.ImageSize, d.PixelUnshuffle, d.PredictionType = c.Factor*d.ImageSize, c.Factor, bundle.Sample
	m.Upscaler = &bundle.Network{Name: "large", Modality: bundle.Upscale, ConditionChannels: 3, Config: c.Config, UNet: u, Diffusion: &d}
	for name, shape := range u.Tensors() {
		w, err := pack.Quantize(name, shape, golden.Weight(name, shape), dtype)
		require.NoError(t, err)
		tensors["large"] = append(tensors["large"], w)
	}
	files, err := pack.Encode(&m, tensors)
	require.NoError(t, err)
	fsys := fstest.MapFS{}
	for name, data := range files {
		fsys[name] = &fstest.MapFile{Data: data}
	}
	b, err = bundle.Open(fsys)
	require.NoError(t, err)
	return b, c
}

func enlarger(t *testing.T, m record.Machine, dtype string) (*Model, golden.Upscaling) {
	t.Helper()
	b, c := enlarging(t, dtype)
	model, err := Load(context.Background(), m, b, nil)
	require.NoError(t, err)
	t.Cleanup(model.Release)
	return model, c
}

// rgb is a square picture of [side, side, 3] bytes.
func rgb(pix []byte) *image.RGBA {
	side := 1
	for 3*side*side < len(pix) {
		side++
	}
	img := image.NewRGBA(image.Rect(0, 0, side, side))
	for i := range side * side {
		copy(img.Pix[4*i:], pix[3*i:3*i+3])
		img.Pix[4*i+3] = 255
	}
	return img
}

// TestUpscaleIsDiffusers compares a whole upscaling, noise and all, with what
// diffusers makes of the same network and picture.
func TestUpscaleIsDiffusers(t *testing.T) {
	for name, machine := range map[string]record.Machine{"twins": record.CPU(), "adapter": onGPU(t)} {
		t.Run(name, func(t *testing.T) {
			m, c := enlarger(t, machine, "f32")
			assert.Equal(t, 32, m.LargeSize())
			var told [][2]int
			got, err := m.Upscale(context.Background(), rgb(c.Small), Upscaling{Steps: c.Steps, Seed: c.Seed}, func(done, total int) {
				told = append(told, [2]int{done, total})
			})
			require.NoError(t, err)
			want := rgb(c.Large)
			require.Equal(t, want.Rect, got.Rect)
			assert.LessOrEqual(t, difference(want, got), 1)
			assert.Equal(t, [][2]int{{1, 4}, {2, 4}, {3, 4}, {4, 4}}, told)
			other, err := m.Upscale(context.Background(), rgb(c.Small), Upscaling{Steps: c.Steps, Seed: c.Seed + 1}, nil)
			require.NoError(t, err)
			assert.Greater(t, difference(got, other), 20, "the seed makes no difference")
		})
	}
}

// An upscaling is the same before and after other runs, between which its memory
// may be given back; and sampling is not changed by it.
func TestUpscaleIsReproducible(t *testing.T) {
	m, c := enlarger(t, onGPU(t), "int8")
	ctx := context.Background()
	q := Request{Seed: 3}
	q.Sampler.Steps = 3
	picture := sample(t, m, q)[0]
	plain := load(t, onGPU(t))
	assert.Equal(t, sample(t, plain, q)[0].Pix, picture.Pix, "a bundle with an upscaler samples otherwise")
	first, err := m.Upscale(ctx, picture, Upscaling{Seed: 5}, nil)
	require.NoError(t, err)
	q.Count = 2
	sample(t, m, q)
	_, err = m.Upscale(ctx, rgb(c.Small), Upscaling{Seed: 6}, nil)
	require.NoError(t, err)
	again, err := m.Upscale(ctx, picture, Upscaling{Seed: 5}, nil)
	require.NoError(t, err)
	assert.Equal(t, first.Pix, again.Pix)
}

func TestUpscaleRefuses(t *testing.T) {
	m, c := enlarger(t, record.CPU(), "f32")
	ctx := context.Background()
	small := rgb(c.Small)
	_, err := load(t, record.CPU()).Upscale(ctx, small, Upscaling{}, nil)
	assert.ErrorContains(t, err, "no upscaler")
	_, err = m.Upscale(ctx, image.NewRGBA(image.Rect(0, 0, 32, 32)), Upscaling{}, nil)
	assert.ErrorContains(t, err, "32x32 pixels to upscale: want 16x16")
	_, err = m.Upscale(ctx, small, Upscaling{Steps: 1001}, nil)
	assert.ErrorContains(t, err, "1001 steps")
	ctx, stop := context.WithCancel(ctx)
	steps := 0
	_, err = m.Upscale(ctx, small, Upscaling{}, func(done, _ int) { steps = done; stop() })
	assert.True(t, errors.Is(err, context.Canceled), err)
	assert.Equal(t, 1, steps)
}

// What Memory plans is what an upscaling takes.
func TestUpscaleMemory(t *testing.T) {
	m, c := enlarger(t, onGPU(t), "int8")
	plan, err := m.Memory(1)
	require.NoError(t, err)
	require.Positive(t, plan.Upscaling)
	require.Equal(t, plan.Weights, m.Bytes())
	_, err = m.Upscale(context.Background(), rgb(c.Small), Upscaling{}, nil)
	require.NoError(t, err)
	const unbound = 256 // bytes that unbound bindings see
	assert.Equal(t, plan.Weights+plan.Upscaling+unbound, m.Bytes())
}
