package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/mcdm/mcdm/engine"
	"github.com/mcdm/mcdm/engine/gpu"
	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/weights/bundle"
)

func devicesCommand() *cobra.Command {
	var folder string
	var count int
	c := &cobra.Command{
		Use:   "devices",
		Short: "List the graphics adapters, the one that is used first, and the memory a bundle takes",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if folder == "" {
				if err := useless(cmd, "it is for --bundle", "count"); err != nil {
					return err
				}
			}
			list, err := gpu.Adapters()
			for _, i := range list {
				fmt.Printf("%s  type %s\n", i, i.Type)
			}
			if folder != "" { // planning needs no adapter and no weights
				err = errors.Join(printPlan(folder, count), err)
			}
			return err
		},
	}
	c.Flags().StringVar(&folder, "bundle", "", "folder of a bundle to plan the memory of")
	c.Flags().IntVar(&count, "count", 1, "pictures at once")
	return c
}

// printPlan tells what memory a bundle takes.
func printPlan(folder string, count int) error {
	b, err := bundle.Open(os.DirFS(folder))
	if err != nil {
		return fmt.Errorf("bundle %s: %w", folder, err)
	}
	m, err := engine.New(record.CPU(), b.Manifest, nil)
	if err != nil {
		return fmt.Errorf("bundle %s: %w", folder, err)
	}
	defer m.Release()
	plan, err := m.Memory(count)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d networks on %d pixels, %d at once: weights %s, activations %s, in all %s\n",
		b.Manifest.Name, len(m.Names()), m.ImageSize(), count,
		mebibytes(plan.Weights), mebibytes(plan.Activations), mebibytes(plan.Weights+plan.Activations))
	if large := m.LargeSize(); large > 0 {
		fmt.Printf("upscaled to %d pixels: %s more\n", large, mebibytes(plan.Upscaling))
	}
	return nil
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
