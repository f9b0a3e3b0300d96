package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/mcdm/mcdm/weights/bundle"
)

func inspect(w io.Writer, dir string, tensors bool) error {
	b, err := bundle.Open(os.DirFS(dir))
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	m := b.Manifest
	d := m.Diffusion
	total := 0
	for _, s := range m.Shards {
		total += s.Size
	}
	t := table{w: w}
	t.row("bundle", fmt.Sprintf("%s, %s, format %d", m.Name, m.DType, m.Version))
	t.row("picture", fmt.Sprintf("%dx%d, %d channels in [%g, %g], unshuffled by %d to %dx%dx%d",
		d.ImageSize, d.ImageSize, d.Channels, d.PixelRange[0], d.PixelRange[1], d.PixelUnshuffle, d.LatentChannels(), d.GridSize(), d.GridSize()))
	t.row("schedule", fmt.Sprintf("%s, T = %d, beta %g to %g, %s", d.Schedule.Name, d.Schedule.T, d.Schedule.BetaStart, d.Schedule.BetaEnd, d.PredictionType))
	t.row("shards", fmt.Sprintf("%d, %s", len(m.Shards), megabytes(total)))
	t.row("terms", visible(m.Terms))
	t.line("")
	t.row("network", "modality", "parameters", "bytes", "condition", "blocks")
	for _, n := range m.All() {
		parameters, bytes := size(n.Tensors)
		t.row(n.Name, n.Modality, million(parameters), megabytes(bytes), condition(n), blocks(n))
		if n.TextEncoder != nil {
			parameters, bytes := size(n.TextEncoder.Tensors)
			e := n.TextEncoder.Encoder
			t.row("  text encoder", "", million(parameters), megabytes(bytes),
				fmt.Sprintf("%d words", len(n.TextEncoder.Vocabulary)), fmt.Sprintf("%d layers, width %d, %d heads, %d tokens", e.Layers, e.Hidden, e.Heads, e.Length))
		}
	}
	if tensors {
		t.line("")
		for _, n := range m.All() {
			list(&t, n.Name, n.Tensors)
			if n.TextEncoder != nil {
				list(&t, n.Name, n.TextEncoder.Tensors)
			}
		}
	}
	if m.DataCard != "" {
		t.line("")
		t.line(strings.TrimSpace(visible(m.DataCard)))
	}
	return t.flush()
}

// visible leaves out what would steer a terminal.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, s)
}

func condition(n *bundle.Network) string {
	switch {
	case n.Modality == bundle.Upscale:
		return fmt.Sprintf("pictures of %d pixels, to %d", n.Diffusion.GridSize(), n.Diffusion.ImageSize)
	case n.Labels != nil:
		return fmt.Sprintf("%d channels, %d labels", n.ConditionChannels, len(n.Labels))
	case n.Grid > 0:
		return fmt.Sprintf("%d channels, %dx%d cells", n.ConditionChannels, n.Grid, n.Grid)
	case n.ConditionChannels > 0:
		return fmt.Sprintf("%d channels", n.ConditionChannels)
	case n.UNet.CrossAttentionDim > 0:
		return fmt.Sprintf("text of width %d", n.UNet.CrossAttentionDim)
	}
	return "-"
}

func blocks(n *bundle.Network) string {
	var names []string
	for b := range n.UNet.Blocks() {
		names = append(names, b.Type)
	}
	return strings.Join(names, " ")
}

func list(t *table, network string, refs map[string]bundle.TensorRef) {
	for _, name := range slices.Sorted(maps.Keys(refs)) {
		r := refs[name]
		t.row(network, name, r.DType, fmt.Sprint(r.Shape))
	}
}

func size(refs map[string]bundle.TensorRef) (parameters, bytes int) {
	for _, r := range refs {
		n := 1
		for _, d := range r.Shape {
			n *= d
		}
		parameters += n
		for _, p := range r.Parts {
			bytes += p.Length
		}
		if r.Scale != nil {
			bytes += r.Scale.Length
		}
	}
	return parameters, bytes
}

func million(n int) string   { return fmt.Sprintf("%.2f M", float64(n)/1e6) }
func megabytes(n int) string { return fmt.Sprintf("%.2f MB", float64(n)/1e6) }

// table aligns rows; a line stands between two tables.
type table struct {
	w  io.Writer
	tw *tabwriter.Writer
}

func (t *table) row(cells ...string) {
	if t.tw == nil {
		t.tw = tabwriter.NewWriter(t.w, 0, 0, 2, ' ', 0)
	}
	fmt.Fprintln(t.tw, strings.Join(cells, "\t"))
}

func (t *table) line(s string) {
	_ = t.flush()
	fmt.Fprintln(t.w, s)
}

func (t *table) flush() error {
	if t.tw == nil {
		return nil
	}
	err := t.tw.Flush()
	t.tw = nil
	return err
}
