package main

import (
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/mcdm/mcdm/engine"
)

func sampleCommand() *cobra.Command {
	var (
		t                 target
		q                 engine.Request
		sketch, mask, out string
		img, keep         string
		weights, windows  []string
	)
	c := &cobra.Command{
		Use:   "sample [--sketch FILE] [--mask FILE] [--text SENTENCE]",
		Short: "Sample pictures that obey any of a sketch, a part mask and a sentence",
		Long: `Sample pictures that obey any of a sketch (dark lines on light paper), a part
mask (a PNG with a palette, index = label; any other index is "unknown") and a
sentence, or none of them. With --count N the pictures have the seeds SEED,
SEED+1, ... and are the same as when they are sampled alone.`,
		Example: `  mcdm sample --text "a smiling person with long red hair" --mask mask.png --out red.png`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if q.Conditions.Sketch, err = readImage("--sketch", sketch, engine.DecodePNG); err != nil {
				return err
			}
			if q.Conditions.Mask, err = readImage("--mask", mask, engine.DecodeMask); err != nil {
				return err
			}
			if q.Image, err = readImage("--image", img, engine.DecodePNG); err != nil {
				return err
			}
			if q.Keep, err = readImage("--keep", keep, engine.DecodePNG); err != nil {
				return err
			}
			if q.Weights, err = parseWeights(weights); err != nil {
				return err
			}
			if q.Windows, err = parseWindows(windows); err != nil {
				return err
			}
			if !cmd.Flags().Changed("seed") {
				q.Seed = rand.Uint64() >> 32 // short enough to read out
			}
			m, _, err := t.load(cmd.Context())
			if err != nil {
				return err
			}
			defer m.Release()
			for _, w := range m.UnknownWords(q.Conditions.Text) {
				fmt.Fprintf(os.Stderr, "the text network does not know the word %q: it is ignored\n", w)
			}
			var bar *progressbar.ProgressBar
			pictures, err := m.Sample(cmd.Context(), q, func(p engine.Progress) {
				if bar == nil {
					bar = progressbar.NewOptions(p.Steps, progressbar.OptionSetWriter(os.Stderr),
						progressbar.OptionSetDescription(fmt.Sprintf("seed %d", q.Seed)), progressbar.OptionShowCount(),
						progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish())
				}
				bar.Set(p.Step)
			})
			if err != nil {
				return err
			}
			return writePictures(out, q.Seed, pictures)
		},
	}
	t.flags(c)
	f := c.Flags()
	f.StringVar(&sketch, "sketch", "", "PNG of dark lines on light paper")
	f.StringVar(&mask, "mask", "", "PNG with a palette, index = label")
	f.StringVar(&q.Conditions.Text, "text", "", "a sentence")
	f.StringVar(&img, "image", "", "PNG of a picture to start from (--start) or to keep parts of (--keep)")
	f.Float64Var(&q.Sampler.Start, "start", 0, "the part of the way that --image skips, from 0 (starts from noise) to 1 (is the picture)")
	f.StringVar(&keep, "keep", "", "PNG, white where --image stays and black where it is free")
	f.StringArrayVar(&weights, "weight", nil, "NETWORK=NUMBER, the network's weight in the merge (default 1; below 0: not like this), repeatable")
	f.StringArrayVar(&windows, "window", nil, "NETWORK=START:END, the part of the way on which it counts, from 0 (t = T-1, noise) to 1 (t = 0, the picture); repeatable")
	samplerFlags(c, &q.Sampler)
	f.BoolVar(&q.Sampler.ClippedEps, "clipped-eps", true, "ddim goes on with the noise that the clipped picture stands for")
	f.Uint64Var(&q.Seed, "seed", 0, "of the noise (default: a random one, printed)")
	f.IntVar(&q.Count, "count", 1, "pictures in one run")
	f.StringVar(&out, "out", "sample.png", "PNG to write; with --count N it gets -1 to -N before its ending")
	return c
}

// readImage reads what a flag names, by one of the engine's decoders.
func readImage[T any](flag, path string, decode func(data []byte) (T, error)) (img T, err error) {
	if path == "" {
		return img, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return img, fmt.Errorf("%s: %w", flag, err)
	}
	if img, err = decode(data); err != nil {
		return img, fmt.Errorf("%s %s: %w", flag, path, err)
	}
	return img, nil
}

func parseWeights(list []string) (map[string]float64, error) {
	out := map[string]float64{}
	for _, s := range list {
		name, value, ok := strings.Cut(s, "=")
		w, err := strconv.ParseFloat(value, 64)
		if !ok || err != nil {
			return nil, fmt.Errorf("--weight %s: want NETWORK=NUMBER, such as sketch=0.8", s)
		}
		out[name] = w
	}
	return out, nil
}

func parseWindows(list []string) (map[string]engine.Window, error) {
	out := map[string]engine.Window{}
	for _, s := range list {
		name, value, named := strings.Cut(s, "=")
		start, end, pair := strings.Cut(value, ":")
		a, err1 := strconv.ParseFloat(start, 64)
		b, err2 := strconv.ParseFloat(end, 64)
		if !named || !pair || err1 != nil || err2 != nil {
			return nil, fmt.Errorf("--window %s: want NETWORK=START:END, such as sketch=0:0.6", s)
		}
		out[name] = engine.Window{Start: a, End: b}
	}
	return out, nil
}

func writePictures(path string, seed uint64, pictures []*image.RGBA) error {
	for i, p := range pictures {
		name := path
		if len(pictures) > 1 {
			ext := filepath.Ext(path)
			name = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(path, ext), i+1, ext)
		}
		if err := writePNG(name, p); err != nil {
			return err
		}
		fmt.Printf("%s  seed %d\n", name, seed+uint64(i))
	}
	return nil
}

func writePNG(path string, img image.Image) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	opaque := image.NewNRGBA(img.Bounds())
	draw.Draw(opaque, opaque.Bounds(), img, img.Bounds().Min, draw.Src)
	return png.Encode(f, opaque)
}
