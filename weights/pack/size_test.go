package pack

import (
	"bytes"
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/weights/bundle"
	"github.com/mcdm/mcdm/weights/safetensors"
)

// A bundle for a size has it, and each weight is within half a step of what it
// was: the least that int8 needs, or the coarseness times n rms, the same for all.
func TestSize(t *testing.T) {
	o := five(t)
	plain, _, err := Import(o)
	require.NoError(t, err)
	o.Megabytes = .8 * float64(plain.Size()) / 1e6
	files, _, err := Import(o)
	require.NoError(t, err)
	again, _, err := Import(o)
	require.NoError(t, err)
	require.Equal(t, files, again)
	require.NoError(t, Verify(mapFS(files)))
	require.LessOrEqual(t, float64(files.Size()), 1e6*o.Megabytes)
	require.Greater(t, float64(files.Size()), .99*1e6*o.Megabytes)

	b, err := bundle.Open(mapFS(files))
	require.NoError(t, err)
	coarseness, wide, codes := 0.0, 0, 0
	for _, s := range o.Networks {
		checkValues(t, b, b.Manifest.Network(s.Name), s.Folder, "int8")
		stored, err := safetensors.ReadFile(filepath.Join(s.Folder, "diffusion_pytorch_model.safetensors"))
		require.NoError(t, err)
		n := b.Manifest.Network(s.Name)
		for name, ref := range n.Tensors {
			if len(ref.Shape) == 1 {
				continue
			}
			q, err := b.Tensor(n, name)
			require.NoError(t, err)
			require.Equal(t, "I8", q.DType)
			if ref.DType == bundle.Coded {
				codes++
			} else {
				require.Less(t, q.Elements(), 2000, name) // its tree would cost more than it saves
			}
			described, err := n.Describe(name)
			require.NoError(t, err)
			require.Equal(t, "I8", described.DType)
			w, _, err := stored.Float32(name)
			require.NoError(t, err)
			row := len(w) / len(q.Scale)
			for channel, scale := range q.Scale {
				peak := 0.0
				for _, v := range w[channel*row : (channel+1)*row] {
					peak = max(peak, math.Abs(float64(v)))
				}
				if peak/127 >= float64(scale)*(1-1e-6) {
					continue
				}
				wide++
				sum := 0.0
				for _, v := range w {
					sum += float64(v) * float64(v)
				}
				c := float64(scale) / float64(len(w)) / math.Sqrt(sum/float64(len(w)))
				if coarseness == 0 {
					coarseness = c
				}
				require.InEpsilon(t, coarseness, c, 1e-5, name)
			}
		}
	}
	require.Greater(t, wide, 100)
	require.Greater(t, codes, 20)
}

// Where there is room for it no value differs from int8's.
func TestSizeWithRoom(t *testing.T) {
	o := five(t)
	plain, _, err := Import(o)
	require.NoError(t, err)
	o.Megabytes = 100
	files, _, err := Import(o)
	require.NoError(t, err)
	require.Less(t, files.Size(), plain.Size())
	a, err := bundle.Open(mapFS(plain))
	require.NoError(t, err)
	b, err := bundle.Open(mapFS(files))
	require.NoError(t, err)
	for _, s := range o.Networks {
		for name := range a.Manifest.Network(s.Name).Tensors {
			want, err := a.Tensor(a.Manifest.Network(s.Name), name)
			require.NoError(t, err)
			got, err := b.Tensor(b.Manifest.Network(s.Name), name)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
	}
}

// The code of a tensor may be longer than a shard, and is in blocks.
func TestLongStream(t *testing.T) {
	dir := t.TempDir()
	c := plain(0)
	c["block_out_channels"] = []int{16, 64}
	c["time_embedding_dim"] = 2560
	save(t, dir, 9, c, mcdm("none", 0))
	o := Options{Name: "large", DType: "int8", Networks: []Source{{"none", dir}}, Megabytes: 100}
	files, _, err := Import(o)
	require.NoError(t, err)
	require.NoError(t, Verify(mapFS(files)))
	b, err := bundle.Open(mapFS(files))
	require.NoError(t, err)
	n := b.Manifest.Network("none")
	const name = "time_embedding.linear_2.weight"
	require.Len(t, n.Tensors[name].Parts, 2)
	got, err := b.Tensor(n, name)
	require.NoError(t, err)
	o.Megabytes = 0
	plain, _, err := Import(o)
	require.NoError(t, err)
	b, err = bundle.Open(mapFS(plain))
	require.NoError(t, err)
	want, err := b.Tensor(b.Manifest.Network("none"), name)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want.Data, got.Data))
}

// Blocks may be so much alike that one tree would do for all: each has its own.
func TestBlocks(t *testing.T) {
	dir := t.TempDir()
	c := plain(0)
	c["time_embedding_dim"] = 640
	stored := save(t, dir, 9, c, mcdm("none", 0))
	const name = "time_embedding.linear_2.weight"
	w := make([]float32, 640*640)
	for i := range w {
		w[i] = float32(i%32 - 15)
	}
	stored[name] = safetensors.F32(w, 640, 640)
	putWeights(t, dir, "diffusion_pytorch_model.safetensors", stored)
	files, _, err := Import(Options{Name: "blocks", DType: "int8", Networks: []Source{{"none", dir}}, Megabytes: 100})
	require.NoError(t, err)
	require.NoError(t, Verify(mapFS(files)))
	b, err := bundle.Open(mapFS(files))
	require.NoError(t, err)
	n := b.Manifest.Network("none")
	require.Equal(t, bundle.Coded, n.Tensors[name].DType)
	checkValues(t, b, n, dir, "int8")
}

func TestSizeRefuses(t *testing.T) {
	o := five(t)
	for _, test := range []struct {
		megabytes float64
		dtype     string
		want      string
	}{
		{1e-3, "int8", "no bundle of these networks is smaller than 0.6"},
		{-1, "int8", "-1 megabytes of int8: want a positive size"},
		{math.NaN(), "int8", "want a positive size"},
		{math.Inf(1), "int8", "want a positive size"},
		{1, "f16", "1 megabytes of f16: want a positive size, and int8"},
	} {
		o.Megabytes, o.DType = test.megabytes, test.dtype
		_, _, err := Import(o)
		require.ErrorContains(t, err, test.want)
	}
}
