package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine"
	"github.com/mcdm/mcdm/weights/golden"
	"github.com/mcdm/mcdm/weights/pack"
	"github.com/mcdm/mcdm/weights/safetensors"
)

func TestParseWindows(t *testing.T) {
	w, err := parseWindows([]string{"sketch=0:0.6", "text=.25:1"})
	require.NoError(t, err)
	assert.Equal(t, map[string]engine.Window{"sketch": {Start: 0, End: .6}, "text": {Start: .25, End: 1}}, w)
	for _, s := range []string{"sketch", "sketch=0.5", "sketch=a:1", "sketch=0:b", "0:1"} {
		_, err := parseWindows([]string{s})
		assert.ErrorContains(t, err, "want NAME=START:END", s)
	}
}

// tiny is a folder of a bundle of small random networks for 16x16 pictures:
// unconditional, sketch, mask and colour.
func tiny(t *testing.T) string {
	folder := t.TempDir()
	files, err := golden.Bundle(16)
	require.NoError(t, err)
	require.NoError(t, pack.Write(folder, files))
	return folder
}

// pictures writes PNG files of 16x16: lines, labels 0 and 1, dabs that are also a
// whole picture, and white on the left half.
func pictures(t *testing.T) (lines, labels, dabs, left string) {
	folder, square := t.TempDir(), image.Rect(0, 0, 16, 16)
	a, b := image.NewGray(square), image.NewPaletted(square, color.Palette{color.Black, color.White})
	c, d := image.NewNRGBA(square), image.NewGray(square)
	for y := range 16 {
		for x := range 16 {
			a.SetGray(x, y, color.Gray{uint8(255 * min(1, (x-y)*(x-y)))})
			b.SetColorIndex(x, y, uint8(y/8))
			c.SetNRGBA(x, y, color.NRGBA{uint8(16 * x), uint8(16 * y), uint8(8 * (x + y)), 255})
			d.SetGray(x, y, color.Gray{uint8(255 * (1 - x/8))})
		}
	}
	write := func(name string, img image.Image) string {
		var data bytes.Buffer
		require.NoError(t, png.Encode(&data, img))
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, data.Bytes(), 0o644))
		return path
	}
	return write("lines.png", a), write("labels.png", b), write("dabs.png", c), write("left.png", d)
}

func TestSample(t *testing.T) {
	lines, labels, dabs, left := pictures(t)
	out := filepath.Join(t.TempDir(), "new", "x.png")
	printed, err := run(t, "sample", "--bundle", tiny(t), "--device", "cpu", "--steps", "2", "--seed", "3", "--out", out,
		"--sketch", lines, "--mask", labels, "--colour", dabs, "--weight", "sketch=.7", "--window", "sketch=0:.6", "--map", "sketch="+left,
		"--image", dabs, "--keep", left, "--count", "2", "--sort", "--lift", "2", "--conflict")
	require.NoError(t, err)
	assert.Regexp(t, `(?m)^ *step +sketch-mask +sketch-colour +mask-colour `, printed)
	rows := regexp.MustCompile(`(?m)^ *(\S+x-[12]\.png) +[34]( +\S+){3} +(\S+)$`).FindAllStringSubmatch(printed, -1)
	require.Len(t, rows, 2, printed)
	best, err := strconv.ParseFloat(rows[0][3], 64)
	require.NoError(t, err)
	second, err := strconv.ParseFloat(rows[1][3], 64)
	require.NoError(t, err)
	assert.Greater(t, best, second, "it was the second one, with seed 4")

	read := func(path string) image.Image {
		img, err := readImage("", path, engine.DecodePNG)
		require.NoError(t, err)
		return img
	}
	want := read(dabs).(*image.RGBA)
	var got [2]*image.RGBA
	for i, row := range rows {
		got[i] = read(row[1]).(*image.RGBA)
		free := 0
		for at, v := range got[i].Pix {
			off := math.Abs(float64(v) - float64(want.Pix[at]))
			if at/4%16 < 8 {
				require.LessOrEqual(t, off, 1.0, "%s byte %d is kept", row[1], at)
			} else if off > 1 {
				free++
			}
		}
		assert.Greater(t, free, 100, "the right half is free")
	}
	assert.NotEqual(t, got[0].Pix, got[1].Pix)
}

// What does nothing is refused before a bundle is looked for.
func TestUselessFlags(t *testing.T) {
	_, _, dabs, left := pictures(t)
	for _, c := range []struct {
		args, want string
	}{
		{"sample --image " + dabs, "--image does nothing here: give --start or --keep"},
		{"sample --start 0 --image " + dabs, "--image does nothing here: give --start or --keep"},
		{"sample --eta .5 --sampler ddpm", "--eta does nothing here: it is for --sampler ddim"},
		{"sample --clipped-eps=false --sampler dpmsolver++", "--clipped-eps does nothing here: it is for --sampler ddim"},
		{"sample --variance beta", "--variance does nothing here: it is for --sampler ddpm"},
		{"sample --corrector-size .1", "--corrector-size does nothing here: it is for --corrector 1"},
		{"exact --corrector-unit beta", "--corrector-unit does nothing here: it is for --corrector 1"},
		{"exact --eta .5 --sampler sde-dpmsolver++", "--eta does nothing here"},
		{"exact --compare --sampler ddim", "--sampler does nothing here: --compare draws nothing"},
		{"exact --compare --corrector -1", "--corrector does nothing here"},
		{"exact --compare --steps 9", "--steps does nothing here"},
		{"exact --compare --eta 1", "--eta does nothing here"},
		{"exact --compare --samples 9", "--samples does nothing here"},
		{"exact --compare --seed 9", "--seed does nothing here"},
		{"exact --compare --device cpu", "--device does nothing here"},
		{"devices --count 2", "--count does nothing here: it is for --bundle"},
		{"sample --weight sketch=1 --weight sketch=2", "--weight is given twice for sketch"},
		{"sample --window mask=0:1 --window mask=0:.5", "--window is given twice for mask"},
		{"sample --map mask=" + left + " --map mask=" + left, "--map is given twice for mask"},
		{"sample --steps 0", "--steps 0: want 1 or more"},
		{"sample --corrector 1 --corrector-size 0", "--corrector-size 0: want a number above 0"},
		{"sample --count 0", "--count 0: want 1 to 64"},
		{"sample --count 65", "--count 65: want 1 to 64"},
		// These do something, so that the bundle is what is missed.
		{"sample --start .5 --image " + dabs, "bundle nowhere"},
		{"sample --keep " + left + " --image " + dabs, "bundle nowhere"},
		{"sample --eta .5 --corrector 1 --corrector-size .1 --corrector-unit beta", "bundle nowhere"},
		{"sample --sampler ddpm --variance beta", "bundle nowhere"},
	} {
		args := strings.Fields(c.args)
		if args[0] == "sample" {
			args = append(args, "--bundle", "nowhere", "--out", filepath.Join(t.TempDir(), "x.png"))
		}
		_, err := run(t, args...)
		assert.ErrorContains(t, err, c.want, c.args)
	}
	_, err := run(t, "sample", "--bundle", tiny(t), "--device", "cpu", "--sketch", left, "--weight", "mask=2", "--out", filepath.Join(t.TempDir(), "x.png"))
	assert.ErrorContains(t, err, "of mask: no such condition is given: there are sketch")
	printed, err := run(t, "sample", "--bundle", tiny(t), "--device", "cpu", "--sketch", left, "--lift", "5000",
		"--window", "sketch=0.95:1", "--steps", "10", "--out", filepath.Join(t.TempDir(), "x.png"))
	assert.ErrorContains(t, err, "--lift: ")
	assert.Contains(t, printed, "the window of sketch holds none of the steps: sketch does not count")
	_, err = run(t, "sample", "--bundle", tiny(t), "--device", "cpu", "--count", "8", "--sort", "--out", filepath.Join(t.TempDir(), "x.png"))
	assert.ErrorContains(t, err, "--lift: there is nothing to score")
}

// A file is replaced by a whole one or not at all; what is no plain file is written to.
func TestWriteFile(t *testing.T) {
	folder := t.TempDir()
	path, link := filepath.Join(folder, "x.png"), filepath.Join(folder, "link.png")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o644))
	require.NoError(t, os.Symlink(path, link))
	require.NoError(t, writeFile(link, []byte("new")))
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "new", string(data))
	require.NoError(t, os.Mkdir(path+".part", 0o755)) // nothing can be written beside it
	require.Error(t, writeFile(path, []byte("newer")))
	data, err = os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "new", string(data))
}

// What cannot be written is found out before anything is computed, and what is
// there stays until there is a picture.
func TestOutIsLookedAtFirst(t *testing.T) {
	folder := t.TempDir()
	old := filepath.Join(folder, "old.png")
	require.NoError(t, os.WriteFile(old, []byte("old"), 0o644))
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "folder-2.png"), 0o755))
	long := filepath.Join(folder, strings.Repeat("x", 248)+".png") // .part makes it too long
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--out", folder}, "--out: open " + folder},
		{[]string{"--out", filepath.Join(old, "x.png")}, "--out: mkdir " + old},
		{[]string{"--out", filepath.Join(folder, "folder.png"), "--count", "2"}, "folder-2.png: is a directory"},
		{[]string{"--out", long}, "x.png.part: file name too long"},
		{[]string{"--out", old}, "bundle nowhere"},
		{[]string{"--out", filepath.Join(folder, "new", "x.png")}, "bundle nowhere"},
	} {
		_, err := run(t, append([]string{"sample", "--bundle", "nowhere"}, c.args...)...)
		assert.ErrorContains(t, err, c.want)
	}
	data, err := os.ReadFile(old)
	require.NoError(t, err)
	assert.Equal(t, "old", string(data))
	files, err := filepath.Glob(filepath.Join(folder, "*", "*"))
	require.NoError(t, err)
	assert.Empty(t, files)
	assert.NoFileExists(t, long)
	assert.NoFileExists(t, old+".part")
}

// A sentence is cut after 32 words that the network knows, and the user hears of it.
func TestLongSentence(t *testing.T) {
	long := "a person" + strings.Repeat(" with long hair and", 8) + " with glasses"
	printed, err := run(t, "sample", "--bundle", "../../../weights/bundles/avatars", "--device", "cpu", "--text", long,
		"--sampler", "euler", "--out", filepath.Join(t.TempDir(), "x.png"))
	assert.ErrorContains(t, err, `"euler" is not known`)
	assert.Contains(t, printed, `the sentence is too long for the text network: "hair and with glasses" is ignored`)
}

// What is stopped after the pictures are there loses none of them.
func TestPicturesAreWrittenWhateverComesAfter(t *testing.T) {
	lines, _, _, _ := pictures(t)
	folder, out := tiny(t), filepath.Join(t.TempDir(), "x.png")
	args := []string{"sample", "--bundle", folder, "--device", "cpu", "--sketch", lines, "--steps", "1", "--count", "2", "--seed", "3", "--out", out}
	sampling := &stopping{Context: context.Background(), after: math.MaxInt}
	_, err := runIn(sampling, args...)
	require.NoError(t, err)
	for _, name := range []string{"x-1.png", "x-2.png"} {
		require.NoError(t, os.Remove(filepath.Join(filepath.Dir(out), name)))
	}
	printed, err := runIn(&stopping{Context: context.Background(), after: sampling.asked + 3}, append(args, "--sort")...)
	require.ErrorIs(t, err, context.Canceled)
	for _, name := range []string{"x-1.png", "x-2.png"} {
		assert.FileExists(t, filepath.Join(filepath.Dir(out), name))
		assert.Contains(t, printed, name)
	}
}

// stopping is done when it has been asked so often.
type stopping struct {
	context.Context
	after, asked int
}

func (s *stopping) Err() error {
	if s.asked++; s.asked > s.after {
		return context.Canceled
	}
	return nil
}

func TestDevicesRefusesCounts(t *testing.T) {
	for _, count := range []string{"0", "-1", "2048"} {
		_, err := run(t, "devices", "--bundle", "../../../weights/bundles/avatars", "--count", count)
		assert.ErrorContains(t, err, "want 1 to 64 pictures")
	}
}

// What is written is of the sample's shape, and the merge that of (12).
func TestEps(t *testing.T) {
	x := safetensors.File{"timestep": safetensors.F32([]float32{0, 500}, 2)}
	for name, channels := range map[string]int{"sample": 12, "cond.sketch": 4, "cond.mask": 8, "cond.colour": 4} {
		x[name] = safetensors.F32(golden.Values(name, 2*channels*8*8), 2, channels, 8, 8)
	}
	data, err := x.Bytes()
	require.NoError(t, err)
	in, out := filepath.Join(t.TempDir(), "x.safetensors"), filepath.Join(t.TempDir(), "y.safetensors")
	require.NoError(t, os.WriteFile(in, data, 0o644))
	_, err = run(t, "eps", "--bundle", "nowhere", "--in", in, "--out", filepath.Dir(out))
	assert.ErrorContains(t, err, "is a directory")
	_, err = run(t, "eps", "--bundle", tiny(t), "--device", "cpu", "--in", in, "--out", out, "--weight", "mask=-.4", "--weight", "colour=1.2")
	require.NoError(t, err)
	y, err := safetensors.ReadFile(out)
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"eps", "eps.none", "eps.sketch", "eps.mask", "eps.colour"}, y.Names())
	v := map[string][]float32{}
	for _, name := range y.Names() {
		var shape []int
		v[name], shape, err = y.Float32(name)
		require.NoError(t, err)
		assert.Equal(t, []int{2, 12, 8, 8}, shape)
	}
	for i, got := range v["eps"] {
		want := (1-1+.4-1.2)*v["eps.none"][i] + v["eps.sketch"][i] - .4*v["eps.mask"][i] + 1.2*v["eps.colour"][i]
		require.InDelta(t, want, got, 1e-5, "value %d", i)
	}
}

// A condition in another order of axes has as many values, and is refused.
func TestEpsInputShapes(t *testing.T) {
	floats := func(shape ...int) safetensors.Tensor {
		n := 1
		for _, s := range shape {
			n *= s
		}
		return safetensors.F32(make([]float32, n), shape...)
	}
	x := safetensors.File{"sample": floats(1, 12, 2, 2), "timestep": floats(1), "cond.sketch": floats(1, 3, 2, 2)}
	_, err := epsInput(x)
	require.NoError(t, err)
	x["cond.sketch"] = floats(1, 2, 2, 3)
	_, err = epsInput(x)
	assert.ErrorContains(t, err, "want [1, channels, 2, 2], as sample has")
	for name, shape := range map[string][]int{"sample.old": {1, 12, 2, 2}, "cond": {1, 3, 2, 2}, "x": {1}} {
		_, err = epsInput(safetensors.File{"sample": floats(1, 12, 2, 2), "timestep": floats(1), name: floats(shape...)})
		assert.ErrorContains(t, err, fmt.Sprintf("tensor %q is not an input", name))
	}
}
