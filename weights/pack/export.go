package pack

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mcdm/mcdm/weights/bundle"
	"github.com/mcdm/mcdm/weights/safetensors"
)

// Export is the way back from a bundle: it writes a network as a folder that
// diffusers' from_pretrained and Import read, all values dequantized to f32. A
// network whose checkpoint is lost is trained on from there. Imported as it is, a
// plain bundle is made again byte by byte; for a size values are rounded again. Files of the same
// names in folder are replaced.
func Export(b *bundle.Bundle, network, folder string) error {
	n := b.Manifest.Network(network)
	if n == nil {
		return fmt.Errorf("bundle %q has no network %q", b.Manifest.Name, network)
	}
	d := b.Manifest.Diffusion
	if n == b.Manifest.Upscaler {
		d = *n.Diffusion
	}
	f := facts{
		Modality: n.Modality, ConditionChannels: n.ConditionChannels, Grid: n.Grid,
		ImageSize: d.ImageSize, PixelUnshuffle: d.PixelUnshuffle, Schedule: d.Schedule,
		PredictionType: d.PredictionType, Training: n.Training,
	}
	for _, l := range n.Labels {
		f.Labels = append(f.Labels, l.Name)
	}
	about, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	weights, err := dequantized(b, n, n.Tensors)
	if err != nil {
		return err
	}
	files := Files{"config.json": n.Config, "mcdm.json": about, "diffusion_pytorch_model.safetensors": weights}
	if err := writeFolder(folder, files); err != nil {
		return err
	}
	t := n.TextEncoder
	if t == nil {
		return nil
	}
	if weights, err = dequantized(b, n, t.Tensors); err != nil {
		return err
	}
	return writeFolder(filepath.Join(folder, "text_encoder"), Files{
		"config.json": t.Config, "vocab.txt": []byte(strings.Join(t.Vocabulary, "\n") + "\n"), "model.safetensors": weights,
	})
}

func dequantized(b *bundle.Bundle, n *bundle.Network, refs map[string]bundle.TensorRef) ([]byte, error) {
	file := safetensors.File{}
	for name := range refs {
		t, err := b.Tensor(n, name)
		if err != nil {
			return nil, err
		}
		file[name] = safetensors.F32(t.Float32(), t.Shape...)
	}
	return file.Bytes()
}

func writeFolder(dir string, files Files) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := writeFile(dir, name, files[name]); err != nil {
			return err
		}
	}
	return nil
}
