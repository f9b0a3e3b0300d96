// Command photos makes splits for weights/train of photos of real people: for
// research at home. Neither photos nor weights trained on them belong into this
// repository.
//
//	go run ./weights/cmd/photos faces --data ../shared/data/faces --out weights/train/faces
//	go run ./weights/cmd/photos celeba --data CelebAMask-HQ --out weights/train/celeba
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	if err := command().Execute(); err != nil {
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
	add := func(use, short string, read func(folder string, each func(photo)) (about, error)) {
		var data, out string
		c := &cobra.Command{
			Use: use, Short: short, Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				w, err := newWriter(out)
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
				if !a.persons {
					fmt.Fprintln(cmd.ErrOrStderr(), "photos: nothing says who is who, so one person may be in several splits: put CelebA-HQ-to-CelebA-mapping.txt and CelebA's identity_CelebA.txt into --data")
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
	}
	add("faces", "images-128.tar, masks-128.tar and labels.csv", readFaces)
	add("celeba", "the folders of CelebAMask-HQ, with those of Multi-Modal-CelebA-HQ in it", readCelebA)
	return root
}
