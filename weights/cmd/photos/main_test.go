package main

import (
	"archive/tar"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// celebs makes a tree of CelebAMask-HQ and Multi-Modal-CelebA-HQ: n photos of 64x64, of
// n/3 persons, with skin above hair on the left half and hair alone on the right.
func celebs(t *testing.T, n int) string {
	t.Helper()
	folder := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(folder, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	mapping, identity := "idx\torig_idx\torig_file\n", ""
	for id := range n {
		file := fmt.Sprintf("%06d.jpg", 900-id)
		mapping += fmt.Sprintf("%d\t%d\t%s\n", id, 899-id, file)
		identity += fmt.Sprintf("%s %d\n", file, 5000+id/3)
		var picture strings.Builder
		require.NoError(t, jpeg.Encode(&picture, area(image.Rect(0, 0, 32, 64)), nil))
		write(fmt.Sprintf("CelebA-HQ-img/%d.jpg", id), picture.String())
		for part, r := range map[string]image.Rectangle{
			"skin": image.Rect(0, 0, 32, 64), "hair": image.Rect(0, 32, 64, 64), "u_lip": image.Rect(4, 4, 8, 8), "l_eye": image.Rect(60, 0, 64, 4),
		} {
			var mask strings.Builder
			require.NoError(t, png.Encode(&mask, area(r)))
			write(fmt.Sprintf("CelebAMask-HQ-mask-anno/%d/%05d_%s.png", id/2000, id, part), mask.String())
		}
		write(fmt.Sprintf("text/celeba-caption/%d.txt", id), fmt.Sprintf("She is number %d.\n\n She smiles.\n", id))
	}
	write("CelebA-HQ-to-CelebA-mapping.txt", mapping)
	write("identity_CelebA.txt", identity)
	return folder
}

// area is white in r and black elsewhere.
func area(r image.Rectangle) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, 64, 64))
	for y := range 64 {
		for x := range 64 {
			c := color.RGBA{A: 255}
			if image.Pt(x, y).In(r) {
				c = color.RGBA{255, 255, 255, 255}
			}
			img.SetRGBA(x, y, c)
		}
	}
	return img
}

func run(args ...string) error { return runUntil(context.Background(), args...) }

func runUntil(ctx context.Context, args ...string) error {
	c := command()
	c.SetArgs(args)
	c.SetOut(&strings.Builder{})
	c.SetErr(&strings.Builder{})
	return c.ExecuteContext(ctx)
}

// read gives what was written of every photo, by its number, with its split.
func read(t *testing.T, out string) (captions map[int][]string, in map[int]string) {
	t.Helper()
	captions, in = map[int][]string{}, map[int]string{}
	for _, split := range splits {
		data, err := os.ReadFile(filepath.Join(out, split, "captions.jsonl"))
		require.NoError(t, err)
		for line := range strings.Lines(string(data)) {
			var r record
			require.NoError(t, json.Unmarshal([]byte(line), &r))
			require.NotContains(t, in, r.Seed)
			captions[r.Seed], in[r.Seed] = []string{r.Caption}, split
			for _, c := range r.More {
				captions[r.Seed] = append(captions[r.Seed], c.Caption)
			}
		}
	}
	return captions, in
}

func open(t *testing.T, path string) image.Image {
	t.Helper()
	img, err := decode(path)
	require.NoError(t, err)
	require.Equal(t, image.Rect(0, 0, side, side), img.Bounds())
	return img
}

func TestCelebA(t *testing.T) {
	folder, out := celebs(t, 60), filepath.Join(t.TempDir(), "out")
	require.NoError(t, run("celeba", "--data", folder, "--out", out))
	captions, in := read(t, out)
	require.Len(t, in, 60)
	assert.Equal(t, []string{"She is number 7.", "She smiles."}, captions[7])
	used := map[string]bool{}
	for id, split := range in {
		assert.Equal(t, in[id/3*3], split, "one person is in one split")
		used[split] = true
	}
	assert.Greater(t, len(used), 3)

	split := filepath.Join(out, in[7])
	mask := open(t, filepath.Join(split, "masks", "7.png")).(*image.Paletted)
	assert.EqualValues(t, skin, mask.ColorIndexAt(40, 40))
	assert.EqualValues(t, hair, mask.ColorIndexAt(40, 100), "hair lies on the skin")
	assert.EqualValues(t, hair, mask.ColorIndexAt(100, 100))
	assert.EqualValues(t, mouth, mask.ColorIndexAt(12, 12))
	assert.EqualValues(t, eyes, mask.ColorIndexAt(125, 2))
	assert.EqualValues(t, background, mask.ColorIndexAt(100, 40))
	sketch := open(t, filepath.Join(split, "sketches", "7.png")).(*image.Gray)
	assert.Less(t, sketch.GrayAt(64, 64).Y, uint8(100), "the contour between white and black")
	assert.Greater(t, sketch.GrayAt(20, 64).Y, uint8(200))
	picture := open(t, filepath.Join(split, "pictures", "7.png"))
	r, _, _, _ := picture.At(20, 20).RGBA()
	assert.Greater(t, r, uint32(0xf000))
	what, err := os.ReadFile(filepath.Join(split, "about.json"))
	require.NoError(t, err)
	assert.Contains(t, string(what), "CelebA-HQ")
	assert.ErrorContains(t, run("celeba", "--data", folder, "--out", out), "is there already")
}

// Those who validate are not trained on, wherever their photos' numbers lie.
func TestPersonsValidateWhole(t *testing.T) {
	for name, c := range map[string]struct{ photos, straddle int }{"one each": {1, 0}, "some have more": {0, 0}, "few persons": {90, 1}} {
		var list []record
		for person := 0; len(list) < 1000; person++ {
			for range cmp.Or(c.photos, []int{1, 30, 2}[person%3]) {
				list = append(list, record{Seed: len(list) * 7 % 2003, person: strconv.Itoa(person)})
			}
		}
		sortByPerson(list)
		trained, both := map[string]bool{}, map[string]bool{}
		for i, r := range list {
			if i < len(list)-validation {
				trained[r.person] = true
			} else if trained[r.person] {
				both[r.person] = true
			}
		}
		assert.Len(t, both, c.straddle, name)
	}
}

// A drawn sketch is taken where there is one; who is who may be unknown.
func TestCelebASketches(t *testing.T) {
	folder, out := celebs(t, 2), filepath.Join(t.TempDir(), "out")
	require.NoError(t, os.Remove(filepath.Join(folder, "identity_CelebA.txt")))
	require.NoError(t, os.Mkdir(filepath.Join(folder, "sketch"), 0o755))
	require.NoError(t, writePNG(filepath.Join(folder, "sketch", "1.png"), area(image.Rect(0, 0, 64, 16))))
	assert.ErrorContains(t, run("celeba", "--data", folder, "--out", out), "nothing says who is who")
	require.NoError(t, run("celeba", "--data", folder, "--out", out, "--unknown-persons"))
	_, in := read(t, out)
	sketch := open(t, filepath.Join(out, in[1], "sketches", "1.png")).(*image.Gray)
	assert.Greater(t, sketch.GrayAt(64, 16).Y, uint8(200))
	assert.Less(t, sketch.GrayAt(64, 100).Y, uint8(50))
}

// A run that is interrupted leaves nothing.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	out := filepath.Join(t.TempDir(), "out")
	assert.ErrorIs(t, runUntil(ctx, "celeba", "--data", celebs(t, 2), "--out", out), context.Canceled)
	assert.NoDirExists(t, out)
	assert.NoDirExists(t, out+".part")
}

// A full disk is told of by the next photo, not by the last.
func TestWritingThatFailsStops(t *testing.T) {
	w, err := newWriter(t.Context(), filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(w.temporary()))
	p := photo{picture: area(image.Rect(0, 0, 1, 1)), mask: image.NewGray(image.Rect(0, 0, 64, 64))}
	for range 100 {
		if err = w.add(p); err != nil {
			break
		}
	}
	assert.ErrorContains(t, err, "0.png")
	assert.ErrorContains(t, w.finish(about{}), "0.png")
}

func TestCelebABroken(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(folder string) error
		words string
	}{
		"no photos":  {func(f string) error { return os.RemoveAll(filepath.Join(f, "CelebA-HQ-img")) }, "CelebAMask-HQ.zip unpacks to"},
		"no parts":   {func(f string) error { return os.RemoveAll(filepath.Join(f, "CelebAMask-HQ-mask-anno")) }, "the parts of photo 0"},
		"torn photo": {func(f string) error { return os.Truncate(filepath.Join(f, "CelebA-HQ-img", "1.jpg"), 300) }, "1.jpg"},
		"torn part": {func(f string) error {
			return os.Truncate(filepath.Join(f, "CelebAMask-HQ-mask-anno", "0", "00001_hair.png"), 40)
		}, "00001_hair.png"},
		"size": {func(f string) error {
			return writePNG(filepath.Join(f, "CelebAMask-HQ-mask-anno", "0", "00000_hat.png"), image.NewGray(image.Rect(0, 0, 9, 9)))
		}, "00000_hat.png: (9,9) pixels"},
		"mapping": {func(f string) error {
			return os.WriteFile(filepath.Join(f, "CelebA-HQ-to-CelebA-mapping.txt"), []byte("0 1\n"), 0o644)
		}, "mapping.txt: line 1 has 2 words"},
		"stranger": {func(f string) error {
			return os.WriteFile(filepath.Join(f, "CelebA-HQ-to-CelebA-mapping.txt"), []byte("0 1 777.jpg\n"), 0o644)
		}, "does not name 777.jpg"},
		"unmapped": {func(f string) error {
			return os.WriteFile(filepath.Join(f, "CelebA-HQ-to-CelebA-mapping.txt"), []byte("0 899 000900.jpg\n"), 0o644)
		}, "nothing says who is on photo 1"},
	} {
		t.Run(name, func(t *testing.T) {
			folder, out := celebs(t, 2), filepath.Join(t.TempDir(), "out")
			require.NoError(t, c.spoil(folder))
			require.ErrorContains(t, run("celeba", "--data", folder, "--out", out), c.words)
			assert.NoDirExists(t, out, "there is a whole data set or none")
			assert.NoDirExists(t, out+".part")
		})
	}
}

// dot is a WebP picture of one pixel.
const dot = "UklGRiQAAABXRUJQVlA4IBgAAAAwAQCdASoBAAEAAgA0JaQAA3AA/vuUAAA="

func TestFaces(t *testing.T) {
	folder, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	webp, err := base64.StdEncoding.DecodeString(dot)
	require.NoError(t, err)
	labels := image.NewGray(image.Rect(0, 0, 128, 128))
	for i := range labels.Pix {
		labels.Pix[i] = uint8(i / (128 * 16) % 7)
	}
	var mask strings.Builder
	require.NoError(t, png.Encode(&mask, labels))
	archives := func(names ...string) {
		for kind, data := range map[string]string{"images webp": string(webp), "masks png": mask.String()} {
			what, ext, _ := strings.Cut(kind, " ")
			f, err := os.Create(filepath.Join(folder, what+"-128.tar"))
			require.NoError(t, err)
			w := tar.NewWriter(f)
			for _, name := range names {
				require.NoError(t, w.WriteHeader(&tar.Header{Name: "./" + name + "." + ext, Size: int64(len(data)), Mode: 0o644}))
				_, err := w.Write([]byte(data))
				require.NoError(t, err)
			}
			require.NoError(t, w.Close())
			require.NoError(t, f.Close())
		}
	}
	table := "id,person,Smiling,Female,Blond Hair,Eyeglasses,Wearing Hat\n00000,7,1,1,1,1,0\n00001,7,0,0,,0,1\n"
	require.NoError(t, os.WriteFile(filepath.Join(folder, "labels.csv"), []byte(table), 0o644))
	archives("00000", "00001")
	require.NoError(t, run("faces", "--data", folder, "--out", out))
	captions, in := read(t, out)
	assert.Equal(t, map[int][]string{0: {"a smiling woman with blond hair and glasses"}, 1: {"a person with a hat"}}, captions)
	assert.Equal(t, in[0], in[1])
	m := open(t, filepath.Join(out, in[0], "masks", "0.png")).(*image.Paletted)
	for i, want := range []uint8{unknown, skin, brows, eyes, nose, mouth, mouth} {
		assert.Equal(t, want, m.ColorIndexAt(5, 16*i+5))
	}

	for _, strange := range []string{strings.Replace(table, "00001,7", "00001,", 1), strings.Replace(table, "person", "who", 1)} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, "labels.csv"), []byte(strange), 0o644))
		assert.Regexp(t, `labels.csv: id 0000[01] has no person`, run("faces", "--data", folder, "--out", out+"2"))
	}
	require.NoError(t, os.WriteFile(filepath.Join(folder, "labels.csv"), []byte(table), 0o644))
	archives("00000", "00002")
	assert.ErrorContains(t, run("faces", "--data", folder, "--out", out+"2"), "00002.webp comes where labels.csv has 00001.webp")
	archives("00000")
	assert.ErrorContains(t, run("faces", "--data", folder, "--out", out+"2"), "looking for 00001.webp")
	assert.NoDirExists(t, out+"2")
}
