// Command photos makes splits for weights/train of photos of real people: for
// research at home. Neither photos nor weights trained on them belong into this
// repository.
//
//	go run ./weights/cmd/photos faces --data faces --out weights/train/faces
//	go run ./weights/cmd/photos celeba --data CelebAMask-HQ --out weights/train/celeba
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "photos:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "photos",
		Short:         "Make splits for weights/train of photos, one person never in two of them",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	add := func(use, short string, read reader) *cobra.Command {
		var data, out string
		c := &cobra.Command{
			Use: use, Short: short, Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				w, err := newWriter(cmd.Context(), out)
				if err != nil {
					return err
				}
				a, err := read(data, w.add)
				if err == nil {
					err = w.finish(a)
				}
				if err != nil {
					w.abandon()
					return err
				}
				for _, name := range splits {
					fmt.Fprintf(cmd.OutOrStdout(), "%s: %d photos\n", name, len(w.records[name]))
				}
				return nil
			},
		}
		c.Flags().StringVar(&data, "data", "", "folder of the photos")
		c.Flags().StringVar(&out, "out", "", "folder to make, with a folder for each split")
		for _, name := range []string{"data", "out"} {
			if err := c.MarkFlagRequired(name); err != nil {
				panic(err)
			}
		}
		root.AddCommand(c)
		return c
	}
	add("faces", "images-128.tar, masks-128.tar and labels.csv", readFaces)
	var unknown bool
	c := add("celeba", "the folders of CelebAMask-HQ, with those of Multi-Modal-CelebA-HQ in it", func(folder string, each func(photo) error) (about, error) {
		return readCelebA(folder, unknown, each)
	})
	c.Flags().BoolVar(&unknown, "unknown-persons", false, "where nothing says who is who, take each photo for a person of its own: one may then be in several splits")
	return root
}

// reader reads the photos of a folder, and stops at the first error of each.
type reader func(folder string, each func(photo) error) (about, error)
