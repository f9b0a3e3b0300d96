// Package board is the drawing board: a sketch layer and a mask layer with
// tools, strokes and undo. It knows no window, so it is tested without one.
package board

import (
	"image"
	"image/color"
	"math"

	"golang.org/x/image/draw"
)

// Side is the board's height and width in its own pixels.
const Side = 128

// Unknown marks a pixel of the mask that nobody painted: the networks choose.
const Unknown = 255

// Tool is what a stroke does.
type Tool int

const (
	Pencil Tool = iota // draws lines of the sketch
	Brush              // paints a label into the mask
	Bucket             // pours a label into an area of the mask
	Eraser             // erases from the layer that was last drawn on
)

// Label is a part that can be painted.
type Label struct {
	Name  string
	Color color.NRGBA
}

// state is what undo restores.
type state struct {
	ink  [Side * Side]uint8 // sketch: 0 paper, 255 a line
	mask [Side * Side]uint8 // label or Unknown
}

// maxUndo bounds the memory of undo: 32 KiB a change.
const maxUndo = 256

// visible is the least ink that a person sees: an eraser's soft rim may leave
// less, and that is no sketch.
const visible = 32

// Layer is one of the two drawings that lie on each other.
type Layer int

const (
	SketchLayer Layer = iota
	MaskLayer
)

// Board holds the drawing and the stroke in progress.
type Board struct {
	labels []Label
	state
	undo, redo []*state

	tool  Tool
	size  float64
	label int
	onInk bool // the eraser's layer

	drawing bool
	before  *state
	points  []point // of the stroke, in board pixels
	version int
}

type point struct{ x, y, radius float64 }

// New returns an empty board for the given labels.
func New(labels []Label) *Board {
	b := &Board{labels: labels, size: 2, onInk: true}
	for i := range b.mask {
		b.mask[i] = Unknown
	}
	return b
}

// Labels lists the parts, by index.
func (b *Board) Labels() []Label { return b.labels }

// SetTool chooses what the next stroke does.
func (b *Board) SetTool(t Tool) {
	b.Up()
	b.tool = t
	switch t {
	case Pencil:
		b.onInk = true
	case Brush, Bucket:
		b.onInk = false
	}
}

// Tool is the chosen tool.
func (b *Board) Tool() Tool { return b.tool }

// SetSize sets the diameter of strokes in board pixels, 1 to 64.
func (b *Board) SetSize(px float64) { b.size = math.Max(1, math.Min(64, px)) }

// Size is the diameter of strokes in board pixels.
func (b *Board) Size() float64 { return b.size }

// SetLabel chooses the part that brush and bucket paint.
func (b *Board) SetLabel(i int) { b.label = max(0, min(i, len(b.labels)-1)) }

// Label is the chosen part.
func (b *Board) Label() int { return b.label }

// Version changes whenever the drawing does.
func (b *Board) Version() int { return b.version }

// Down begins a stroke. Coordinates are in board pixels and may lie outside;
// pressure is 0 to 1, with 0.5 for devices that have none.
func (b *Board) Down(x, y, pressure float64) {
	b.Up()
	if !finite(x) || !finite(y) {
		return
	}
	s := b.state
	b.before, b.drawing, b.points = &s, true, nil
	if b.tool == Bucket {
		b.pour(int(math.Floor(x)), int(math.Floor(y)))
		return
	}
	b.Move(x, y, pressure)
}

// Move continues a stroke.
func (b *Board) Move(x, y, pressure float64) {
	if !b.drawing || b.tool == Bucket || !finite(x) || !finite(y) {
		return
	}
	if !finite(pressure) {
		pressure = 0.5
	}
	p := point{x, y, b.size / 2 * (0.5 + math.Max(0, math.Min(1, pressure)))}
	n := len(b.points)
	b.points = append(b.points, p)
	switch {
	case n == 0:
		b.segment(p, p)
	case n == 1:
		b.segment(b.points[0], middle(b.points[0], p))
	default:
		// Quadratic curves between the middles of the points: a polygon of
		// mouse positions becomes a smooth line.
		from, via, to := middle(b.points[n-2], b.points[n-1]), b.points[n-1], middle(b.points[n-1], p)
		last := from
		const pieces = 8
		for i := 1; i <= pieces; i++ {
			t := float64(i) / pieces
			next := blend(blend(from, via, t), blend(via, to, t), t)
			b.segment(last, next)
			last = next
		}
	}
}

// Up ends the stroke and makes it undoable.
func (b *Board) Up() {
	if !b.drawing {
		return
	}
	if n := len(b.points); n > 1 {
		b.segment(middle(b.points[n-2], b.points[n-1]), b.points[n-1])
	}
	b.drawing = false
	if *b.before != b.state {
		b.remember(b.before)
	}
}

// Cancel takes back the stroke in progress.
func (b *Board) Cancel() {
	if b.drawing {
		b.drawing = false
		b.state = *b.before
		b.version++
	}
}

func (b *Board) remember(s *state) {
	b.undo = append(b.undo, s)
	if len(b.undo) > maxUndo {
		b.undo = b.undo[1:]
	}
	b.redo = nil
}

// Undo takes back the last change; false when there is none.
func (b *Board) Undo() bool { return b.travel(&b.undo, &b.redo) }

// Redo repeats what Undo took back; false when there is nothing.
func (b *Board) Redo() bool { return b.travel(&b.redo, &b.undo) }

// CanUndo and CanRedo tell whether there is something to go back or on to.
func (b *Board) CanUndo() bool { return len(b.undo) > 0 }
func (b *Board) CanRedo() bool { return len(b.redo) > 0 }

func (b *Board) travel(from, to *[]*state) bool {
	b.Up()
	n := len(*from)
	if n == 0 {
		return false
	}
	now := b.state
	*to = append(*to, &now)
	b.state = *(*from)[n-1]
	*from = (*from)[:n-1]
	b.version++
	return true
}

// change makes one undoable change of f.
func (b *Board) change(f func()) {
	b.Up()
	before := b.state
	f()
	if before != b.state {
		b.remember(&before)
		b.version++
	}
}

// Clear empties the layers that are named, or both when none is.
func (b *Board) Clear(layers ...Layer) {
	empty := New(nil).state
	b.change(func() {
		if len(layers) == 0 {
			b.state = empty
		}
		for _, l := range layers {
			switch l {
			case SketchLayer:
				b.ink = empty.ink
			case MaskLayer:
				b.mask = empty.mask
			}
		}
	})
}

// Load replaces both layers: a sketch of dark lines on light paper, and a mask
// of label indices, each of any size or nil for an empty layer. It can be
// undone.
func (b *Board) Load(sketch image.Image, mask *image.Paletted) {
	b.change(func() {
		b.state = New(nil).state
		if sketch != nil {
			gray := image.NewGray(image.Rect(0, 0, Side, Side))
			draw.Draw(gray, gray.Rect, image.White, image.Point{}, draw.Src)
			// This kernel grows with the source, so that shrinking averages
			// over an area and thin lines stay.
			draw.BiLinear.Scale(gray, gray.Rect, sketch, sketch.Bounds(), draw.Over, nil)
			for i, v := range gray.Pix {
				b.ink[i] = 255 - v
			}
		}
		if mask != nil {
			r := mask.Bounds()
			for y := range Side {
				for x := range Side {
					v := mask.ColorIndexAt(r.Min.X+x*r.Dx()/Side, r.Min.Y+y*r.Dy()/Side)
					if int(v) >= len(b.labels) {
						v = Unknown
					}
					b.mask[y*Side+x] = v
				}
			}
		}
	})
}

// HasSketch tells whether any line can be seen.
func (b *Board) HasSketch() bool {
	for i := range b.ink {
		if b.ink[i] >= visible {
			return true
		}
	}
	return false
}

// HasMask tells whether any part is painted.
func (b *Board) HasMask() bool {
	for i := range b.mask {
		if b.mask[i] != Unknown {
			return true
		}
	}
	return false
}
