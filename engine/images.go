package engine

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
)

// MaxPixels is how large a sketch, mask or picture may be: a network's picture is a
// thousandth of it.
const MaxPixels = 1 << 24

// DecodePNG reads a PNG file of at most MaxPixels: a sketch, a picture.
func DecodePNG(data []byte) (image.Image, error) {
	c, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%w (want a PNG file)", err)
	}
	if err := checkSize(image.Rect(0, 0, c.Width, c.Height)); err != nil {
		return nil, err
	}
	// The decoder makes room for all pixels before it reads one. Deflate packs
	// 1032 bytes into one at most.
	bits := 16
	if _, palette := c.ColorModel.(color.Palette); palette || c.ColorModel == color.GrayModel {
		bits = 1
	}
	if raw := c.Height * (c.Width*bits/8 + 1); raw/1032 > len(data) {
		return nil, fmt.Errorf("%d bytes cannot hold the %dx%d pixels that they promise: the file is torn", len(data), c.Width, c.Height)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%w (want a PNG file)", err)
	}
	return img, nil
}

// DecodeMask reads a PNG file whose pixels are indices of labels: one with a
// palette, or in 8-bit gray.
func DecodeMask(data []byte) (*image.Paletted, error) {
	img, err := DecodePNG(data)
	if err != nil {
		return nil, err
	}
	const want = "a mask's pixels are label indices: want a PNG with a palette or in 8-bit gray"
	switch m := img.(type) {
	case *image.Paletted:
		return m, nil
	case *image.Gray:
		const depth = 24 // where the file says how many bits a sample has
		if data[depth] != 8 {
			return nil, fmt.Errorf("%s, not %d-bit, whose levels are spread over 0 to 255", want, data[depth])
		}
		var grays color.Palette // or it could not be written again
		for i := range 256 {
			grays = append(grays, color.Gray{Y: uint8(i)})
		}
		p := image.NewPaletted(m.Rect, grays)
		for y := range m.Rect.Dy() {
			copy(p.Pix[y*p.Stride:], m.Pix[y*m.Stride:][:m.Rect.Dx()])
		}
		return p, nil
	}
	return nil, fmt.Errorf("%s, not %T", want, img)
}

// checkSize bounds what encoding an image costs.
func checkSize(r image.Rectangle) error {
	switch {
	case r.Empty():
		return errors.New("it has no pixels")
	case r.Dx() > MaxPixels/r.Dy():
		return fmt.Errorf("%dx%d pixels are too many: scale it down to %d in all", r.Dx(), r.Dy(), MaxPixels)
	}
	return nil
}
