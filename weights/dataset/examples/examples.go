// Package examples holds a few portraits of the held-out range: no network
// saw them in training. The page offers them, and tests use them.
package examples

import (
	"embed"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
)

//go:embed *.png examples.json
var files embed.FS

// Example is one portrait with its conditions.
type Example struct {
	Seed       int             `json:"seed"` // of the dataset builder
	Caption    string          `json:"caption"`
	Attributes map[string]any  `json:"attributes"` // what the caption may mention, and the rest
	Picture    image.Image     `json:"-"`
	Sketch     image.Image     `json:"-"` // dark lines on white
	Mask       *image.Paletted `json:"-"` // index = label
}

// All reads the examples, in the order of examples.json.
func All() ([]Example, error) {
	data, err := files.ReadFile("examples.json")
	if err != nil {
		return nil, err
	}
	var list []Example
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("examples.json: %w", err)
	}
	for i := range list {
		e := &list[i]
		var mask image.Image
		for _, f := range []struct {
			kind string
			to   *image.Image
		}{{"picture", &e.Picture}, {"sketch", &e.Sketch}, {"mask", &mask}} {
			if *f.to, err = read(fmt.Sprintf("%d-%s.png", e.Seed, f.kind)); err != nil {
				return nil, err
			}
		}
		var ok bool
		if e.Mask, ok = mask.(*image.Paletted); !ok {
			return nil, fmt.Errorf("%d-mask.png has no palette", e.Seed)
		}
	}
	return list, nil
}

func read(name string) (image.Image, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return img, nil
}
