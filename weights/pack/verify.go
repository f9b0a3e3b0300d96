package pack

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"slices"

	"github.com/mcdm/mcdm/weights/bundle"
	"github.com/mcdm/mcdm/weights/safetensors"
)

// Verify reads all of a bundle: the manifest with every network's shapes and
// the common schedule, each shard's SHA-256, each shard as a safetensors file
// that says of every tensor what the manifest says, every scale and value
// finite. It returns everything that is wrong, joined.
func Verify(fsys fs.FS) error {
	b, err := bundle.Open(fsys)
	if err != nil {
		return err
	}
	shards, err := parseShards(b)
	if err != nil {
		return err
	}
	var problems []error
	for _, n := range b.Manifest.All() {
		check := func(refs map[string]bundle.TensorRef) {
			for _, name := range slices.Sorted(maps.Keys(refs)) {
				if err := verifyTensor(b, n, name, refs[name], shards); err != nil {
					problems = append(problems, err)
				}
			}
		}
		check(n.Tensors)
		if n.TextEncoder != nil {
			check(n.TextEncoder.Tensors)
		}
		b.Release()
	}
	return errors.Join(problems...)
}

type shard struct {
	bundle.Shard
	file  safetensors.File
	spans map[string][2]int
}

func parseShards(b *bundle.Bundle) ([]shard, error) {
	var shards []shard
	var problems []error
	for i, s := range b.Shards() {
		data, err := b.Read(i)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		file, err := safetensors.Parse(data)
		if err == nil {
			var spans map[string][2]int
			spans, err = safetensors.Spans(data)
			shards = append(shards, shard{s, file, spans})
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("shard %s: %w", s.Name, err))
		}
	}
	return shards, errors.Join(problems...)
}

func verifyTensor(b *bundle.Bundle, n *bundle.Network, name string, ref bundle.TensorRef, shards []shard) error {
	wrap := func(err error) error { return fmt.Errorf("network %q, tensor %q: %w", n.Name, name, err) }
	size, rows := 0, 0
	for _, p := range ref.Parts {
		size += p.Length
	}
	dtype, want := entry(ref.DType, ref.Shape, size)
	for i, p := range ref.Parts {
		part := name
		if len(ref.Parts) > 1 {
			part = fmt.Sprintf("%s#%d", name, i)
		}
		shape, err := entryAt(shards[p.Shard], part, dtype, p)
		if err != nil {
			return wrap(err)
		}
		if len(shape) != len(want) || !slices.Equal(shape[1:], want[1:]) {
			return wrap(fmt.Errorf("shard %s says shape %v, the manifest %v", shards[p.Shard].Name, shape, want))
		}
		rows += shape[0]
	}
	if rows != want[0] {
		return wrap(fmt.Errorf("its parts have %d rows, the manifest says %d", rows, want[0]))
	}
	if ref.Scale != nil {
		s, want := shards[ref.Scale.Shard], ref.Shape[:1]
		shape, err := entryAt(s, name+".scale", "F32", *ref.Scale)
		if err != nil {
			return wrap(err)
		}
		if !slices.Equal(shape, want) {
			return wrap(fmt.Errorf("shard %s says shape %v of its scale, the manifest %v", s.Name, shape, want))
		}
	}
	t, err := b.Tensor(n, name)
	if err != nil {
		return err
	}
	if t.DType == "I8" && bytes.IndexByte(t.Data, 0x80) >= 0 {
		return wrap(errors.New("holds -128; symmetric int8 ends at -127"))
	}
	for i, v := range t.Float32() {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return wrap(fmt.Errorf("value %d is %v", i, v))
		}
	}
	return nil
}

// entryAt checks that a shard's own header puts an entry where the manifest
// does, and returns its shape.
func entryAt(s shard, entry, dtype string, p bundle.Span) ([]int, error) {
	t, ok := s.file[entry]
	if !ok {
		return nil, fmt.Errorf("shard %s has no entry %q", s.Name, entry)
	}
	if at := [2]int{p.Offset, p.Offset + p.Length}; t.DType != dtype || s.spans[entry] != at {
		return nil, fmt.Errorf("shard %s has %s at bytes %v, the manifest says %s at %v", s.Name, t.DType, s.spans[entry], dtype, at)
	}
	return t.Shape, nil
}
