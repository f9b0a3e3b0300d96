package pack

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"maps"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/weights/bundle"
	"github.com/mcdm/mcdm/weights/internal/hostile"
)

// FuzzManifest: a manifest is read or refused, with a word that says where, and
// what has been read names no byte outside its shards.
func FuzzManifest(f *testing.F) {
	files := one(f)
	good := files[bundle.ManifestName]
	f.Add(good)
	whole, _, err := Import(five(f))
	require.NoError(f, err)
	f.Add(whole[bundle.ManifestName])
	for _, lie := range manifestLies() {
		m := manifest(f, files)
		lie.spoil(m)
		data, err := json.Marshal(m)
		require.NoError(f, err)
		f.Add(data)
	}
	files = coded(f)
	for _, lie := range codedLies() {
		m := manifest(f, files)
		lie.spoil(m)
		data, err := json.Marshal(m)
		require.NoError(f, err)
		f.Add(data)
	}
	for _, change := range [][2]string{
		{`"version":1`, `"version":1,"version":1`},
		{`"version":1`, `"version":1,"VERSION":1`},
		{`"parts":[[0,`, `"parts":[[0,0,`},
		{`"parts":[[0,`, `"parts":[[0.5,`},
		{`"parts":[[0,`, `"parts":[[-9223372036854775808,`},
		{`"parts":[[0,`, `"parts":[[1e99,`},
		{`"beta_end":0.02`, `"beta_end":1e999`},
		{`"beta_end":0.02`, `"beta_end":NaN`},
		{`"layers_per_block":1`, `"layers_per_block":64`},
		{`"networks":[`, `"networks":[` + strings.Repeat("{},", 999)},
	} {
		f.Add(bytes.Replace(good, []byte(change[0]), []byte(change[1]), 1))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var m *bundle.Manifest
		var err error
		hostile.Parse(t, len(data), 2000, 16<<20, func() { m, err = bundle.ParseManifest(data) })
		if err != nil {
			require.Regexp(t, `^manifest\.json: .`, err.Error())
			return
		}
		for i := range m.Networks {
			for _, ref := range m.Networks[i].Tensors {
				for _, p := range ref.Parts {
					require.LessOrEqual(t, p.Offset+p.Length, m.Shards[p.Shard].Size)
				}
			}
		}
	})
}

// FuzzShard writes over a shard of a bundle, plain or coded, whose hash then is
// right again, and verifies the bundle.
func FuzzShard(f *testing.F) {
	both := map[bool]Files{false: one(f), true: coded(f)}
	code := manifest(f, both[true]).Unconditional().Tensors["conv_in.weight"].Parts[0]
	for _, patch := range [][]byte{{0}, {1, 0}, {0x7f}, {0x80}, {0xff, 0xff}, {0, 0, 0, 0, 0, 0}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}} {
		for _, at := range []int{0, 4, 5, 8, code.Length / 2, code.Length - 1} {
			f.Add(true, code.Shard, code.Offset+at, patch)
		}
	}
	files := both[false]
	m := manifest(f, files)
	n := m.Unconditional()
	scale := n.Tensors["conv_in.weight"].Scale
	bias := n.Tensors["conv_in.bias"].Parts[0]
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, -1, math.MaxFloat32, 1e-45} {
		patch := binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(v)))
		f.Add(false, scale.Shard, scale.Offset, patch)
		f.Add(false, bias.Shard, bias.Offset, patch)
	}
	f.Add(false, 0, n.Tensors["conv_in.weight"].Parts[0].Offset, []byte{0x80})
	f.Add(false, 0, 0, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Add(false, 0, 8, []byte(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},`))
	shard := files[m.Shards[0].Name]
	for _, change := range [][2]string{
		{`"dtype":"I8"`, `"dtype":"U8"`}, {`[0,`, `[9,`}, {`"shape":[`, `"shape":[9`}, {`.weight"`, `.bias.."`}, {`"dtype"`, `"shape"`},
	} {
		at := bytes.Index(shard, []byte(change[0]))
		require.NotEqual(f, -1, at, change[0])
		f.Add(false, 0, at, []byte(change[1]))
	}
	place := regexp.MustCompile(`shard none-|tensor "`)
	f.Fuzz(func(t *testing.T, coded bool, i, at int, patch []byte) {
		files := maps.Clone(both[coded])
		m := manifest(t, files)
		if i < 0 || i >= len(m.Shards) || at < 0 || at >= m.Shards[i].Size {
			return
		}
		data := bytes.Clone(files[m.Shards[i].Name])
		copy(data[at:], patch)
		resign(t, files, m, i, data)
		var err error
		hostile.Parse(t, files.Size(), 100, 4<<20, func() { err = Verify(mapFS(files)) })
		if err != nil {
			for line := range strings.Lines(err.Error()) {
				require.Regexp(t, place, line)
			}
			return
		}
		b, err := bundle.Open(mapFS(files))
		require.NoError(t, err)
		n := b.Manifest.Unconditional()
		for name := range n.Tensors {
			tensor, err := b.Tensor(n, name)
			require.NoError(t, err)
			for i, v := range tensor.Float32() {
				if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
					t.Fatalf("%s: value %d is %v", name, i, v)
				}
			}
		}
	})
}
