package main

import (
	"cmp"
	"context"
	"fmt"
	"image"
	"math"

	"github.com/spf13/cobra"

	"github.com/mcdm/mcdm/engine"
	"github.com/mcdm/mcdm/engine/sampler"
	"github.com/mcdm/mcdm/weights/dataset/examples"
)

func measureCommand() *cobra.Command {
	var (
		t                 target
		budgets           []int
		portraits, seeds  int
		threshold, weight float64
	)
	c := &cobra.Command{
		Use:   "measure",
		Short: "Measure samplers on held-out portraits, at equal numbers of evaluations",
		Long: `Sample held-out portraits from their sketch, parts and sentence together by every
sampler, with and without corrector, at equal numbers of evaluations of every
network, and print

  off      the root mean square difference from the portrait, in levels of 255
  spread   that between pictures of different seeds for one portrait

Pictures shall be near the portrait, and as varied as the conditions allow: of
two samplers equally far off, the wider is the better one.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := examples.All()
			if err != nil {
				return err
			}
			if portraits < 1 || portraits > len(list) || seeds < 2 || seeds > 64 {
				return fmt.Errorf("--portraits %d, --seeds %d: want 1 to %d portraits and 2 to 64 seeds", portraits, seeds, len(list))
			}
			for _, b := range budgets {
				if b < 2 || b > 1000 {
					return fmt.Errorf("--evaluations %d: want 2 to 1000", b)
				}
			}
			m, _, err := t.load(cmd.Context())
			if err != nil {
				return err
			}
			defer m.Release()
			w := cmd.OutOrStdout()
			fmt.Fprintf(w, "%d portraits, %d seeds each\n", portraits, seeds)
			const row = "%11v  %-16v %6v %7v\n" // printed one by one: the last may be hours away
			fmt.Fprintf(w, row, "evaluations", "sampler", "off", "spread")
			total := len(budgets) * len(measured) * portraits
			progress, done := bar("portraits"), 0
			for _, budget := range budgets {
				for _, o := range measured {
					o.Steps = (budget + o.Corrector) / (o.Corrector + 1)
					o.ClippedEps = true
					off, spread := 0.0, 0.0
					for _, e := range list[:portraits] {
						q := engine.Request{
							Conditions: engine.Conditions{Sketch: e.Sketch, Mask: e.Mask, Text: e.Caption},
							Sampler:    o, Seed: uint64(e.Seed), Count: seeds, Threshold: threshold,
							Weights: map[string]float64{"text": weight},
						}
						a, b, err := measureOne(cmd.Context(), m, q, e.Picture)
						if err != nil {
							return err
						}
						off, spread = off+a/float64(portraits), spread+b/float64(portraits)
						done++
						progress(done, total)
					}
					name := cmp.Or(o.Name, "ddim")
					if o.Corrector > 0 {
						name += fmt.Sprintf(" + %d", o.Corrector)
					}
					fmt.Fprintf(w, row, budget, name, fmt.Sprintf("%.1f", off), fmt.Sprintf("%.1f", spread))
				}
			}
			return nil
		},
	}
	t.flags(c)
	f := c.Flags()
	f.IntSliceVar(&budgets, "evaluations", []int{10, 20, 50, 250}, "of every network")
	f.IntVar(&portraits, "portraits", 10, "how many of the held-out ones")
	f.IntVar(&seeds, "seeds", 2, "for each of them")
	f.Float64Var(&threshold, "threshold", 0, "dynamic thresholding, as in sample")
	f.Float64Var(&weight, "text-weight", 1, "weight of the sentences")
	return c
}

// measured are the samplers that are compared.
var measured = []sampler.Options{
	{Name: "ddim"}, {Name: "ddpm"}, {Name: "dpmsolver++"}, {Name: "sde-dpmsolver++"}, {Name: "ddpm", Corrector: 1},
}

// measureOne samples a portrait's conditions and compares what comes.
func measureOne(ctx context.Context, m *engine.Model, q engine.Request, portrait image.Image) (off, spread float64, err error) {
	pictures, err := m.Sample(ctx, q, nil)
	if err != nil {
		return 0, 0, err
	}
	pairs := 0.0
	for i, a := range pictures {
		off += difference(a, portrait) / float64(len(pictures))
		for _, b := range pictures[:i] {
			spread += difference(a, b)
			pairs++
		}
	}
	return off, spread / pairs, nil
}

// difference is the root mean square one of two pictures' bytes; the second is
// averaged down to the size of the first.
func difference(a *image.RGBA, b image.Image) float64 {
	size := a.Rect.Size()
	from := b.Bounds()
	kx, ky := from.Dx()/size.X, from.Dy()/size.Y
	sum := 0.0
	for y := range size.Y {
		for x := range size.X {
			var mean [3]float64
			for v := range ky {
				for u := range kx {
					r, g, b, _ := b.At(from.Min.X+x*kx+u, from.Min.Y+y*ky+v).RGBA()
					for c, level := range []uint32{r, g, b} {
						mean[c] += float64(level) / 257 / float64(kx*ky)
					}
				}
			}
			for c, level := range mean {
				d := level - float64(a.Pix[a.PixOffset(x, y)+c])
				sum += d * d
			}
		}
	}
	return math.Sqrt(sum / float64(3*size.X*size.Y))
}
