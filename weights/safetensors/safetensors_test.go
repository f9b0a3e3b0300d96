package safetensors

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReadsWhatPythonWrites(t *testing.T) {
	f, err := ReadFile("testdata/python.safetensors")
	require.NoError(t, err)
	require.Len(t, f, 9)
	want := []float32{0, float32(math.Copysign(0, -1)), 1, -2.5, 65504, 6.103515625e-05}
	for _, name := range []string{"f32", "f16", "bf16"} {
		got, shape, err := f.Float32(name)
		require.NoError(t, err)
		require.Equal(t, []int{2, 3}, shape)
		for i := range want {
			w := want[i]
			if name == "bf16" && w == 65504 {
				w = 65536 // its 8 bits
			}
			require.Equal(t, math.Float32bits(w), math.Float32bits(got[i]), "%s[%d]", name, i)
		}
	}
	small, _, err := f.Float32("f16.small")
	require.NoError(t, err)
	require.Equal(t, float32(math.Ldexp(1, -24)), small[0])
	require.True(t, math.IsInf(float64(small[1]), 1))
	require.True(t, math.IsNaN(float64(small[2])))
	scalar, shape, err := f.Float32("scalar")
	require.NoError(t, err)
	require.Equal(t, []float32{.5}, scalar)
	require.Empty(t, shape)
	require.Equal(t, []byte{0x80, 0x7f, 0, 1}, f["i8"].Data)
	require.Contains(t, f, `naïve "name"`)
	_, _, err = f.Float32("i64")
	require.ErrorContains(t, err, `"i64": dtype I64`)
	_, _, err = f.Float32("conv_in.weight")
	require.ErrorContains(t, err, `"conv_in.weight" is missing`)
}

func TestRoundTrip(t *testing.T) {
	f, err := ReadFile("testdata/python.safetensors")
	require.NoError(t, err)
	first, err := f.Bytes()
	require.NoError(t, err)
	again, err := Parse(first)
	require.NoError(t, err)
	require.Equal(t, f, again)
	second, err := again.Bytes()
	require.NoError(t, err)
	require.Equal(t, first, second, "the same tensors give the same bytes")

	_, err = File{"a": {DType: "F32", Shape: []int{2}, Data: make([]byte, 4)}}.Bytes()
	require.ErrorContains(t, err, `"a": 4 bytes`)
	require.Panics(t, func() { F32([]float32{1}, 2) })
}

func file(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, data)...)
}

func TestRefusesLies(t *testing.T) {
	for name, b := range map[string][]byte{
		"empty":               {},
		"torn length":         {1, 0, 0},
		"header past the end": binary.LittleEndian.AppendUint64(nil, 1<<20),
		"huge header":         binary.LittleEndian.AppendUint64(nil, math.MaxUint64),
		"no JSON":             file(`{"a"`, 0),
		"torn data":           file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 7),
		"trailing data":       file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 9),
		"overlap":             file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8),
		"gap":                 file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8),
		"wrong shape":         file(`{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}`, 8),
		"overflow":            file(`{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}`, 0),
		"huge and empty":      file(`{"a":{"dtype":"F32","shape":[4611686018427387904,0],"data_offsets":[0,0]}}`, 0),
		"negative":            file(`{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}`, 8),
		"unknown dtype":       file(`{"a":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}}`, 8),
		"twice":               file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8),
		"null":                file(`{"a":null}`, 0),
	} {
		_, err := Parse(b)
		require.Error(t, err, name)
	}
	path := filepath.Join(t.TempDir(), "torn.safetensors")
	require.NoError(t, os.WriteFile(path, []byte{1}, 0o600))
	_, err := ReadFile(path)
	require.ErrorContains(t, err, "torn.safetensors")
}

func FuzzParse(f *testing.F) {
	data, err := os.ReadFile("testdata/python.safetensors")
	require.NoError(f, err)
	f.Add(data)
	f.Fuzz(func(t *testing.T, b []byte) {
		if parsed, err := Parse(b); err == nil {
			for _, name := range parsed.Names() {
				_, _, _ = parsed.Float32(name)
			}
		}
	})
}
