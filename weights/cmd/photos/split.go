package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/image/draw"
	"golang.org/x/sync/errgroup"

	"github.com/mcdm/mcdm/ui/edges"
)

// side of what is written, in pixels: weights/train halves it.
const side = 128

// validation is how many photos at the end of a split weights/train never trains on.
const validation = 256

// Labels of the parts, by index, as weights/train has them; unknown is none.
const (
	background = iota
	skin
	hair
	brows
	eyes
	nose
	mouth
	glasses
	beard
	earrings
	accessories

	unknown = 255
)

// splits of a data set: for each network one of its own, and held-out ones.
var splits = []string{"none", "sketch", "mask", "text", "colour", "test"}

// photo is one picture and what is known of it.
type photo struct {
	id      int
	person  string
	picture image.Image
	sketch  image.Image // dark lines on white; nil: its contours, as the page finds them
	mask    *image.Gray // labels; of any size
	// captions are sentences about it, of which training draws; the first one validates.
	captions []string
}

// about is what the trainer says of networks that saw these photos.
type about struct {
	Name  string `json:"name"`
	Terms string `json:"terms"`
}

type caption struct {
	Caption string `json:"caption"`
}

// record is a line of captions.jsonl.
type record struct {
	Seed int `json:"seed"`
	caption
	More []caption `json:"more,omitempty"`

	person string
}

// writer writes photos to the splits of their persons, several at once.
type writer struct {
	out  string // the folder that finish gives its name
	work *errgroup.Group
	ctx  context.Context // done when work has failed

	mu      sync.Mutex
	records map[string][]record // by split
}

func newWriter(ctx context.Context, out string) (*writer, error) {
	if _, err := os.Stat(out); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is there already: remove it, or choose another --out", out)
	}
	w := &writer{out: out, records: map[string][]record{}}
	w.work, w.ctx = errgroup.WithContext(ctx)
	w.work.SetLimit(runtime.GOMAXPROCS(0))
	if err := os.RemoveAll(w.temporary()); err != nil { // of a run that was stopped
		return nil, err
	}
	for _, split := range splits {
		for _, kind := range []string{"pictures", "sketches", "masks"} {
			if err := os.MkdirAll(filepath.Join(w.temporary(), split, kind), 0o755); err != nil {
				return nil, err
			}
		}
	}
	return w, nil
}

// temporary is where the splits are until they are whole.
func (w *writer) temporary() string { return filepath.Clean(w.out) + ".part" }

// splitOf gives a person's split: one in twenty is held out.
func splitOf(person string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(person))
	n := int(h.Sum32() % 100)
	if n < 5 {
		return "test"
	}
	return splits[n%(len(splits)-1)]
}

// add writes a photo some time before finish. It tells what has gone wrong so far.
func (w *writer) add(p photo) error {
	w.work.Go(func() error { return w.write(p) })
	return context.Cause(w.ctx)
}

func (w *writer) write(p photo) error {
	split := splitOf(p.person)
	lines := p.sketch
	if lines == nil {
		lines = edges.Find(p.picture).Lines(.5)
	}
	square := image.Rect(0, 0, side, side)
	picture, sketch := image.NewRGBA(square), image.NewGray(square)
	draw.CatmullRom.Scale(picture, square, p.picture, p.picture.Bounds(), draw.Src, nil)
	draw.CatmullRom.Scale(sketch, square, lines, lines.Bounds(), draw.Src, nil)
	mask := image.NewPaletted(square, palette)
	b := p.mask.Rect
	for y := range side {
		for x := range side {
			mask.Pix[y*side+x] = p.mask.GrayAt(b.Min.X+(2*x+1)*b.Dx()/(2*side), b.Min.Y+(2*y+1)*b.Dy()/(2*side)).Y
		}
	}
	for kind, img := range map[string]image.Image{"pictures": picture, "sketches": sketch, "masks": mask} {
		if err := writePNG(filepath.Join(w.temporary(), split, kind, strconv.Itoa(p.id)+".png"), img); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	r := record{Seed: p.id, person: p.person}
	for i, c := range p.captions {
		if i == 0 {
			r.Caption = c
		} else {
			r.More = append(r.More, caption{c})
		}
	}
	w.records[split] = append(w.records[split], r)
	return nil
}

// palette has a gray for every index: the trainer reads indices.
var palette = func() (p color.Palette) {
	for i := range 256 {
		p = append(p, color.Gray{Y: uint8(i)})
	}
	return p
}()

func writePNG(path string, img image.Image) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(png.Encode(f, img), f.Close())
}

// finish writes what is said of the photos, and gives the folder its name.
func (w *writer) finish(a about) error {
	if err := w.work.Wait(); err != nil {
		return err
	}
	what, err := json.MarshalIndent(a, "", " ")
	if err != nil {
		return err
	}
	for _, split := range splits {
		list := w.records[split]
		sortByPerson(list)
		var lines []byte
		for _, r := range list {
			line, err := json.Marshal(r)
			if err != nil {
				return err
			}
			lines = append(append(lines, line...), '\n')
		}
		folder := filepath.Join(w.temporary(), split)
		if err := errors.Join(os.WriteFile(filepath.Join(folder, "captions.jsonl"), lines, 0o644),
			os.WriteFile(filepath.Join(folder, "about.json"), what, 0o644)); err != nil {
			return err
		}
	}
	return os.Rename(w.temporary(), w.out)
}

// sortByPerson puts last as many persons, whole, as validation holds: nobody who
// validates is trained on, too.
func sortByPerson(list []record) {
	photos := map[string]int{}
	for _, r := range list {
		photos[r.person]++
	}
	last, left := map[string]int{}, validation
	for _, person := range slices.Sorted(maps.Keys(photos)) {
		if photos[person] <= left {
			last[person], left = 1, left-photos[person]
		}
	}
	slices.SortFunc(list, func(a, b record) int {
		return cmp.Or(last[a.person]-last[b.person], strings.Compare(a.person, b.person), a.Seed-b.Seed)
	})
}

// abandon removes what was written.
func (w *writer) abandon() {
	_ = w.work.Wait()
	_ = os.RemoveAll(w.temporary())
}
