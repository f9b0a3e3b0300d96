package engine

import (
	"fmt"
	"image"
	"image/color"

	"github.com/mcdm/mcdm/engine/sampler"
	"github.com/mcdm/mcdm/shaders"
)

// checkImage refuses what needs a picture without one, and pictures that cost too much.
func (q Request) checkImage() error {
	if q.Image == nil {
		if q.Sampler.Start > 0 || q.Keep != nil {
			return fmt.Errorf("a run that starts later than from noise, or keeps a region, needs an image")
		}
		return nil
	}
	if err := checkSize(q.Image.Bounds()); err != nil {
		return fmt.Errorf("the image: %w", err)
	}
	if q.Keep != nil {
		if err := checkSize(q.Keep.Bounds()); err != nil {
			return fmt.Errorf("the region to keep: %w", err)
		}
	}
	return nil
}

// start prepares where a run starts, z = sqrt(abar) x + sqrt(1 - abar) eta with
// x the given picture or, from pure noise, nothing of it; and what of the
// picture stays.
//
// A kept value of x0 is the picture's own instead of the networks' in every
// step, so that z there follows q(z_t | x) as the sampler's own noise leads it
// (DDIM without ClippedEps, which goes on with the predicted eps, only ends there).
// RePaint (Lugmayr et al. 2022, (8)) draws z there anew in every step, to the
// same distribution; its going back and forth is what corrector steps do here.
func (m *Model) start(x *session, p *shaders.StepParams, q Request, first sampler.Step) error {
	if q.Image == nil {
		return x.loaded.Write(x.known, make([]byte, 2*x.known.Size()/x.known.N)) // maps follow
	}
	if q.Sampler.Start > 0 {
		p.CX0, p.CZ = float32(first.SqrtABar), float32(first.SqrtOneMinusABar)
	}
	return x.loaded.Write(x.known, encodeKnown(q.Image, q.Keep, m.diffusion.Channels, m.diffusion.ImageSize, m.diffusion.PixelUnshuffle))
}

// encodeKnown gives [2, H, W, C] on the network's grid: the picture in [-1, 1],
// and how far it stays, 0 to 1. Both are averaged down (or sampled up) to
// side x side pixels; what is transparent is white in the picture, and free.
func encodeKnown(img, keep image.Image, channels, side, r int) []byte {
	out := encodePicture(img, channels, side, r)
	if keep == nil {
		return append(out, make([]byte, len(out))...)
	}
	return append(out, spread(keep, channels, side, r)...)
}

// spread gives [H, W, C] on the network's grid, 0 where a picture is black or
// transparent, 1 where it is white, the same for every colour.
func spread(img image.Image, channels, side, r int) []byte {
	gray := resample(img, side, func(v color.Color) float64 {
		r, g, b, _ := v.RGBA() // premultiplied
		return (0.299*float64(r) + 0.587*float64(g) + 0.114*float64(b)) / 0xffff
	})
	return unshuffle(channels, side, r, func(_, y, x int) float32 { return float32(gray[y*side+x]) })
}

// encodePicture gives [H, W, C] on the network's grid, -1 to 1.
func encodePicture(img image.Image, channels, side, r int) []byte {
	planes := make([][]float64, channels)
	for c := range planes {
		planes[c] = resample(img, side, func(v color.Color) float64 {
			r, g, b, a := v.RGBA()
			white := float64(0xffff - a)
			if channels == 1 {
				return (0.299*float64(r)+0.587*float64(g)+0.114*float64(b)+white)/0xffff*2 - 1
			}
			return (float64([]uint32{r, g, b}[min(c, 2)])+white)/0xffff*2 - 1
		})
	}
	return unshuffle(channels, side, r, func(c, y, x int) float32 { return float32(planes[c][y*side+x]) })
}
