package safetensors

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nlpodyssey/safetensors"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/weights/internal/hostile"
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

// lies are files that are refused, and what the refusal says.
var lies = map[string]struct {
	data []byte
	says string
}{
	"empty":                {nil, "0 bytes"},
	"torn length":          {[]byte{1, 0, 0}, "3 bytes"},
	"header past the end":  {binary.LittleEndian.AppendUint64(nil, 1<<20), "header of 1048576 bytes"},
	"huge header":          {binary.LittleEndian.AppendUint64(nil, math.MaxUint64), "header of 18446744073709551615 bytes"},
	"header wraps around":  {append(binary.LittleEndian.AppendUint64(nil, math.MaxUint64-7), "{}"...), "header of"},
	"no JSON":              {file(`{"a"`, 0), "header: unexpected EOF"},
	"no object":            {file(`[]`, 0), "header: json"},
	"deep":                 {file(strings.Repeat(`[`, 20000)+strings.Repeat(`]`, 20000), 0), "header: "},
	"torn data":            {file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 7), `tensor "a": data_offsets [0 8]`},
	"trailing data":        {file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 9), "tensors take 8 bytes, and 9 follow"},
	"overlap":              {file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8), `tensor "b" begins at byte 4`},
	"same bytes twice":     {file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8), `tensor "b" begins at byte 0`},
	"gap":                  {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8), `tensor "a" begins at byte 4`},
	"backwards":            {file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}`, 8), `tensor "a": data_offsets [8 0]`},
	"offsets overflow":     {file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[18446744073709551608,18446744073709551615]}}`, 8), `tensor "a": data_offsets`},
	"offsets beyond u64":   {file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551616]}}`, 8), `tensor "a": json`},
	"three offsets":        {file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}}`, 8), `tensor "a": data_offsets [0 8 8]`},
	"wrong shape":          {file(`{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}`, 8), `tensor "a": F32[3]`},
	"shape overflows":      {file(`{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}`, 0), `tensor "a": shape with 4611686018427387904`},
	"product wraps to 0":   {file(`{"a":{"dtype":"F32","shape":[1073741824,1073741824,16],"data_offsets":[0,0]}}`, 0), `tensor "a": F32[1073741824 1073741824 16]`},
	"huge and empty":       {file(`{"a":{"dtype":"F32","shape":[4611686018427387904,0],"data_offsets":[0,0]}}`, 0), `tensor "a": shape`},
	"negative":             {file(`{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}`, 8), `tensor "a": shape with -2`},
	"fraction":             {file(`{"a":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}}`, 8), `tensor "a": json`},
	"unknown dtype":        {file(`{"a":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}}`, 8), `tensor "a": dtype "F31"`},
	"no dtype":             {file(`{"a":{"shape":[2],"data_offsets":[0,8]}}`, 8), `tensor "a": dtype ""`},
	"no shape":             {file(`{"a":{"dtype":"F32","data_offsets":[0,4]}}`, 4), `tensor "a": no shape`},
	"another fact":         {file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}`, 8), `tensor "a": json: unknown field "x"`},
	"tensor twice":         {file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8), `key "a" appears twice`},
	"fact twice":           {file(`{"a":{"dtype":"F32","dtype":"F16","shape":[2],"data_offsets":[0,8]}}`, 8), `key "dtype" appears twice`},
	"fact in another case": {file(`{"a":{"dtype":"F32","shape":[2],"Shape":[4],"data_offsets":[0,8]}}`, 8), `key "Shape" appears twice`},
	"null":                 {file(`{"a":null}`, 0), `tensor "a": dtype ""`},
	"metadata":             {file(`{"__metadata__":{"a":1}}`, 0), "__metadata__"},
}

func TestRefusesLies(t *testing.T) {
	for name, lie := range lies {
		_, err := Parse(lie.data)
		require.ErrorContains(t, err, lie.says, name)
		_, err = Spans(lie.data)
		require.ErrorContains(t, err, lie.says, name)
	}
	path := filepath.Join(t.TempDir(), "torn.safetensors")
	require.NoError(t, os.WriteFile(path, []byte{1}, 0o600))
	_, err := ReadFile(path)
	require.ErrorContains(t, err, "torn.safetensors")
}

// FuzzParse: what is read is whole, every refusal says where, and memory goes
// with the file's size.
func FuzzParse(f *testing.F) {
	data, err := os.ReadFile("testdata/python.safetensors")
	require.NoError(f, err)
	f.Add(data)
	for _, lie := range lies {
		f.Add(lie.data)
	}
	place := regexp.MustCompile(`^not a whole safetensors file: .`)
	f.Fuzz(func(t *testing.T, b []byte) {
		var parsed File
		var spans map[string][2]int
		var err error
		hostile.Parse(t, len(b), 1000, 1<<20, func() {
			if parsed, err = Parse(b); err != nil {
				return
			}
			for _, name := range parsed.Names() {
				_, _, _ = parsed.Float32(name)
			}
			spans, err = Spans(b)
		})
		if err != nil {
			require.Regexp(t, place, err.Error())
			return
		}
		covered := 8 + int(binary.LittleEndian.Uint64(b))
		for name, tensor := range parsed {
			dtype, err := safetensors.ParseDType(tensor.DType)
			require.NoError(t, err)
			size := int(dtype.Size())
			for _, d := range tensor.Shape {
				size *= d
			}
			require.Len(t, tensor.Data, size, name)
			at := spans[name]
			require.Equal(t, b[at[0]:at[1]], tensor.Data, name)
			covered += size
		}
		require.Equal(t, len(b), covered)
		again, err := parsed.Bytes()
		require.NoError(t, err)
		reread, err := Parse(again)
		require.NoError(t, err)
		require.Equal(t, len(parsed), len(reread))
	})
}
