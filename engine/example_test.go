package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"log"
	"testing/fstest"

	"github.com/mcdm/mcdm/engine"
	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/engine/sampler"
	"github.com/mcdm/mcdm/weights/bundle"
	"github.com/mcdm/mcdm/weights/golden"
)

// A picture that obeys a sketch, and half as much dabs of colour.
func Example() {
	ctx := context.Background()
	b, err := bundle.Open(folder()) // os.DirFS("weights/bundles/avatars")
	if err != nil {
		log.Fatal(err)
	}
	// On a graphics card: d, err := gpu.Open(ctx, gpu.Options{}), and record.GPU(d).
	m, err := engine.Load(ctx, record.CPU(), b, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Release()

	paper, dabs := image.NewGray(image.Rect(0, 0, 64, 64)), image.NewNRGBA(image.Rect(0, 0, 4, 4))
	for i := range paper.Pix {
		paper.Pix[i] = 255
	}
	for i := range 64 {
		paper.SetGray(i, i, color.Gray{}) // a line
	}
	dabs.Set(0, 3, color.NRGBA{R: 255, A: 255})

	pictures, err := m.Sample(ctx, engine.Request{
		Conditions: engine.Conditions{Sketch: paper, Colour: dabs}, // Text: "a person with red hair", where a network takes it
		Weights:    map[string]float64{"colour": .5},
		Sampler:    sampler.Options{Steps: 3, ClippedEps: true},
		Seed:       7,
	}, func(p engine.Progress) { fmt.Printf("step %d of %d\n", p.Step, p.Steps) })
	if err != nil {
		log.Fatal(err)
	}
	var file bytes.Buffer
	if err := png.Encode(&file, pictures[0]); err != nil {
		log.Fatal(err)
	}
	fmt.Println(pictures[0].Bounds().Size(), "pixels")
	// Output:
	// step 1 of 3
	// step 2 of 3
	// step 3 of 3
	// (16,16) pixels
}

// folder is that of a bundle of small random networks for pictures of 16x16.
func folder() fs.FS {
	files, err := golden.Bundle(16)
	if err != nil {
		log.Fatal(err)
	}
	folder := fstest.MapFS{}
	for name, data := range files {
		folder[name] = &fstest.MapFile{Data: data}
	}
	return folder
}
