// Command bundle makes, checks and shows bundles of quantized networks.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mcdm/mcdm/weights/bundle"
	"github.com/mcdm/mcdm/weights/pack"
)

func main() {
	if err := command().Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "bundle:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "bundle",
		Short:         "Make, check and show bundles of quantized networks",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(importCommand(), exportCommand(), verifyCommand(), inspectCommand())
	return root
}

func importCommand() *cobra.Command {
	var (
		out, terms, card string
		upscaler, keep   string
		o                pack.Options
		networks         []string
	)
	c := &cobra.Command{
		Use:   "import --out DIR --network NAME=FOLDER ...",
		Short: "Make a bundle from diffusers save_pretrained folders",
		Long: `Make a bundle from folders that save_pretrained of a diffusers UNet2DModel or
UNet2DConditionModel wrote: config.json and safetensors in f32, f16 or bf16. An
mcdm.json beside them says what the network is conditioned on; without one it is
taken as a network on plain pixels, of text where it cross-attends and else
unconditional, with the schedule of scheduler_config.json, there or in the
pipeline's folder scheduler. --upscaler adds one that makes finished pictures
larger (python -m train --network upscale).

With --megabytes weights are rounded more coarsely, those of large tensors most, and
stored in as many bits as their values need: on our networks 4.7 bits a weight
make a relative error of 2% in eps where int8 makes 1%.

--keep takes over the networks of a bundle, byte by byte, that no --network of the same
name replaces: a kind of input is added to a bundle without what the others were trained
from. With --megabytes only what is imported is rounded, to the room that they leave.

A bundle that lies in DIR stays whole until the new one is complete.`,
		Example: `  bundle import --out weights/bundles/avatars --name avatars \
    --network none=runs/none/export --network sketch=runs/sketch/export
  bundle import --out mine --keep weights/bundles/avatars --network pose=runs/pose/export`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.Networks, err = parseSources(networks); err != nil {
				return err
			}
			if upscaler != "" {
				o.Upscaler = &pack.Source{Name: bundle.Upscale, Folder: upscaler}
			}
			if keep != "" {
				if o.Keep, err = bundle.Open(os.DirFS(keep)); err != nil {
					return fmt.Errorf("--keep %s: %w", keep, err)
				}
				if !cmd.Flags().Changed("dtype") {
					o.DType = o.Keep.Manifest.DType
				}
			}
			if o.Name == "" {
				o.Name = strings.ToLower(filepath.Base(filepath.Clean(out)))
			}
			if o.Terms, err = textOrFile(terms); err != nil {
				return fmt.Errorf("--terms: %w", err)
			}
			if card != "" {
				data, err := os.ReadFile(card)
				if err != nil {
					return fmt.Errorf("--card: %w", err)
				}
				o.DataCard = string(data)
			}
			files, reports, err := pack.Import(o)
			if err != nil {
				return err
			}
			if err := pack.Write(out, files); err != nil {
				return err
			}
			return printImport(cmd.OutOrStdout(), out, files, reports)
		},
	}
	f := c.Flags()
	f.StringVar(&out, "out", "", "folder to write the bundle to")
	f.StringVar(&o.DType, "dtype", "int8", "type of convolutions and linears: int8, f16 or f32")
	f.Float64Var(&o.Megabytes, "megabytes", 0, "most that an int8 bundle may have: weights are rounded as coarsely as that takes and stored in fewer bits")
	f.StringVar(&o.Name, "name", "", "name of the bundle (default: the folder's)")
	f.StringVar(&terms, "terms", "", "licence of the weights, as text or as a file (default: the trainers', and those of --keep)")
	f.StringVar(&card, "card", "", "file with the data card, plain text (default: that of --keep)")
	f.StringArrayVar(&networks, "network", nil, "NAME=FOLDER of one network; repeat for more")
	f.StringVar(&upscaler, "upscaler", "", "folder of a network that makes the pictures larger")
	f.StringVar(&keep, "keep", "", "bundle, --out's own or another, to take over all other networks of")
	_ = c.MarkFlagRequired("out")
	return c
}

func exportCommand() *cobra.Command {
	var networks []string
	c := &cobra.Command{
		Use:   "export DIR --network NAME=FOLDER ...",
		Short: "Write networks back as diffusers folders in f32, to train on from them",
		Example: `  bundle export weights/bundles/avatars --network none=runs/none/export
  python -m train --network none --init runs/none ...`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := bundle.Open(os.DirFS(args[0]))
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			sources, err := parseSources(networks)
			if err != nil {
				return err
			}
			for _, s := range sources {
				if err := pack.Export(b, s.Name, s.Folder); err != nil {
					return fmt.Errorf("%s: %w", args[0], err)
				}
			}
			return nil
		},
	}
	c.Flags().StringArrayVar(&networks, "network", nil, "NAME=FOLDER to write one network to; repeat for more")
	_ = c.MarkFlagRequired("network")
	return c
}

// parseSources reads the values of --network.
func parseSources(networks []string) ([]pack.Source, error) {
	var sources []pack.Source
	for _, n := range networks {
		name, folder, ok := strings.Cut(n, "=")
		if !ok || folder == "" {
			return nil, fmt.Errorf("--network %s: want NAME=FOLDER", n)
		}
		sources = append(sources, pack.Source{Name: name, Folder: folder})
	}
	return sources, nil
}

// textOrFile returns the content of the file of that name, or else the text. What
// looks like a file's name must be one's.
func textOrFile(s string) (string, error) {
	info, err := os.Stat(s)
	if err == nil && !info.IsDir() {
		data, err := os.ReadFile(s)
		return strings.TrimSpace(string(data)), err
	}
	words := strings.ContainsAny(s, " \n") || strings.Contains(s, "://")
	if ext := filepath.Ext(s); !words && (ext == ".txt" || ext == ".md" || strings.HasPrefix(s, ".") || filepath.IsAbs(s)) {
		return "", fmt.Errorf("there is no file %s", s)
	}
	return s, nil
}

func verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify DIR",
		Short: "Check hashes, shapes, schedules and values of a bundle",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := pack.Verify(os.DirFS(args[0])); err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: all shards, shapes, schedules and values are right\n", args[0])
			return err
		},
	}
}

func inspectCommand() *cobra.Command {
	var tensors bool
	c := &cobra.Command{
		Use:   "inspect DIR",
		Short: "Show what is in a bundle",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return inspect(cmd.OutOrStdout(), args[0], tensors)
		},
	}
	c.Flags().BoolVar(&tensors, "tensors", false, "list every tensor")
	return c
}

func printImport(w io.Writer, dir string, files pack.Files, reports []pack.Report) error {
	t := table{w: w}
	t.row("network", "modality", "parameters", "bytes", "worst tensors (relative RMS error)")
	for _, r := range reports {
		var worst []string
		for _, l := range r.Losses[:min(3, len(r.Losses))] {
			if l.RMS > 0 {
				worst = append(worst, fmt.Sprintf("%s %.2g%%", l.Tensor, 100*l.RMS))
			}
		}
		if r.Kept {
			worst = []string{"kept as it was"}
		}
		t.row(r.Network, r.Modality, million(r.Parameters), megabytes(r.Bytes), strings.Join(worst, ", "))
	}
	for _, r := range reports {
		if r.Assumed != "" {
			t.line(fmt.Sprintf("%s: without mcdm.json and scheduler_config.json it is taken to have: %s", r.Network, r.Assumed))
		}
	}
	t.line(fmt.Sprintf("%s: %d files, %s", dir, len(files), megabytes(files.Size())))
	return t.flush()
}
