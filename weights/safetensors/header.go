package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/bits"
	"slices"

	"github.com/nlpodyssey/safetensors"

	"github.com/mcdm/mcdm/weights/internal/jsonkeys"
)

// entry is one tensor of a header. start and end count from the file's first
// byte.
type entry struct {
	name       string
	dtype      safetensors.DType
	shape      []int
	start, end int
}

// parseHeader returns the tensors in the order in which they lie. They fill the
// file, without gap or overlap.
func parseHeader(data []byte) ([]entry, error) {
	entries, err := parseEntries(data)
	if err != nil {
		return nil, fmt.Errorf("not a whole safetensors file: %w", err)
	}
	return entries, nil
}

func parseEntries(data []byte) ([]entry, error) {
	if len(data) < 8 {
		return nil, fmt.Errorf("%d bytes, and the header's length alone takes 8", len(data))
	}
	n := binary.LittleEndian.Uint64(data)
	if n > uint64(len(data)-8) {
		return nil, fmt.Errorf("a header of %d bytes in a file of %d", n, len(data))
	}
	header, body := data[8:8+n], len(data)-8-int(n)
	if err := jsonkeys.Check(header); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	var tensors map[string]json.RawMessage
	if err := json.Unmarshal(header, &tensors); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if raw, ok := tensors["__metadata__"]; ok {
		var facts map[string]string
		if err := json.Unmarshal(raw, &facts); err != nil {
			return nil, fmt.Errorf("header: __metadata__: %w", err)
		}
		delete(tensors, "__metadata__")
	}
	entries := make([]entry, 0, len(tensors))
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		e, err := parseEntry(tensors[name], body)
		if err != nil {
			return nil, fmt.Errorf("header: tensor %q: %w", name, err)
		}
		e.name = name
		entries = append(entries, e)
	}
	slices.SortStableFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.end, b.end))
	})
	at := 0
	for i := range entries {
		e := &entries[i]
		if e.start != at {
			return nil, fmt.Errorf("header: tensor %q begins at byte %d of the data, the one before it ends at %d: want neither gap nor overlap", e.name, e.start, at)
		}
		at = e.end
		e.start, e.end = e.start+8+int(n), e.end+8+int(n)
	}
	if at != body {
		return nil, fmt.Errorf("its tensors take %d bytes, and %d follow the header", at, body)
	}
	return entries, nil
}

// parseEntry reads one tensor's facts; body is the number of bytes of data.
func parseEntry(raw json.RawMessage, body int) (e entry, err error) {
	var facts struct {
		DType   string   `json:"dtype"`
		Shape   []int64  `json:"shape"`
		Offsets []uint64 `json:"data_offsets"`
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&facts); err != nil {
		return e, err
	}
	if e.dtype, err = safetensors.ParseDType(facts.DType); err != nil {
		return e, fmt.Errorf("dtype %.20q is not known", facts.DType)
	}
	if facts.Shape == nil {
		return e, errors.New("no shape")
	}
	o := facts.Offsets
	if len(o) != 2 || o[0] > o[1] || o[1] > uint64(body) {
		return e, fmt.Errorf("data_offsets %v: want [begin, end] within %d bytes of data", o[:min(len(o), 3)], body)
	}
	e.start, e.end = int(o[0]), int(o[1])
	size := e.dtype.Size()
	for _, d := range facts.Shape {
		if d < 0 || d > math.MaxInt32 {
			return e, fmt.Errorf("shape with %d: want 0 to %d", d, math.MaxInt32)
		}
		over, product := bits.Mul64(size, uint64(d))
		if size = product; over > 0 {
			size = math.MaxUint64 // no file is that large, unless a 0 follows
		}
		e.shape = append(e.shape, int(d))
	}
	if size != o[1]-o[0] {
		return e, fmt.Errorf("%s%v does not take the %d bytes of its data_offsets", e.dtype, e.shape[:min(len(e.shape), 8)], o[1]-o[0])
	}
	return e, nil
}
