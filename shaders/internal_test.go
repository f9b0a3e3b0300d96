package shaders

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The Go struct of every kernel's Params has the names, types and order of the
// WGSL's. All fields are four bytes, so order is offset.
func TestParamsMatchWGSL(t *testing.T) {
	structs := map[string]any{
		"conv2d_direct": conv2dParams{}, "conv2d_uniform": conv2dParams{}, "conv2d_winograd": conv2dParams{}, "conv2d_ahead": conv2dParams{},
		"group_norm": groupNormParams{}, "group_norm_held": groupNormParams{}, "group_norm_narrow": groupNormParams{},
		"layer_norm": layerNormParams{}, "attention_tile": attentionParams{}, "attention_rows": attentionParams{}, "geglu": gegluParams{},
		"time_embedding": timeEmbeddingParams{}, "embedding": embeddingParams{}, "merge_step": mergeStepParams{},
		"merge_stats": mergeStatsParams{}, "metropolis": metropolisParams{},
	}
	types := map[reflect.Kind]string{reflect.Uint32: "u32", reflect.Int32: "i32", reflect.Float32: "f32"}
	require.Len(t, All(), len(structs))
	for _, k := range All() {
		v := reflect.TypeOf(structs[k.Name])
		require.Equal(t, v.NumField(), len(k.Fields), k.Name)
		for i, f := range k.Fields {
			assert.Equal(t, strings.ReplaceAll(f.Name, "_", ""), strings.ToLower(v.Field(i).Name), k.Name)
			assert.Equal(t, f.Type, types[v.Field(i).Type.Kind()], "%s.%s", k.Name, f.Name)
		}
		assert.LessOrEqual(t, len(k.Bindings), 8, "%s: more storage buffers than every device binds", k.Name)
	}
}

// A write to one component of a vec4 may write all of them: where lanes share a vec4
// that loses what others wrote, on Metal for one.
func TestNoComponentIsWritten(t *testing.T) {
	vec4 := regexp.MustCompile(`var<storage, read_write> (\w+): array<vec4<f32>>`)
	component := regexp.MustCompile(`(?m)(\w+)\[[^=\n]*\](?:\[[^\]\n]*\]|\.[xyzw]) *[-+*/]?= `)
	assert.True(t, component.MatchString("y[i * p.stride + c / 4u][c % 4u] = v;") && component.MatchString("y[i].x += v;"))
	for _, k := range All() {
		code, err := k.Code(nil)
		require.NoError(t, err)
		for _, b := range vec4.FindAllStringSubmatch(code, -1) {
			for _, w := range component.FindAllStringSubmatch(code, -1) {
				assert.NotEqual(t, b[1], w[1], "%s: %s", k.Name, w[0])
			}
		}
	}
}

// StepParams lies in its buffer as struct Step of merge.wgsl: all members are
// four bytes, the weights last.
func TestStepParamsMatchWGSL(t *testing.T) {
	code, err := mergeStep.Code(nil)
	require.NoError(t, err)
	_, code, _ = strings.Cut(code, "struct Step {")
	code, _, _ = strings.Cut(code, "}")
	v := reflect.TypeOf(StepParams{})
	fields := reField.FindAllStringSubmatch(code, -1)
	require.Len(t, fields, v.NumField()-1)
	for i, f := range fields {
		assert.Equal(t, strings.ReplaceAll(f[1], "_", ""), strings.ToLower(v.Field(i).Name))
		assert.Equal(t, f[2], map[reflect.Kind]string{reflect.Uint32: "u32", reflect.Float32: "f32"}[v.Field(i).Type.Kind()], f[1])
		assert.EqualValues(t, 4*i, v.Field(i).Offset)
	}
	assert.Contains(t, code, fmt.Sprintf("weights: array<f32, %d>", MaxNetworks))
	s := StepParams{SqrtAbar: .5, SeedHi: 7, Weights: [MaxNetworks]float32{15: 3}}
	assert.Len(t, s.Bytes(), StepParamsSize)
	assert.Equal(t, s, stepParams(s.Bytes()))
}

func TestCodeSetsConstants(t *testing.T) {
	code, err := conv2dDirect.Code(Constants{"KH": 5, "HAS_SKIP": 1})
	require.NoError(t, err)
	assert.Contains(t, code, "const KH: u32 = 5u;")
	assert.Contains(t, code, "const KW: u32 = 3u;")
	assert.Contains(t, code, "const HAS_SKIP: bool = true;")
	assert.NotContains(t, code, "override")
	_, err = conv2dDirect.Code(Constants{"KZ": 1})
	assert.ErrorContains(t, err, "conv2d_direct.wgsl declares no override KZ")
}

// Known answers of Philox4x32-10 from the Random123 distribution.
func TestPhilox(t *testing.T) {
	const m = math.MaxUint32
	for _, c := range []struct {
		counter [4]uint32
		key     [2]uint32
		want    [4]uint32
	}{
		{[4]uint32{}, [2]uint32{}, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{[4]uint32{m, m, m, m}, [2]uint32{m, m}, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0}, [4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	} {
		assert.Equal(t, c.want, philox(c.counter, c.key))
	}
}

func TestNormalsAreNormal(t *testing.T) {
	var n, sum, square, fourth, neighbour float64
	last := 0.0
	for i := range uint32(40000) {
		for _, v := range Normals(7, i, 0, 1) {
			sum += v
			square += v * v
			fourth += v * v * v * v
			neighbour += v * last
			last = v
			n++
		}
	}
	assert.InDelta(t, 0, sum/n, .01)
	assert.InDelta(t, 1, square/n, .01)
	assert.InDelta(t, 3, fourth/n, .1)
	assert.InDelta(t, 0, neighbour/n, .01)
	assert.NotEqual(t, Normals(7, 0, 0, 1), Normals(8, 0, 0, 1))
	assert.NotEqual(t, Normals(7, 0, 0, 1), Normals(7, 0, 0, 2))
	assert.NotEqual(t, Normals(7, 0, 0, 1), Normals(7, 0, 1, 1))
}

func TestShapesPanic(t *testing.T) {
	x := Tensor{Buffer: 1, N: 1, H: 4, W: 4, C: 8}
	y := x
	y.C = 4
	assert.PanicsWithValue(t, "shaders: layer_norm: x is [1, 4, 4, 8], want [1, 4, 4, 4]", func() {
		LayerNorm(LayerNormArgs{X: x, Y: y})
	})
	assert.Panics(t, func() { GroupNorm(GroupNormArgs{X: x, Y: x, Groups: 3}) })
}
