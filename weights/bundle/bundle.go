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

// Bundle is an opened bundle: the manifest and those shards that have been read
// or given. It is safe for use by several goroutines.
type Bundle struct {
	Manifest *Manifest

	fsys fs.FS // nil: shards come through AddShard only

	mu     sync.Mutex
	loaded map[int][]byte // by index, SHA-256 checked
}

// Open reads and checks manifest.json of the bundle in fsys (os.DirFS of its
// folder, or an embedded one). Shards are read when a tensor first needs them.
func Open(fsys fs.FS) (*Bundle, error) {
	data, err := fs.ReadFile(fsys, ManifestName)
	if err != nil {
		return nil, fmt.Errorf("no bundle here: %w", err)
	}
	b, err := Parse(data)
	if err != nil {
		return nil, err
	}
	b.fsys = fsys
	return b, nil
}

// Parse opens a bundle from the bytes of manifest.json alone; its shards come
// through AddShard.
func Parse(manifest []byte) (*Bundle, error) {
	m, err := ParseManifest(manifest)
	if err != nil {
		return nil, err
	}
	return &Bundle{Manifest: m, loaded: map[int][]byte{}}, nil
}

// Shards lists the shards in the order in which to load them.
func (b *Bundle) Shards() []Shard { return b.Manifest.Shards }

// AddShard gives the bytes of a shard, which must not change afterwards. Bytes
// of another size or SHA-256 than the manifest's are refused.
func (b *Bundle) AddShard(name string, data []byte) error {
	for i, s := range b.Manifest.Shards {
		if s.Name == name {
			if err := s.check(data); err != nil {
				return err
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			b.loaded[i] = data
			return nil
		}
	}
	return fmt.Errorf("shard %s is not of bundle %q", name, b.Manifest.Name)
}

// Release forgets all shards' bytes. With a folder they are read again when
// needed; without one AddShard must give them again.
func (b *Bundle) Release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.loaded)
}

func (s Shard) check(data []byte) error {
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
	s := b.Manifest.Shards[i]
	if b.fsys == nil {
		return nil, fmt.Errorf("shard %s has not been loaded", s.Name)
	}
	data, err := readShard(b.fsys, s)
	if err != nil {
		return nil, err
	}
	b.loaded[i] = data
	return data, nil
}

// readShard reads at most one byte more than the manifest promises.
func readShard(fsys fs.FS, s Shard) ([]byte, error) {
	f, err := fsys.Open(s.Name)
	if err != nil {
		return nil, fmt.Errorf("shard %s is missing; fetch or import the bundle again: %w", s.Name, err)
	}
	defer f.Close()
	data := make([]byte, s.Size+1)
	n, err := io.ReadFull(f, data)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("shard %s: %w", s.Name, err)
	}
	return data[:n], s.check(data[:n])
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
	t, err := b.read(ref)
	if err != nil {
		return Tensor{}, fmt.Errorf("network %q, tensor %q: %w", n.Name, name, err)
	}
	t.Name = name
	return t, nil
}

// Describe returns a tensor's type and shape, known without a shard, but no Data.
func (b *Bundle) Describe(n *Network, name string) (Tensor, error) {
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

func (b *Bundle) read(ref TensorRef) (Tensor, error) {
	t := Tensor{DType: ref.plain(), Shape: ref.Shape}
	var err error
	if t.Data, err = b.span(ref.Parts[0]); err != nil {
		return t, err
	}
	if len(ref.Parts) > 1 {
		t.Data = append([]byte(nil), t.Data...)
		for _, p := range ref.Parts[1:] {
			part, err := b.span(p)
			if err != nil {
				return t, err
			}
			t.Data = append(t.Data, part...)
		}
	}
	if ref.DType == Coded {
		if t.Data, err = decode(t.Data, t.Elements()); err != nil {
			return t, err
		}
	}
	if ref.Scale == nil {
		return t, nil
	}
	raw, err := b.span(*ref.Scale)
	if err != nil {
		return t, err
	}
	t.Scale = make([]float32, len(raw)/4)
	for i := range t.Scale {
		s := math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		if !(s > 0 && s <= math.MaxFloat32) { // false for NaN too
			return t, fmt.Errorf("the scale of channel %d is %v: want a finite positive number; import the bundle again", i, s)
		}
		t.Scale[i] = s
	}
	return t, nil
}

func (b *Bundle) span(s Span) ([]byte, error) {
	data, err := b.shard(s.Shard)
	if err != nil {
		return nil, err
	}
	return data[s.Offset : s.Offset+s.Length : s.Offset+s.Length], nil
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
