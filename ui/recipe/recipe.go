// Package recipe holds everything that decides a picture, and keeps it inside
// the picture's own PNG file, where it survives copying and renaming.
//
// # Format, version 1
//
// The file has one iTXt chunk with the keyword "mcdm": the JSON form of Recipe,
// in UTF-8. Sketch, mask, colours, image and small picture stand in it as PNG files in base64, the
// sketch as dark lines on light paper, the mask with a palette whose index is the
// place in "labels" (any other index is free), the colours with a pixel for each
// cell of their grid, transparent where free. Unknown keys are ignored; "not" and
// "verdict" are absent from files of the first pages.
package recipe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/mcdm/mcdm/engine"
)

// Format and Version open every recipe; readers refuse later versions.
const (
	Format  = "mcdm-recipe"
	Version = 1
)

// keyword names the chunk among those of other programs.
const keyword = "mcdm"

// Recipe is all that decides a picture.
type Recipe struct {
	Bundle   Bundle           `json:"bundle"`
	Prompt   string           `json:"prompt"`
	Not      Not              `json:"not,omitzero"` // what the picture shall not obey
	Networks map[string]Input `json:"networks"`     // by network name
	Seed     uint64           `json:"seed"`
	// Unfinished marks a picture whose sampling was stopped on the way: its recipe
	// leads further.
	Unfinished bool            `json:"unfinished,omitempty"`
	Sampler    Sampler         `json:"sampler"`
	Verdict    Verdict         `json:"verdict,omitzero"`
	Labels     []string        `json:"labels,omitempty"` // of Mask, by index
	Sketch     *image.Gray     `json:"-"`                // nil: empty
	Mask       *image.Paletted `json:"-"`                // nil: empty
	Colours    *image.NRGBA    `json:"-"`                // nil: empty
	Image      *image.RGBA     `json:"-"`                // where sampling starts; nil: from noise

	// Upscaled says how the file's picture was made of Small, the one that all of the
	// above decides; nil, both of them: the file's picture is that itself.
	Upscaled *Upscaled   `json:"upscaled,omitempty"`
	Small    *image.RGBA `json:"-"`
}

// Upscaled is how a picture was made larger.
type Upscaled struct {
	SHA256 string `json:"sha256"` // the upscaler's: bundle.Manifest.Fingerprint
	Seed   uint64 `json:"seed"`
	Steps  int    `json:"steps"`
}

// Verdict is what the networks made of the finished picture; nothing in it decides
// the picture. Conditions have their network's name, Not has .2 behind it.
type Verdict struct {
	Accord []Accord `json:"accord,omitempty"`
	Scores Scores   `json:"scores,omitzero"`
}

// Accord tells how far two conditions agreed while the picture formed.
type Accord struct {
	A string `json:"a"`
	B string `json:"b"`
	// Cosine of the angle between their pulls, the mean over the steps in the middle of
	// the way in which both counted: 1 agree, 0 independent, -1 opposed (engine.Conflict).
	Cosine float64 `json:"cosine"`
	Steps  int     `json:"steps"`
}

// Scores tell how well the picture obeys, among those that were made with it.
type Scores struct {
	Rank int              `json:"rank"` // from 1, the best
	Of   int              `json:"of"`   // so many pictures; 0: not scored
	By   map[string]Score `json:"by"`   // by condition
}

// Score is how well a picture obeys one condition.
type Score struct {
	Lift float64 `json:"lift"` // in nats (engine.Lift)
	Rank int     `json:"rank"` // from 1, the best
}

// Bundle says which networks made the picture.
type Bundle struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"` // of manifest.json, which holds the shards' own
}

// Not is a further sentence for the networks that Prompt is for. It counts
// against the picture, in the same window and with a weight of its own; it is off
// where they are.
type Not struct {
	Text   string  `json:"text"`   // never blank, but in a recipe without it
	Weight float64 `json:"weight"` // 0 or more: in (12) it is -Weight
}

// Input is how one network counts. Start and End are its window, 0 to 1 of the
// way from noise to picture.
type Input struct {
	On     bool    `json:"on"`
	Weight float64 `json:"weight"`
	Start  float64 `json:"start"`
	End    float64 `json:"end"`
}

// Sampler is how the picture was sampled.
type Sampler struct {
	Name      string  `json:"name"`
	Steps     int     `json:"steps"`
	Eta       float64 `json:"eta"`
	Corrector int     `json:"corrector"`
	Start     float64 `json:"start,omitempty"` // with Image: how much of the way is left out
}

// wire is a recipe as it is written.
type wire struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	Recipe
	SketchPNG  []byte `json:"sketch,omitempty"`
	MaskPNG    []byte `json:"mask,omitempty"`
	ColoursPNG []byte `json:"colours,omitempty"`
	ImagePNG   []byte `json:"image,omitempty"`
	SmallPNG   []byte `json:"small,omitempty"`
}

// ErrNone says that a file is a picture without a recipe.
var ErrNone = errors.New("this picture carries no recipe: only PNG files saved by this page do, and only as long as no other program has written them anew")

// ErrNotPNG says that a file is something else.
var ErrNotPNG = errors.New("this is no PNG file: a picture saved by this page is one")

// Write makes a PNG file of a picture with its recipe inside.
func Write(picture image.Image, r Recipe) ([]byte, error) {
	text, err := Text(r)
	if err != nil {
		return nil, err
	}
	file, err := encode(picture)
	if err != nil {
		return nil, fmt.Errorf("the picture: %w", err)
	}
	return insert(file, textKind, writeText(keyword, text))
}

// Text is a recipe alone, as JSON.
func Text(r Recipe) ([]byte, error) {
	w := wire{Format: Format, Version: Version, Recipe: r}
	var err error
	if r.Sketch != nil {
		if w.SketchPNG, err = encode(r.Sketch); err != nil {
			return nil, fmt.Errorf("the sketch: %w", err)
		}
	}
	if r.Mask != nil {
		if w.MaskPNG, err = encode(r.Mask); err != nil {
			return nil, fmt.Errorf("the mask: %w", err)
		}
	}
	if r.Colours != nil {
		if w.ColoursPNG, err = encode(r.Colours); err != nil {
			return nil, fmt.Errorf("the colours: %w", err)
		}
	}
	if r.Image != nil {
		if w.ImagePNG, err = encode(r.Image); err != nil {
			return nil, fmt.Errorf("the start picture: %w", err)
		}
	}
	if r.Small != nil {
		if w.SmallPNG, err = encode(r.Small); err != nil {
			return nil, fmt.Errorf("the small picture: %w", err)
		}
	}
	text, err := json.Marshal(w)
	if err != nil {
		return nil, err
	}
	if len(text) > maxText {
		return nil, errLong
	}
	return text, nil
}

// encoder keeps what it works with: making a compressor anew takes longer than what it
// does for a small picture, and the page waits for it.
var encoder = png.Encoder{BufferPool: new(buffers)}

type buffers struct{ pool sync.Pool }

func (b *buffers) Get() *png.EncoderBuffer {
	e, _ := b.pool.Get().(*png.EncoderBuffer)
	return e
}

func (b *buffers) Put(e *png.EncoderBuffer) { b.pool.Put(e) }

func encode(img image.Image) ([]byte, error) {
	var b bytes.Buffer
	err := encoder.Encode(&b, img)
	return b.Bytes(), err
}

// Read takes a PNG file apart. A file that holds no recipe gives ErrNone.
func Read(file []byte) (image.Image, Recipe, error) {
	text, err := find(file)
	if err != nil {
		return nil, Recipe{}, err
	}
	r, err := Parse(text)
	if err != nil {
		return nil, Recipe{}, fmt.Errorf("its recipe cannot be used: %w", err)
	}
	picture, err := engine.DecodePNG(file)
	if err != nil {
		return nil, Recipe{}, fmt.Errorf("its pixels cannot be read: %w", err)
	}
	return picture, r, nil
}

// find returns the recipe's JSON.
func find(file []byte) ([]byte, error) {
	if !bytes.HasPrefix(file, []byte(signature)) {
		return nil, ErrNotPNG
	}
	for rest := file[len(signature):]; ; {
		kind, body, after, err := next(rest)
		switch {
		case err != nil:
			return nil, err
		case kind == "IEND":
			return nil, ErrNone
		case kind == textKind:
			if text, ok, err := readText(body, keyword); ok {
				return text, err
			}
		}
		rest = after
	}
}

// MaxSeed is the largest whole number that a page's field holds exactly.
const MaxSeed = 1 << 53

// maxStart bounds a start picture's side: the page writes it whenever something changes.
const maxStart = 512

// Parse reads and checks a recipe's JSON.
func Parse(text []byte) (Recipe, error) {
	var w wire
	if err := json.Unmarshal(text, &w); err != nil {
		return Recipe{}, err
	}
	if w.Format != Format {
		return Recipe{}, fmt.Errorf("its format is %.40q, want %q", w.Format, Format)
	}
	if w.Version != Version {
		return Recipe{}, fmt.Errorf("it has version %d, and this page reads %d: reload the page to get its newest", w.Version, Version)
	}
	r := w.Recipe
	if w.SketchPNG != nil {
		img, err := engine.DecodePNG(w.SketchPNG)
		if err != nil {
			return Recipe{}, fmt.Errorf("the sketch: %w", err)
		}
		gray, ok := img.(*image.Gray)
		if !ok {
			return Recipe{}, errors.New("the sketch: want a gray PNG")
		}
		r.Sketch = gray
	}
	if w.MaskPNG != nil {
		var err error
		if r.Mask, err = engine.DecodeMask(w.MaskPNG); err != nil {
			return Recipe{}, fmt.Errorf("the mask: %w", err)
		}
	}
	if w.ColoursPNG != nil {
		img, err := engine.DecodePNG(w.ColoursPNG)
		if err != nil {
			return Recipe{}, fmt.Errorf("the colours: %w", err)
		}
		r.Colours = image.NewNRGBA(image.Rect(0, 0, img.Bounds().Dx(), img.Bounds().Dy()))
		draw.Draw(r.Colours, r.Colours.Rect, img, img.Bounds().Min, draw.Src)
	}
	if w.ImagePNG != nil {
		img, err := engine.DecodePNG(w.ImagePNG)
		if err != nil {
			return Recipe{}, fmt.Errorf("the start picture: %w", err)
		}
		if b := img.Bounds(); b.Dx() > maxStart || b.Dy() > maxStart {
			return Recipe{}, fmt.Errorf("the start picture: %dx%d pixels: want at most %d a side", b.Dx(), b.Dy(), maxStart)
		}
		r.Image = RGBA(img)
	}
	if w.SmallPNG != nil {
		img, err := engine.DecodePNG(w.SmallPNG)
		if err != nil {
			return Recipe{}, fmt.Errorf("the small picture: %w", err)
		}
		r.Small = RGBA(img)
	}
	return r, r.check()
}

// RGBA is any picture in the page's own form: on white where it is transparent.
func RGBA(img image.Image) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, img.Bounds().Dx(), img.Bounds().Dy()))
	draw.Draw(out, out.Rect, image.White, image.Point{}, draw.Src)
	draw.Draw(out, out.Rect, img, img.Bounds().Min, draw.Over)
	return out
}

// check refuses numbers that no control can show.
func (r Recipe) check() error {
	if r.Seed > MaxSeed {
		return fmt.Errorf("seed %d: want at most 2^53", r.Seed)
	}
	if s := r.Sampler; s.Steps < 1 || s.Steps > 1000 || s.Corrector < 0 || s.Corrector > 10 || !within(s.Eta, 0, 1) || !within(s.Start, 0, 1) {
		return fmt.Errorf("%d steps, eta %g, %d corrector steps, start at %g: want 1 to 1000, 0 to 1, 0 to 10, 0 to 1", s.Steps, s.Eta, s.Corrector, s.Start)
	}
	if u := r.Upscaled; (u != nil) != (r.Small != nil) {
		return errors.New("it was upscaled, and either how or the small picture is missing")
	} else if u != nil && (u.Seed > MaxSeed || u.Steps < 1 || u.Steps > 1000) {
		return fmt.Errorf("upscaled with seed %d in %d steps: want at most 2^53 and 1 to 1000", u.Seed, u.Steps)
	}
	if !within(r.Not.Weight, 0, 100) {
		return fmt.Errorf("weight %g against the sentence %.40q: want 0 to 100", r.Not.Weight, r.Not.Text)
	}
	for _, a := range r.Verdict.Accord {
		if !within(a.Cosine, -1, 1) || a.Steps < 1 {
			return fmt.Errorf("accord of %.40q and %.40q: cosine %g over %d steps: want -1 to 1 over at least 1", a.A, a.B, a.Cosine, a.Steps)
		}
	}
	s := r.Verdict.Scores
	if s.Of < 0 || s.Of > 0 && (s.Rank < 1 || s.Rank > s.Of) {
		return fmt.Errorf("scores: rank %d of %d pictures", s.Rank, s.Of)
	}
	for name, one := range s.By {
		if one.Rank < 1 || one.Rank > s.Of {
			return fmt.Errorf("scores: rank %d of %d pictures by %.40q", one.Rank, s.Of, name)
		}
	}
	for name, n := range r.Networks {
		if !within(n.Weight, -100, 100) || !within(n.Start, 0, 1) || !within(n.End, n.Start, 1) {
			return fmt.Errorf("network %.40q: weight %g, window %g to %g: want -100 to 100, and 0 to 1 in order", name, n.Weight, n.Start, n.End)
		}
	}
	return nil
}

func within(v, least, most float64) bool { return v >= least && v <= most && !math.IsNaN(v) }

// MaskFor is the mask in another order of labels, matched by name. Labels that
// are not among names are left free, and listed.
func (r Recipe) MaskFor(names []string) (mask *image.Paletted, missing []string) {
	if r.Mask == nil {
		return nil, nil
	}
	free := uint8(len(names))
	to := map[uint8]uint8{}
	seen := map[uint8]bool{}
	mask = image.NewPaletted(r.Mask.Rect, r.Mask.Palette)
	for i, label := range r.Labels[:min(len(r.Labels), 256)] {
		for k, name := range names {
			if strings.EqualFold(name, label) {
				to[uint8(i)] = uint8(k)
			}
		}
	}
	for i, v := range r.Mask.Pix {
		k, ok := to[v]
		if !ok {
			k = free
			if int(v) < len(r.Labels) && !seen[v] {
				seen[v] = true
				missing = append(missing, r.Labels[v])
			}
		}
		mask.Pix[i] = k
	}
	return mask, missing
}

// Same tells whether two recipes give the same picture, before it is made larger.
func (r Recipe) Same(o Recipe) bool {
	return r.Bundle == o.Bundle && r.Prompt == o.Prompt && r.Not == o.Not && maps.Equal(r.Networks, o.Networks) && r.Seed == o.Seed &&
		r.Sampler == o.Sampler && slices.Equal(r.Labels, o.Labels) && SamePixels(r.Sketch, o.Sketch) && SamePixels(r.Mask, o.Mask) &&
		SamePixels(r.Colours, o.Colours) && SamePixels(r.Image, o.Image)
}

// SamePixels compares two sketches, masks, colours or pictures. nil is like none but nil.
func SamePixels[T *image.Gray | *image.Paletted | *image.NRGBA | *image.RGBA](a, b T) bool {
	if a == nil || b == nil {
		return a == b
	}
	rectA, pixA := pixels(a)
	rectB, pixB := pixels(b)
	return rectA.Size() == rectB.Size() && bytes.Equal(pixA, pixB)
}

func pixels(img any) (image.Rectangle, []byte) {
	switch m := img.(type) {
	case *image.Gray:
		return m.Rect, m.Pix
	case *image.Paletted:
		return m.Rect, m.Pix
	case *image.NRGBA:
		return m.Rect, m.Pix
	case *image.RGBA:
		return m.Rect, m.Pix
	}
	panic("unreachable")
}

// Names lists the networks of some recipes, in order.
func Names(recipes ...Recipe) []string {
	all := map[string]bool{}
	for _, r := range recipes {
		for name := range r.Networks {
			all[name] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}
