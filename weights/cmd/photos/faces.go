package main

import (
	"archive/tar"
	"encoding/csv"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/image/webp"
)

// faceLabels are ours for those of the masks: background, skin, brow, eye, nose,
// lip, inner mouth. Hair has no label there, so what is not the face is unknown.
var faceLabels = [7]uint8{unknown, skin, brows, eyes, nose, mouth, mouth}

// readFaces reads a folder with images-128.tar (WebP), masks-128.tar (PNG) and
// labels.csv, whose files have the same names in the same order.
func readFaces(folder string, each func(photo) error) (a about, err error) {
	labels, err := os.Open(filepath.Join(folder, "labels.csv"))
	if err != nil {
		return a, err
	}
	defer labels.Close()
	rows := csv.NewReader(labels)
	head, err := rows.Read()
	if err != nil {
		return a, fmt.Errorf("%s: %w", labels.Name(), err)
	}
	images, err := openTar(filepath.Join(folder, "images-128.tar"))
	if err != nil {
		return a, err
	}
	defer images.file.Close()
	masks, err := openTar(filepath.Join(folder, "masks-128.tar"))
	if err != nil {
		return a, err
	}
	defer masks.file.Close()
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return about{
				Name:  "photos of Labeled Faces in the Wild",
				Terms: "none, since they have no licence; weights trained on them are for research at home",
			}, nil
		}
		if err != nil {
			return a, fmt.Errorf("%s: %w", labels.Name(), err)
		}
		said := map[string]string{}
		for i, name := range head {
			said[name] = row[i]
		}
		p := photo{person: said["person"], captions: []string{describe(said)}}
		if p.id, err = strconv.Atoi(said["id"]); err != nil {
			return a, fmt.Errorf("%s: id %q: %w", labels.Name(), said["id"], err)
		}
		if p.person == "" {
			return a, fmt.Errorf("%s: id %s has no person: want a column person that says who is who, or one person may be in several splits", labels.Name(), said["id"])
		}
		if p.picture, err = images.next(said["id"]+".webp", webp.Decode); err != nil {
			return a, err
		}
		mask, err := masks.next(said["id"]+".png", png.Decode)
		if err != nil {
			return a, err
		}
		if p.mask, err = relabel(mask, faceLabels[:]); err != nil {
			return a, fmt.Errorf("%s: %s.png: %w", masks.file.Name(), said["id"], err)
		}
		if err := each(p); err != nil {
			return a, err
		}
	}
}

// archive is a tar file whose files are read in their order.
type archive struct {
	file *os.File
	tar  *tar.Reader
}

func openTar(path string) (*archive, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return &archive{f, tar.NewReader(f)}, nil
}

// next decodes the next file, which must have that name.
func (a *archive) next(name string, decode func(io.Reader) (image.Image, error)) (image.Image, error) {
	for {
		h, err := a.tar.Next()
		if err != nil {
			return nil, fmt.Errorf("%s: looking for %s: %w", a.file.Name(), name, err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if filepath.Base(h.Name) != name {
			return nil, fmt.Errorf("%s: %s comes where labels.csv has %s", a.file.Name(), h.Name, name)
		}
		img, err := decode(a.tar)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", a.file.Name(), name, err)
		}
		return img, nil
	}
}

// relabel gives an indexed or gray picture of labels our labels.
func relabel(img image.Image, ours []uint8) (*image.Gray, error) {
	out := image.NewGray(img.Bounds())
	for y := out.Rect.Min.Y; y < out.Rect.Max.Y; y++ {
		for x := out.Rect.Min.X; x < out.Rect.Max.X; x++ {
			var v uint8
			switch m := img.(type) {
			case *image.Paletted:
				v = m.ColorIndexAt(x, y)
			case *image.Gray:
				v = m.GrayAt(x, y).Y
			default:
				return nil, fmt.Errorf("a %T is no picture of labels: want 8 bit, indexed or gray", img)
			}
			if int(v) >= len(ours) {
				return nil, fmt.Errorf("label %d at %d, %d: want labels below %d", v, x, y, len(ours))
			}
			out.SetGray(x, y, color.Gray{Y: ours[v]})
		}
	}
	return out, nil
}

// describe says what can be seen and is said of a photo: 1 is fairly reliable, 0
// means that nothing is said.
func describe(said map[string]string) string {
	is := func(name string) bool { return said[name] == "1" }
	who := "person"
	switch {
	case is("Child"):
		who = "child"
	case is("Female"):
		who = "woman"
	case is("Male"):
		who = "man"
	}
	var b strings.Builder
	b.WriteString("a ")
	if is("Smiling") {
		b.WriteString("smiling ")
	}
	b.WriteString(who)
	var has []string
	looks := ""
	for _, w := range []string{"Black", "Blond", "Brown", "Gray", "Curly", "Wavy", "Straight"} {
		if is(w + " Hair") {
			looks += strings.ToLower(w) + " "
		}
	}
	switch {
	case is("Bald"):
		has = append(has, "a bald head")
	case looks != "":
		has = append(has, looks+"hair")
	}
	for _, w := range []struct{ name, words string }{
		{"Bangs", "a fringe"}, {"Eyeglasses", "glasses"}, {"Sunglasses", "sunglasses"}, {"Mustache", "a mustache"},
		{"Goatee", "a goatee"}, {"Wearing Hat", "a hat"}, {"Wearing Lipstick", "lipstick"}, {"Wearing Earrings", "earrings"},
	} {
		if is(w.name) {
			has = append(has, w.words)
		}
	}
	for i, h := range has {
		switch {
		case i == 0:
			b.WriteString(" with ")
		case i == len(has)-1:
			b.WriteString(" and ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(h)
	}
	return b.String()
}
