package engine

import (
	"context"
	"errors"
	"fmt"
	"image"

	"github.com/mcdm/mcdm/engine/sampler"
	"github.com/mcdm/mcdm/weights/bundle"
)

// Upscaling says how a picture is made larger.
type Upscaling struct {
	Steps int    // evaluations of the upscaler; 0 is UpscaleSteps
	Seed  uint64 // of the noise
}

// UpscaleSteps is the number of steps of an Upscaling that says nothing. With
// more the mean error on held-back pictures grows (README.md), and thin lines get
// a little darker and sharper; beyond two that is hardly seen.
const UpscaleSteps = 2

// upscaleNoise is the counter of the noise that an upscaling starts from: no
// sampling run of the same seed counts so far.
const upscaleNoise = 1 << 30

// Upscale makes a picture of the model larger, by SR3 (Saharia et al. 2021,
// algorithm 2) with DDIM's steps without noise in place of DDPM's:
//
//	x0 = clamp(repeated(small) + network(z, small, t))
//
// The small picture is what the network is given beside z, and its repeated
// pixels are merged with what it says, each with weight 1, as two networks' would
// be. The same picture, seed and steps give the same result. report may be nil.
func (m *Model) Upscale(ctx context.Context, small *image.RGBA, o Upscaling, report func(done, total int)) (*image.RGBA, error) {
	if err := m.take(ctx); err != nil {
		return nil, err
	}
	defer m.give()
	u := m.upscaler
	if u == nil {
		return nil, errors.New("the bundle has no upscaler")
	}
	if side, size := m.diffusion.ImageSize, small.Rect.Size(); size != image.Pt(side, side) {
		return nil, fmt.Errorf("a picture of %dx%d pixels to upscale: want %dx%d, as the bundle's networks make them", size.X, size.Y, side, side)
	}
	if o.Steps == 0 {
		o.Steps = UpscaleSteps
	}
	// ClippedEps: x0 is what the next step starts from, clipped as it is.
	steps, err := sampler.Options{Steps: o.Steps, ClippedEps: true}.StepsOf(u.schedule)
	if err != nil {
		return nil, err
	}
	x, err := u.session(ctx, bare(u.networks...), u.upscaling())
	if err != nil {
		return nil, err
	}
	d := u.diffusion
	if err := x.loaded.Write(x.terms[0].cond, encodePicture(small, d.Channels, d.GridSize(), 1)); err != nil {
		return nil, err
	}
	// Resampling by a whole number repeats pixels.
	if err := x.loaded.Write(x.base, encodePicture(small, d.Channels, d.ImageSize, d.PixelUnshuffle)); err != nil {
		return nil, err
	}
	params := stepParams(o.Seed)
	params.Index = upscaleNoise
	if err := x.loaded.Write(x.params, params.Bytes()); err != nil {
		return nil, err
	}
	if err := x.loaded.Run(ctx, x.begin); err != nil {
		return nil, err
	}
	one, both := []float64{1}, []float64{1, 1}
	for i, s := range steps {
		setStep(&params, bundle.Sample, s, both, i+1)
		if err := x.advance(ctx, &params, s.T, one); err != nil {
			return nil, err
		}
		if err := x.loaded.Pace(ctx); err != nil {
			return nil, err
		}
		if report != nil {
			report(i+1, len(steps))
		}
	}
	pictures, err := x.pictures(ctx)
	if err != nil {
		return nil, err
	}
	return pictures[0], nil
}

// upscaling is the shape of an upscaler's recording.
func (m *Model) upscaling() shape {
	s := m.square(1)
	s.based = true
	return s
}
