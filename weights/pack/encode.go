package pack

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/mcdm/mcdm/weights/bundle"
	"github.com/mcdm/mcdm/weights/safetensors"
)

// Files is a bundle's content by file name. As a map of file names it makes an
// fs.FS easily, for tests and for embedding.
type Files map[string][]byte

// Encode cuts tensors into shards. The manifest among the files is m with its
// Format, Version, Shards and every TensorRef filled in; m stays as it is.
// tensors[network] holds the network's tensors, its text encoder's among them. The
// same input gives the same bytes.
func Encode(m *bundle.Manifest, tensors map[string][]bundle.Tensor) (Files, error) {
	out := *m
	out.Format, out.Version, out.Shards = bundle.Format, bundle.Version, nil
	out.Networks = slices.Clone(m.Networks)
	if m.Upscaler != nil {
		upscaler := *m.Upscaler
		out.Upscaler = &upscaler
	}
	e := encoder{m: &out, files: Files{}}
	for _, n := range out.All() {
		if err := e.network(n, tensors[n.Name]); err != nil {
			return nil, fmt.Errorf("network %q: %w", n.Name, err)
		}
	}
	var manifest bytes.Buffer
	enc := json.NewEncoder(&manifest)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(&out); err != nil {
		return nil, err
	}
	e.files[bundle.ManifestName] = manifest.Bytes()
	// What is written must be readable: the reader's own checks decide.
	if _, err := bundle.ParseManifest(manifest.Bytes()); err != nil {
		return nil, err
	}
	return e.files, nil
}

type encoder struct {
	m     *bundle.Manifest
	files Files
}

// piece is what goes into a shard as one safetensors entry.
type piece struct {
	tensor int  // index into the network's tensors
	scale  bool // its scale instead of its values
	name   string
	safetensors.Tensor
}

// headerRoom is the most that one entry takes of a shard's JSON header.
func headerRoom(p piece) int { return len(strconv.Quote(p.name)) + 80 + 12*len(p.Shape) }

func (e *encoder) network(n *bundle.Network, tensors []bundle.Tensor) error {
	tensors = slices.Clone(tensors)
	slices.SortFunc(tensors, func(a, b bundle.Tensor) int { return strings.Compare(a.Name, b.Name) })
	refs := make([]bundle.TensorRef, len(tensors))
	var shards [][]piece
	room := 0 // of the last shard
	put := func(p piece) {
		size := len(p.Data) + headerRoom(p)
		if size > room {
			shards, room = append(shards, nil), maxPayload
		}
		room -= size
		last := len(shards) - 1
		shards[last] = append(shards[last], p)
	}
	for i, t := range tensors {
		refs[i] = bundle.TensorRef{DType: t.DType, Shape: t.Shape}
		pieces, err := cut(i, t)
		if err != nil {
			return err
		}
		for _, p := range pieces {
			put(p)
		}
	}
	for i, pieces := range shards {
		if err := e.shard(n.Name, i, pieces, refs); err != nil {
			return err
		}
	}
	return assign(n, tensors, refs)
}

// maxPayload leaves room for the header's length, braces and padding.
const maxPayload = bundle.MaxShard - 64

// entry is what a shard calls a tensor that has so many bytes there.
func entry(dtype string, shape []int, size int) (string, []int) {
	if dtype == bundle.Coded {
		return "U8", []int{size}
	}
	return dtype, shape
}

// cut returns the entries of one tensor: the values, in parts along axis 0 if
// they do not fit into a shard, and the scale.
func cut(i int, t bundle.Tensor) ([]piece, error) {
	whole := piece{tensor: i, name: t.Name, Tensor: safetensors.Tensor{Data: t.Data}}
	whole.DType, whole.Shape = entry(t.DType, t.Shape, len(t.Data))
	if len(whole.Shape) == 0 || whole.Shape[0] < 1 || len(t.Data)%whole.Shape[0] != 0 {
		return nil, fmt.Errorf("tensor %q: %d bytes do not make shape %v", t.Name, len(t.Data), t.Shape)
	}
	pieces := []piece{whole}
	if len(t.Data)+headerRoom(whole) > maxPayload {
		row := len(t.Data) / whole.Shape[0]
		rows := (maxPayload - headerRoom(whole) - 12) / max(row, 1)
		if rows < 1 {
			return nil, fmt.Errorf("tensor %q: one row of %d bytes does not fit into a shard of %d", t.Name, row, bundle.MaxShard)
		}
		pieces = nil
		for at := 0; at < whole.Shape[0]; at += rows {
			part := whole
			end := min(at+rows, whole.Shape[0])
			part.name = t.Name + "#" + strconv.Itoa(len(pieces))
			part.Shape = append([]int{end - at}, whole.Shape[1:]...)
			part.Data = t.Data[at*row : end*row]
			pieces = append(pieces, part)
		}
	}
	if t.Scale == nil {
		return pieces, nil
	}
	scale := make([]byte, 0, 4*len(t.Scale))
	for _, s := range t.Scale {
		scale = binary.LittleEndian.AppendUint32(scale, math.Float32bits(s))
	}
	return append(pieces, piece{
		tensor: i, scale: true, name: t.Name + ".scale",
		Tensor: safetensors.Tensor{DType: "F32", Shape: []int{len(t.Scale)}, Data: scale},
	}), nil
}

// shard encodes one shard and notes where its pieces lie.
func (e *encoder) shard(network string, i int, pieces []piece, refs []bundle.TensorRef) error {
	file := safetensors.File{}
	for _, p := range pieces {
		file[p.name] = p.Tensor
	}
	data, err := file.Bytes()
	if err != nil {
		return err
	}
	if len(file) != len(pieces) {
		return fmt.Errorf("shard %d: two tensors of one name", i)
	}
	if len(data) > bundle.MaxShard {
		return fmt.Errorf("shard %d has %d bytes, more than %d", i, len(data), bundle.MaxShard)
	}
	spans, err := safetensors.Spans(data)
	if err != nil {
		return err
	}
	index := len(e.m.Shards)
	for _, p := range pieces {
		s := spans[p.name]
		span := bundle.Span{Shard: index, Offset: s[0], Length: s[1] - s[0]}
		if p.scale {
			refs[p.tensor].Scale = &span
		} else {
			refs[p.tensor].Parts = append(refs[p.tensor].Parts, span)
		}
	}
	sum := sha256.Sum256(data)
	digest := hex.EncodeToString(sum[:])
	name := fmt.Sprintf("%s-%d-%.16s.safetensors", network, i, digest)
	e.files[name] = data
	e.m.Shards = append(e.m.Shards, bundle.Shard{Name: name, Size: len(data), SHA256: digest})
	return nil
}

// assign hands the references to the network or its text encoder, by name.
func assign(n *bundle.Network, tensors []bundle.Tensor, refs []bundle.TensorRef) error {
	n.Tensors = map[string]bundle.TensorRef{}
	text := map[string][]int{}
	if n.TextEncoder != nil {
		t := *n.TextEncoder
		t.Tensors = map[string]bundle.TensorRef{}
		n.TextEncoder = &t
		text = t.Encoder.Tensors()
	}
	for i, t := range tensors {
		to := n.Tensors
		if _, ok := text[t.Name]; ok {
			to = n.TextEncoder.Tensors
		}
		if _, twice := to[t.Name]; twice {
			return fmt.Errorf("tensor %q is given twice", t.Name)
		}
		to[t.Name] = refs[i]
	}
	return nil
}

// Size is the number of bytes of all files.
func (f Files) Size() int {
	n := 0
	for data := range maps.Values(f) {
		n += len(data)
	}
	return n
}
