package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/weights/safetensors"
	"github.com/mcdm/mcdm/weights/unet"
)

const config = `{"_class_name":"UNet2DModel","sample_size":8,"in_channels":1,"out_channels":1,"block_out_channels":[8,16],
"layers_per_block":1,"down_block_types":["DownBlock2D","AttnDownBlock2D"],"up_block_types":["AttnUpBlock2D","UpBlock2D"],"norm_num_groups":4}`

func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	c, err := unet.Parse([]byte(config))
	require.NoError(t, err)
	f := safetensors.File{}
	for name, shape := range c.Tensors() {
		n := 1
		for _, d := range shape {
			n *= d
		}
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(i%17) - 8
		}
		f[name] = safetensors.F32(v, shape...)
	}
	data, err := f.Bytes()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "diffusion_pytorch_model.safetensors"), data, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600))
	return dir
}

func run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	c := command()
	var out bytes.Buffer
	c.SetOut(&out)
	c.SetErr(&out)
	c.SetArgs(args)
	err := c.Execute()
	return out.String(), err
}

func TestCommands(t *testing.T) {
	source := folder(t)
	dir := filepath.Join(t.TempDir(), "Digits")
	terms := filepath.Join(source, "TERMS")
	require.NoError(t, os.WriteFile(terms, []byte("CC0-1.0\n"), 0o600))
	out, err := run(t, "import", "--out", dir, "--network", "none="+source, "--terms", terms, "--card", terms)
	require.NoError(t, err)
	require.Regexp(t, `none +none +0\.0\d M`, out)
	require.Contains(t, out, "none: without mcdm.json and scheduler_config.json it is taken to have: linear schedule, T = 1000")

	out, err = run(t, "verify", dir)
	require.NoError(t, err)
	require.Contains(t, out, "right")

	out, err = run(t, "inspect", "--tensors", dir)
	require.NoError(t, err)
	for _, want := range []string{"digits, int8, format 1", "CC0-1.0", "linear, T = 1000", "AttnDownBlock2D", "conv_in.weight", "[8 1 3 3]"} {
		require.Contains(t, out, want)
	}

	exported, again := filepath.Join(t.TempDir(), "none"), filepath.Join(t.TempDir(), "Digits")
	_, err = run(t, "export", dir, "--network", "none="+exported)
	require.NoError(t, err)
	out, err = run(t, "import", "--out", again, "--network", "none="+exported, "--terms", terms, "--card", terms)
	require.NoError(t, err)
	require.NotContains(t, out, "it is taken to have")
	want, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	require.NoError(t, err)
	got, err := os.ReadFile(filepath.Join(again, "manifest.json"))
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "exported and imported again")

	out, err = run(t, "import", "--out", again, "--keep", again, "--network", "other="+exported)
	require.ErrorContains(t, err, "modality", "two networks without a condition")
	require.Empty(t, out)
	kept := filepath.Join(t.TempDir(), "kept")
	out, err = run(t, "import", "--out", kept, "--name", "digits", "--keep", dir, "--network", "none="+exported)
	require.NoError(t, err)
	require.NotContains(t, out, "kept as it was")
	got, err = os.ReadFile(filepath.Join(kept, "manifest.json"))
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "what is not given is taken over")

	out, err = run(t, "import", "--out", dir, "--network", "none="+source, "--megabytes", "0.07")
	require.NoError(t, err)
	require.Contains(t, out, ", 0.07 MB")
	out, err = run(t, "inspect", "--tensors", dir)
	require.NoError(t, err)
	require.Regexp(t, `mid_block.resnets.0.conv1.weight +I8Z +\[16 16 3 3\]`, out)

	data, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	require.NoError(t, err)
	var m struct{ Shards []struct{ Name string } }
	require.NoError(t, json.Unmarshal(data, &m))
	require.NoError(t, os.Truncate(filepath.Join(dir, m.Shards[0].Name), 100))
	_, err = run(t, "verify", dir)
	require.ErrorContains(t, err, "torn")
}

func TestCommandErrors(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "x")
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"import", "--network", "none=x"}, `"out"`},
		{[]string{"import", "--out", dir}, "give at least one --network"},
		{[]string{"import", "--out", dir + " 2", "--network", "none=x"}, `name of the bundle "x 2": want`},
		{[]string{"import", "--out", dir, "--keep", "/nowhere", "--network", "none=x"}, "--keep /nowhere: no bundle here"},
		{[]string{"import", "--out", dir, "--network", "none"}, "want NAME=FOLDER"},
		{[]string{"import", "--out", dir, "--network", "none=/nowhere"}, "save_pretrained"},
		{[]string{"import", "--out", dir, "--dtype", "q4", "--network", "none=/nowhere"}, `"q4"`},
		{[]string{"import", "--out", dir, "--card", "/nowhere", "--network", "none=/nowhere"}, "--card"},
		{[]string{"import", "--out", dir, "--terms", "weights/bundles/TERM.txt", "--network", "none=/nowhere"}, "--terms: there is no file weights/bundles/TERM.txt"},
		{[]string{"export", "/nowhere", "--network", "none=x"}, "no bundle here"},
		{[]string{"verify", "/nowhere"}, "no bundle here"},
		{[]string{"inspect", "/nowhere"}, "no bundle here"},
		{[]string{"verify"}, "accepts 1 arg"},
	} {
		_, err := run(t, test.args...)
		require.ErrorContains(t, err, test.want, test.args)
	}
	require.NoDirExists(t, dir, "a refused import leaves nothing")
}

// What a stranger wrote into a bundle does not steer the terminal.
func TestInspectShowsPlainText(t *testing.T) {
	source, dir := folder(t), filepath.Join(t.TempDir(), "x")
	card := filepath.Join(source, "CARD.md")
	require.NoError(t, os.WriteFile(card, []byte("# Card\n\x1b]52;c;eA==\aof \u009b31m\tred\n"), 0o600))
	_, err := run(t, "import", "--out", dir, "--network", "none="+source, "--card", card, "--terms", "MIT\x1b[2J")
	require.NoError(t, err)
	out, err := run(t, "inspect", dir)
	require.NoError(t, err)
	require.Contains(t, out, "terms     MIT[2J\n")
	require.Contains(t, out, "# Card\n]52;c;eA==of 31m\tred\n")
}

func TestTextOrFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "TERMS")
	require.NoError(t, os.WriteFile(file, []byte(" CC0-1.0\n"), 0o600))
	for s, want := range map[string]string{
		file: "CC0-1.0", "": "", "CC-BY-4.0": "CC-BY-4.0", "GPL-2.0 and/or MIT": "GPL-2.0 and/or MIT",
		"https://example.org/terms.txt": "https://example.org/terms.txt",
	} {
		got, err := textOrFile(s)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, s := range []string{"TERM.txt", "LICENSE.md", "./a/LICENSE", file + "S", filepath.Dir(file)} {
		_, err := textOrFile(s)
		require.ErrorContains(t, err, "there is no file "+s)
	}
}
