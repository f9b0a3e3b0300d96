package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"io/fs"
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
		t              target
		q              engine.Request
		given          conditionFlags
		out, img, keep string
		lift           int
		sorted, large  bool
	)
	c := &cobra.Command{
		Use:   "sample [--sketch FILE] [--mask FILE] [--colour FILE] [--text SENTENCE] [--not SENTENCE]",
		Short: "Sample pictures that obey any of sketches, part masks, dabs of colour and sentences",
		Long: `Sample pictures that obey any of a sketch (dark lines on light paper), a part
mask (a PNG with a palette, index = label; any other index is "unknown"), dabs of
colour (averaged down to a coarse grid; transparent is "unknown") and a
sentence, or none of them. With --count N the pictures have the seeds SEED,
SEED+1, ... and are, up to rounding, the same as when they are sampled alone.

Each of them may be given several times, at one more evaluation of its
network a step. --weight, --window and --map name a condition by its network,
the second of a kind by text.2 and so on; those of --not follow those of --text.`,
		Example: `  mcdm sample --text "a smiling person with long red hair" --mask mask.png --out red.png
  mcdm sample --text "a person with long hair" --not "a person with glasses" --weight text.2=-0.5
  mcdm sample --sketch lines.png --map sketch=left.png --text "a person with a beard" --count 8 --sort`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if err := checkSamplerFlags(cmd, q.Sampler); err != nil {
				return err
			}
			if q.Sampler.Start == 0 && keep == "" {
				if err := useless(cmd, "give --start or --keep, too", "image"); err != nil {
					return err
				}
			}
			if q.Count < 1 || q.Count > engine.MaxCount {
				return fmt.Errorf("--count %d: want 1 to %d pictures", q.Count, engine.MaxCount)
			}
			if err := given.read(&q); err != nil {
				return err
			}
			if q.Image, err = readImage("--image", img, engine.DecodePNG); err != nil {
				return err
			}
			if q.Keep, err = readImage("--keep", keep, engine.DecodePNG); err != nil {
				return err
			}
			files := outFiles(out, q.Count)
			if err := checkOut(files...); err != nil {
				return err
			}
			if sorted && lift == 0 {
				lift = engine.LiftPairs
			}
			if !cmd.Flags().Changed("seed") {
				q.Seed = rand.Uint64() >> 32 // short enough to read out
			}
			m, err := t.load(cmd.Context())
			if err != nil {
				return err
			}
			defer m.Release()
			if large && m.LargeSize() == 0 {
				return fmt.Errorf("--upscale: bundle %s has no upscaler", t.bundle)
			}
			if err := given.negate(&q, m); err != nil {
				return err
			}
			if err := m.CheckNames(q); err != nil {
				return err
			}
			for _, text := range append([]string{q.Conditions.Text}, q.Conditions.MoreTexts...) {
				for _, w := range m.UnknownWords(text) {
					fmt.Fprintf(cmd.ErrOrStderr(), "the text network does not know the word %q: it is ignored\n", w)
				}
				if rest := m.CutOff(text); rest != "" {
					fmt.Fprintf(cmd.ErrOrStderr(), "the sentence is too long for the text network: %q is ignored\n", rest)
				}
			}
			unheard, err := m.Unheard(q)
			if err != nil {
				return err
			}
			for _, name := range unheard {
				fmt.Fprintf(cmd.ErrOrStderr(), "the window of %s holds none of the steps: %[1]s does not count\n", name)
			}
			if lift != 0 {
				if err := m.CheckLift(q, lift); err != nil {
					return fmt.Errorf("--lift: %w", err)
				}
			}
			var angles conflicts
			var last engine.Progress
			steps := bar(fmt.Sprintf("seed %d", q.Seed))
			pictures, err := m.Sample(cmd.Context(), q, func(p engine.Progress) {
				steps(p.Step, p.Steps)
				angles.add(p.Conflict)
				last = p
			})
			if err != nil {
				return err
			}
			list := results(pictures, q.Seed)
			// Whatever befalls what comes after: the pictures are there, and are written.
			var after error
			if lift != 0 {
				if after = score(cmd.Context(), m, q, list, lift); after == nil && sorted {
					sortByLift(list)
				}
			}
			if large && after == nil {
				after = upscale(cmd.Context(), m, list)
			}
			err = writePictures(files, list)
			if err == nil && q.Conflict {
				err = angles.print(cmd.OutOrStdout())
			}
			if last.Judged {
				fmt.Fprintf(cmd.OutOrStdout(), "corrector steps accepted: %.0f%%\n", 100*last.Accepted)
			}
			if err == nil {
				err = table(cmd.OutOrStdout(), files, list)
			}
			return errors.Join(after, err)
		},
	}
	t.flags(c)
	given.flags(c)
	f := c.Flags()
	f.StringVar(&img, "image", "", "PNG of a picture to start from (--start) or to keep parts of (--keep)")
	f.Float64Var(&q.Sampler.Start, "start", 0, "the part of the way that --image skips, from 0 (starts from noise) to 1 (is the picture)")
	f.StringVar(&keep, "keep", "", "PNG, white where --image stays and black where it is free")
	samplerFlags(c, &q.Sampler)
	f.BoolVar(&q.Sampler.ClippedEps, "clipped-eps", true, "ddim goes on with the noise that the clipped picture stands for")
	f.Float64Var(&q.Threshold, "threshold", 0, "dynamic thresholding: the part of a picture's values that is not clipped, such as 0.995 (0: clip at black and white)")
	f.Float64Var(&q.Rescale, "rescale", 0, "guidance rescale, 0 to 1: against the glare of strong weights (0.7 in its paper)")
	f.Uint64Var(&q.Seed, "seed", 0, "of the noise (default: a random one, printed)")
	f.IntVar(&q.Count, "count", 1, "pictures in one run")
	f.BoolVar(&sorted, "sort", false, "the picture that obeys best first, by its scores (--lift)")
	f.IntVar(&lift, "lift", 0, fmt.Sprintf("print scores of how well the pictures obey, from that many noised copies of each, every one an evaluation of the networks (with --sort: %d)", engine.LiftPairs))
	f.BoolVar(&q.Conflict, "conflict", false, "print for every step the angles between the conditions' pulls")
	f.BoolVar(&large, "upscale", false, "make the pictures larger with the bundle's upscaler")
	f.StringVar(&out, "out", "sample.png", "PNG to write, in a folder that is made if need be; with --count N it gets -1 to -N before its ending")
	return c
}

// score fills in how well the pictures obey.
func score(ctx context.Context, m *engine.Model, q engine.Request, list []result, pairs int) error {
	var pictures []*image.RGBA
	for _, r := range list {
		pictures = append(pictures, r.picture)
	}
	scores, err := m.Lift(ctx, q, pictures, pairs, bar("scores"))
	for i := range scores {
		list[i].lift = scores[i]
	}
	return err
}

// upscale replaces the pictures by large ones; each has the noise of its own seed.
func upscale(ctx context.Context, m *engine.Model, list []result) error {
	steps := bar("upscaling")
	for i, r := range list {
		large, err := m.Upscale(ctx, r.picture, engine.Upscaling{Seed: r.seed}, func(done, total int) {
			steps(i*total+done, len(list)*total)
		})
		if err != nil {
			return err
		}
		list[i].picture = large
	}
	return nil
}

// bar shows progress on the terminal, from the first call on.
func bar(what string) func(done, total int) {
	var b *progressbar.ProgressBar
	return func(done, total int) {
		if b == nil {
			b = progressbar.NewOptions(total, progressbar.OptionSetWriter(os.Stderr),
				progressbar.OptionSetDescription(what), progressbar.OptionShowCount(),
				progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish())
		}
		b.Set(done)
	}
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
			return nil, fmt.Errorf("--weight %s: want NAME=NUMBER, such as sketch=0.8", s)
		}
		if err := put(out, "--weight", name, w); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// put refuses a second value of one name: the last would win.
func put[T any](values map[string]T, flag, name string, v T) error {
	if _, twice := values[name]; twice {
		return fmt.Errorf("%s is given twice for %s: leave one out", flag, name)
	}
	values[name] = v
	return nil
}

func parseWindows(list []string) (map[string]engine.Window, error) {
	out := map[string]engine.Window{}
	for _, s := range list {
		name, value, named := strings.Cut(s, "=")
		start, end, pair := strings.Cut(value, ":")
		a, err1 := strconv.ParseFloat(start, 64)
		b, err2 := strconv.ParseFloat(end, 64)
		if !named || !pair || err1 != nil || err2 != nil {
			return nil, fmt.Errorf("--window %s: want NAME=START:END, such as sketch=0:0.6", s)
		}
		if err := put(out, "--window", name, engine.Window{Start: a, End: b}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// outFiles names the files of so many pictures.
func outFiles(path string, count int) []string {
	if count == 1 {
		return []string{path}
	}
	var files []string
	ext := filepath.Ext(path)
	for i := range count {
		files = append(files, fmt.Sprintf("%s-%d%s", strings.TrimSuffix(path, ext), i+1, ext))
	}
	return files
}

// checkOut makes the files' folders, and refuses what writeFile cannot write before
// anything is computed. It leaves the files as they are.
func checkOut(files ...string) error {
	for _, name := range files {
		err := os.MkdirAll(filepath.Dir(name), 0o755)
		if err == nil {
			err = tryWriting(name)
		}
		if err == nil && !special(name) {
			err = tryWriting(name + ".part")
		}
		if err != nil {
			return fmt.Errorf("--out: %w", err)
		}
	}
	return nil
}

// tryWriting opens a file for writing; one that was not there is not there afterwards.
func tryWriting(name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err == nil {
		defer os.Remove(name)
	} else if errors.Is(err, fs.ErrExist) {
		f, err = os.OpenFile(name, os.O_WRONLY, 0)
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// special tells of a link, a device and the like.
func special(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && !info.Mode().IsRegular()
}

func writePictures(files []string, list []result) error {
	for i, r := range list {
		if err := writePNG(files[i], r.picture); err != nil {
			return err
		}
	}
	return nil
}

func writePNG(path string, img image.Image) error {
	opaque := image.NewNRGBA(img.Bounds())
	draw.Draw(opaque, opaque.Bounds(), img, img.Bounds().Min, draw.Src)
	var data bytes.Buffer
	if err := png.Encode(&data, opaque); err != nil {
		return err
	}
	return writeFile(path, data.Bytes())
}

// writeFile replaces a file by a whole one: on a full disk the old one stays. What is
// special is written to.
func writeFile(path string, data []byte) error {
	if special(path) {
		return os.WriteFile(path, data, 0o644)
	}
	part := path + ".part"
	if err := os.WriteFile(part, data, 0o644); err != nil {
		os.Remove(part)
		return err
	}
	if err := os.Rename(part, path); err != nil {
		return fmt.Errorf("%w: what was to be written is in %s", err, part)
	}
	return nil
}
