package bundle

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"sync"

	"github.com/x448/float16"
)

// Bundle is an opened bundle: the manifest, and the folder that its shards are
// read from when a tensor first needs them. It is safe for use by several
// goroutines.
type Bundle struct {
	Manifest *Manifest

	fsys fs.FS

	mu     sync.Mutex
	loaded map[int][]byte // by index, SHA-256 checked
}

// Open reads and checks manifest.json of the bundle in fsys (os.DirFS of its
// folder, or an embedded one).
func Open(fsys fs.FS) (*Bundle, error) {
	f, err := fsys.Open(ManifestName)
	if err != nil {
		return nil, fmt.Errorf("no bundle here: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxManifest+1)) // a byte more shows a longer file
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ManifestName, err)
	}
	m, err := ParseManifest(data)
	if err != nil {
		return nil, err
	}
	return &Bundle{Manifest: m, fsys: fsys, loaded: map[int][]byte{}}, nil
}

// Shards lists the shards in the order in which to load them.
func (b *Bundle) Shards() []Shard { return b.Manifest.Shards }

// Release forgets all shards' bytes. They are read again when needed.
func (b *Bundle) Release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.loaded)
}

// Check refuses bytes of another size or SHA-256 than the manifest's.
func (s Shard) Check(data []byte) error {
	if len(data) != s.Size {
		return fmt.Errorf("shard %s has %d bytes, the manifest says %d: the file is torn; fetch or import it again", s.Name, len(data), s.Size)
	}
	sum := sha256.Sum256(data)
	if got := hex.EncodeToString(sum[:]); got != s.SHA256 {
		return fmt.Errorf("shard %s: SHA-256 is %s, the manifest says %s: the file is damaged; fetch or import it again", s.Name, got, s.SHA256)
	}
	return nil
}

// shard returns the checked bytes of shard i.
func (b *Bundle) shard(i int) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if data, ok := b.loaded[i]; ok {
		return data, nil
	}
	data, err := b.Read(i)
	if err != nil {
		return nil, err
	}
	b.loaded[i] = data
	return data, nil
}

// Read returns the checked bytes of shard i and does not keep them.
func (b *Bundle) Read(i int) ([]byte, error) {
	s := b.Manifest.Shards[i]
	f, err := b.fsys.Open(s.Name)
	if err != nil {
		return nil, fmt.Errorf("shard %s is missing; fetch or import the bundle again: %w", s.Name, err)
	}
	defer f.Close()
	data := make([]byte, s.Size+1) // a byte more than the manifest promises shows a longer file
	n, err := io.ReadFull(f, data)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("shard %s: %w", s.Name, err)
	}
	return data[:n], s.Check(data[:n])
}

// Tensor is the value of one tensor. Data is little endian and must not be
// changed: it may be part of a shard.
type Tensor struct {
	Name  string
	DType string    // "I8", "F16" or "F32"
	Shape []int     // as in diffusers: [O, I, kh, kw], [O, I] or [C]
	Data  []byte    // Elements() values of DType
	Scale []float32 // I8: one per index of axis 0, finite and positive; nil otherwise
}

// Tensor returns a tensor of the network or of its text encoder. The shards it
// lies in are read, and their SHA-256 checked, if they have not been.
func (b *Bundle) Tensor(n *Network, name string) (Tensor, error) {
	ref, ok := n.Tensor(name)
	if !ok {
		return Tensor{}, fmt.Errorf("network %q has no tensor %q", n.Name, name)
	}
	return n.read(name, ref, b.shard)
}

// Describe returns a tensor's type and shape, known without a shard, but no Data.
func (n *Network) Describe(name string) (Tensor, error) {
	ref, ok := n.Tensor(name)
	if !ok {
		return Tensor{}, fmt.Errorf("network %q has no tensor %q", n.Name, name)
	}
	return Tensor{Name: name, DType: ref.plain(), Shape: ref.Shape}, nil
}

// plain is the type of the values once they have been read.
func (ref TensorRef) plain() string {
	if ref.DType == Coded {
		return "I8"
	}
	return ref.DType
}

// read puts a tensor together from shards, by index.
func (n *Network) read(name string, ref TensorRef, shard func(i int) ([]byte, error)) (Tensor, error) {
	t := Tensor{Name: name, DType: ref.plain(), Shape: ref.Shape}
	wrap := func(err error) (Tensor, error) {
		return t, fmt.Errorf("network %q, tensor %q: %w", n.Name, name, err)
	}
	span := func(s Span) ([]byte, error) {
		data, err := shard(s.Shard)
		if err != nil {
			return nil, err
		}
		return data[s.Offset : s.Offset+s.Length : s.Offset+s.Length], nil
	}
	for i, p := range ref.Parts {
		part, err := span(p)
		if err != nil {
			return wrap(err)
		}
		if i == 0 {
			t.Data = part
		} else {
			t.Data = append(t.Data, part...) // the first part's capacity ends with it
		}
	}
	if ref.DType == Coded {
		var err error
		if t.Data, err = decode(t.Data, t.Elements()); err != nil {
			return wrap(err)
		}
	}
	if ref.Scale == nil {
		return t, nil
	}
	raw, err := span(*ref.Scale)
	if err != nil {
		return wrap(err)
	}
	t.Scale = make([]float32, len(raw)/4)
	for i := range t.Scale {
		s := math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		if !(s > 0 && s <= math.MaxFloat32) { // false for NaN too
			return wrap(fmt.Errorf("the scale of channel %d is %v: want a finite positive number; import the bundle again", i, s))
		}
		t.Scale[i] = s
	}
	return t, nil
}

// Elements is the number of values.
func (t Tensor) Elements() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Float32 returns the values, dequantized where they are I8; nil of a tensor
// that was only described.
func (t Tensor) Float32() []float32 {
	if t.Data == nil {
		return nil
	}
	v := make([]float32, t.Elements())
	switch t.DType {
	case "F32":
		for i := range v {
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:]))
		}
	case "F16":
		for i := range v {
			v[i] = float16.Frombits(binary.LittleEndian.Uint16(t.Data[2*i:])).Float32()
		}
	case "I8":
		row := len(v) / t.Shape[0]
		for i := range v {
			v[i] = t.Scale[i/row] * float32(int8(t.Data[i]))
		}
	default:
		panic(fmt.Sprintf("bundle: tensor %q of dtype %q", t.Name, t.DType))
	}
	return v
}
