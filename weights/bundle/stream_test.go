package bundle

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Tensors come out whole and once, whatever the order of the shards; a shard
// whose tensors are out is forgotten.
func TestStream(t *testing.T) {
	two := binary.LittleEndian.AppendUint32(nil, math.Float32bits(2))
	shards := [][]byte{{1, 2, 3, 4, 5, 6}, {7, 8, 0, 0}, append(two, 9, 10, 11, 12), two}
	m := &Manifest{Name: "m", Shards: make([]Shard, len(shards)), Networks: []Network{
		{Name: "a", Tensors: map[string]TensorRef{
			"alone": {DType: "F16", Shape: []int{1}, Parts: []Span{{0, 0, 2}}},
			"cut":   {DType: "F16", Shape: []int{3}, Parts: []Span{{0, 2, 4}, {1, 0, 2}}},
		}},
		{Name: "b", TextEncoder: &TextEncoder{Tensors: map[string]TensorRef{
			"scaled": {DType: "I8", Shape: []int{1, 4}, Parts: []Span{{2, 4, 4}}, Scale: &Span{3, 0, 4}},
			"f32":    {DType: "F32", Shape: []int{1}, Parts: []Span{{2, 0, 4}}},
		}}},
	}}
	for _, test := range []struct {
		order []int
		held  []int // shards, after each
	}{
		{[]int{0, 1, 2, 3}, []int{1, 0, 1, 0}},
		{[]int{3, 1, 0, 2}, []int{1, 2, 1, 0}},
		{[]int{2, 2, 0, 3, 1}, []int{1, 1, 2, 1, 0}},
	} {
		got := map[string]Tensor{}
		s := m.Stream(func(n *Network, x Tensor) error {
			require.NotContains(t, got, n.Name+"."+x.Name)
			got[n.Name+"."+x.Name] = x
			return nil
		})
		for i, k := range test.order {
			require.ErrorContains(t, s.Done(), "of 4 shards have not been loaded")
			require.NoError(t, s.Add(k, shards[k]))
			assert.Len(t, s.held, test.held[i], "after shards %v", test.order[:i+1])
		}
		require.NoError(t, s.Done())
		assert.Equal(t, map[string]Tensor{
			"a.alone":  {"alone", "F16", []int{1}, []byte{1, 2}, nil},
			"a.cut":    {"cut", "F16", []int{3}, []byte{3, 4, 5, 6, 7, 8}, nil},
			"b.scaled": {"scaled", "I8", []int{1, 4}, []byte{9, 10, 11, 12}, []float32{2}},
			"b.f32":    {"f32", "F32", []int{1}, two, nil},
		}, got)
		assert.Equal(t, []byte{1, 2, 3, 4, 5, 6}, shards[0])
	}
}

func TestStreamFails(t *testing.T) {
	m := &Manifest{Shards: make([]Shard, 1), Networks: []Network{{Name: "a", Tensors: map[string]TensorRef{
		"w": {DType: "I8", Shape: []int{1, 4}, Parts: []Span{{0, 0, 4}}, Scale: &Span{0, 4, 4}},
	}}}}
	s := m.Stream(func(*Network, Tensor) error { return assert.AnError })
	require.ErrorContains(t, s.Add(0, make([]byte, 8)), `network "a", tensor "w": the scale of channel 0 is 0`)
	s = m.Stream(func(*Network, Tensor) error { return assert.AnError })
	require.ErrorIs(t, s.Add(0, []byte{1, 2, 3, 4, 0, 0, 0, 64}), assert.AnError)
}
