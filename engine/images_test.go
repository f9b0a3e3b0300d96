package engine

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime/metrics"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/weights/bundle"
)

func encodePNG(t testing.TB, img image.Image) []byte {
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, img))
	return b.Bytes()
}

// resized writes another size into a PNG's header.
func resized(data []byte, w, h uint32) []byte {
	data = bytes.Clone(data)
	binary.BigEndian.PutUint32(data[16:], w)
	binary.BigEndian.PutUint32(data[20:], h)
	binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(data[12:29]))
	return data
}

// depth writes another number of bits into a PNG's header.
func depth(data []byte, bits byte) []byte {
	data = bytes.Clone(data)
	data[24] = bits
	binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(data[12:29]))
	return data
}

func paletted(w, h int) *image.Paletted {
	p := image.NewPaletted(image.Rect(0, 0, w, h), color.Palette{color.Black, color.White, color.NRGBA{255, 0, 0, 9}})
	for i := range p.Pix {
		p.Pix[i] = uint8(i % 3)
	}
	return p
}

// images are PNG files and what is said of them as masks ("" for a good one).
func images(t testing.TB) map[string]struct {
	data []byte
	says string
} {
	gray := image.NewGray(image.Rect(0, 0, 5, 3))
	good := encodePNG(t, paletted(7, 5))
	return map[string]struct {
		data []byte
		says string
	}{
		"palette":             {good, ""},
		"gray":                {encodePNG(t, gray), ""},
		"colour":              {encodePNG(t, image.NewNRGBA(image.Rect(0, 0, 4, 4))), "not *image.NRGBA"},
		"deep gray":           {encodePNG(t, image.NewGray16(image.Rect(0, 0, 4, 4))), "not *image.Gray16"},
		"deep colour":         {encodePNG(t, image.NewNRGBA64(image.Rect(0, 0, 2, 2))), "*image.NRGBA64"},
		"shallow gray":        {depth(encodePNG(t, image.NewGray(image.Rect(0, 0, 1, 1))), 4), "not 4-bit"},
		"empty":               {nil, "want a PNG file"},
		"another format":      {[]byte("GIF89a"), "want a PNG file"},
		"torn":                {good[:len(good)-20], "want a PNG file"},
		"header alone":        {good[:33], "want a PNG file"},
		"larger than it is":   {resized(good, 9, 5), "want a PNG file"},
		"huge":                {resized(good, 4096, 4096), "cannot hold the 4096x4096 pixels"},
		"too large":           {resized(good, 4097, 4097), "too many"},
		"wide":                {resized(good, math.MaxInt32, 1), "too many"},
		"overflow":            {resized(good, math.MaxInt32, math.MaxInt32), "dimension overflow"},
		"no width":            {resized(good, 0, 5), "want a PNG file"},
		"index past palette":  {bytes.Replace(good, []byte("PLTE"), []byte("pLTE"), 1), "want a PNG file"},
		"compressed nonsense": {bytes.Replace(good, []byte("IDAT"), []byte("IEND"), 1), "want a PNG file"},
	}
}

func TestDecodeMask(t *testing.T) {
	for name, c := range images(t) {
		_, err := DecodeMask(c.data)
		if c.says == "" {
			require.NoError(t, err, name)
		} else {
			require.ErrorContains(t, err, c.says, name)
		}
	}
	m, err := DecodeMask(encodePNG(t, paletted(7, 5)))
	require.NoError(t, err)
	require.Equal(t, paletted(7, 5).Pix, m.Pix)
	huge := Conditions{Sketch: image.NewUniform(color.White)} // a thousand million pixels a side
	_, err = modalityOf(Sketch).encode(huge, 0, nil, small)
	require.ErrorContains(t, err, "the sketch: ")
}

// small is a diffusion of 16x16 pictures.
var small = bundle.Diffusion{ImageSize: 16, Channels: 3, PixelUnshuffle: 2}

// FuzzImages: an image is encoded to finite values, or refused with a reason,
// at a cost that its file justifies.
func FuzzImages(f *testing.F) {
	for _, c := range images(f) {
		f.Add(c.data)
	}
	examples, err := filepath.Glob("../weights/dataset/examples/90000*-[ms][ak]*.png")
	require.NoError(f, err)
	require.NotEmpty(f, examples)
	for _, path := range examples[:2] {
		data, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(data)
	}
	reason := regexp.MustCompile(`^(png: |EOF|unexpected EOF|zlib: |flate: |\d+x\d+ pixels are too many|\d+ bytes cannot hold|a mask's pixels are)`)
	f.Fuzz(func(t *testing.T, data []byte) {
		before := allocated()
		var ink, hot, dabs []byte
		img, err := DecodePNG(data)
		if err == nil {
			ink, err = encodeSketch(img, nil, small)
		}
		if err == nil {
			dabs, err = encodeColour(img, &network{grid: 4}, small)
		}
		if err != nil {
			require.Regexp(t, reason, err.Error())
		}
		mask, err := DecodeMask(data)
		if err == nil {
			hot, err = encodeMask(mask, &network{labels: 3}, small)
		}
		if err != nil {
			require.Regexp(t, reason, err.Error())
		}
		// Of each byte 1032, of each eight pixels, twice; of each pixel its
		// colour, boxed, and its darkness, and both four times for dabs.
		if cost, limit := allocated()-before, uint64(1<<20+len(data)*1032*8*2*5*32); cost > limit {
			t.Errorf("%d bytes cost %d: want at most %d", len(data), cost, limit)
		}
		for _, c := range []struct {
			values []byte
			least  float32
		}{{ink, 0}, {hot, 0}, {dabs, -1}} {
			for i := 0; i < len(c.values); i += 4 {
				if v := math.Float32frombits(binary.LittleEndian.Uint32(c.values[i:])); !(v >= c.least-1e-6 && v <= 1+1e-6) {
					t.Fatalf("value %d is %v: want %v to 1", i/4, v, c.least)
				}
			}
		}
	})
}

// allocated is what has ever been allocated.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
