// Package board is the drawing board: a sketch, a mask and a colour layer with
// tools, strokes and undo. It knows no window, so it is tested without one.
package board

import (
	"image"
	"image/color"
	"math"

	"golang.org/x/image/draw"

	"github.com/mcdm/mcdm/weights/bundle"
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
	Bucket             // pours a label into an area of the mask, or a colour into cells, whichever was last drawn on
	Eraser             // erases from the layer that was last drawn on
	Dab                // puts the colour on cells of the colour layer
)

// Label is a part that can be painted.
type Label struct {
	Name  string
	Color color.NRGBA
}

// layer holds a value for every pixel, row by row.
type layer [Side * Side]uint8

// state is what undo restores.
type state struct {
	ink  layer // sketch: 0 paper, 255 a line
	mask layer // label or Unknown
	dabs cells // the first grid*grid
}

// cells of the colour layer, row by row; alpha 0: free.
type cells [bundle.MaxGrid * bundle.MaxGrid]color.NRGBA

// MaxSize is the diameter of the largest stroke in board pixels; 1 is the least.
const MaxSize = 48

// visible is the least ink that a person sees: an eraser's soft rim may leave
// less, and that is no sketch.
const visible = 32

// Layer is one of the drawings that lie on each other.
type Layer int

const (
	SketchLayer Layer = iota
	MaskLayer
	ColourLayer
)

// Board holds the drawing and the stroke in progress.
type Board struct {
	labels []Label
	state
	history history

	tool   Tool
	sizes  [Dab + 1]float64 // of each tool, in board pixels
	label  int
	colour color.NRGBA
	grid   int   // cells of a side of the colour layer
	on     Layer // last drawn on: the eraser's and the bucket's
	mirror bool

	before  *state // while a stroke or a trial is going on
	trial   *state // before the trial that the stroke goes on over
	drawing bool   // a stroke, not a trial
	points  []point
	tail    [2]area // what lies under the stroke's provisional end and its mirror image
	version int
}

// point of a stroke, in board pixels.
type point struct{ x, y, radius float64 }

// New returns an empty board for the given labels.
func New(labels []Label) *Board {
	b := &Board{labels: labels, colour: color.NRGBA{A: 255}, sizes: [...]float64{Pencil: 2, Brush: 12, Bucket: 1, Eraser: 10, Dab: 12}}
	for i := range b.mask {
		b.mask[i] = Unknown
	}
	return b
}

// Labels lists the parts, by index.
func (b *Board) Labels() []Label { return b.labels }

// SetTool chooses what the next stroke does.
func (b *Board) SetTool(t Tool) {
	b.endStroke()
	b.tool = t
	switch {
	case t == Pencil:
		b.on = SketchLayer
	case t == Brush, t == Bucket && b.on == SketchLayer:
		b.on = MaskLayer
	case t == Dab && b.grid > 0:
		b.on = ColourLayer
	}
}

// On is the layer that was last drawn on, which eraser and bucket work on.
func (b *Board) On() Layer { return b.on }

// Tool is the chosen tool.
func (b *Board) Tool() Tool { return b.tool }

// SetSize sets the diameter of the tool's strokes in board pixels, 1 to MaxSize.
// Every tool keeps its own.
func (b *Board) SetSize(px float64) {
	if finite(px) {
		b.sizes[b.tool] = math.Max(1, math.Min(MaxSize, px))
	}
}

// Size is the diameter of the tool's strokes in board pixels.
func (b *Board) Size() float64 { return b.sizes[b.tool] }

// Resize makes strokes n steps thicker, or thinner below 0: a pixel each while
// they are thin, then two.
func (b *Board) Resize(n int) {
	for ; n > 0; n-- {
		if b.Size() < 12 {
			b.SetSize(b.Size() + 1)
		} else {
			b.SetSize(b.Size() + 2)
		}
	}
	for ; n < 0; n++ {
		if b.Size() <= 12 {
			b.SetSize(b.Size() - 1)
		} else {
			b.SetSize(b.Size() - 2)
		}
	}
}

// SetMirror makes strokes and pours happen on both sides of the vertical middle
// line.
func (b *Board) SetMirror(on bool) {
	b.endStroke()
	b.mirror = on
}

// Mirror tells whether the mirror is on.
func (b *Board) Mirror() bool { return b.mirror }

// SetLabel chooses the part that brush and bucket paint.
func (b *Board) SetLabel(i int) {
	b.label = max(0, min(i, len(b.labels)-1))
	if b.tool == Bucket {
		b.on = MaskLayer
	}
}

// Label is the chosen part.
func (b *Board) Label() int { return b.label }

// Version changes whenever the drawing does.
func (b *Board) Version() int { return b.version }

// Drawing tells whether a stroke is in progress.
func (b *Board) Drawing() bool { return b.drawing }

// begin opens a change that Up keeps and Cancel takes back.
func (b *Board) begin() {
	s := b.state
	b.trial, b.before = b.before, &s
	b.points, b.tail[0].r, b.tail[1].r = b.points[:0], image.Rectangle{}, image.Rectangle{}
}

// Up ends the stroke, or keeps what was tried, and makes it undoable.
func (b *Board) Up() {
	b.remember(b.trial, b.before)
	b.remember(b.before, &b.state)
	b.before, b.trial, b.drawing = nil, nil, false
}

// remember makes the way from one state to the next undoable, where there is one.
func (b *Board) remember(then, now *state) {
	if then == nil {
		return
	}
	if back := changeTo(then, now); !back.empty() {
		b.history.remember(back)
	}
}

// endStroke ends a stroke, but leaves a trial undecided.
func (b *Board) endStroke() {
	if b.drawing {
		b.Up()
	}
}

// Cancel takes back the stroke in progress, or what was tried. A trial that the
// stroke went over is undecided again.
func (b *Board) Cancel() {
	if b.before == nil {
		return
	}
	b.state = *b.before
	b.before, b.trial, b.drawing = b.trial, nil, false
	b.version++
}

// Forget makes the drawing one that nothing was done to: there is nothing to undo.
func (b *Board) Forget() {
	b.Up()
	b.history = history{}
}

// Undo takes back the last change; false when there is none.
func (b *Board) Undo() bool { return b.travel(&b.history.undo, &b.history.redo) }

// Redo repeats what Undo took back; false when there is nothing.
func (b *Board) Redo() bool { return b.travel(&b.history.redo, &b.history.undo) }

// CanUndo and CanRedo tell whether there is something to go back or on to.
func (b *Board) CanUndo() bool { return len(b.history.undo) > 0 }
func (b *Board) CanRedo() bool { return len(b.history.redo) > 0 }

func (b *Board) travel(from, to *[]*change) bool {
	b.Up()
	if !travel(&b.state, from, to) {
		return false
	}
	b.version++
	return true
}

// change makes one undoable change of f.
func (b *Board) change(f func()) {
	b.Up()
	b.begin()
	f()
	b.version++
	b.Up()
}

// Try shows a sketch of dark lines on light paper in place of the sketch layer,
// as often as one likes: Up keeps the last one as a single change, Cancel takes
// it back, and a stroke that is not cancelled keeps it.
func (b *Board) Try(sketch image.Image) {
	if !b.Trying() {
		b.Up()
		b.begin()
	}
	b.ink = inkOf(sketch)
	b.version++
}

// Trying tells whether a sketch is shown that is neither kept nor taken back.
func (b *Board) Trying() bool { return b.before != nil && !b.drawing }

// Clear empties the layers that are named, or all when none is.
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
			case ColourLayer:
				b.dabs = empty.dabs
			}
		}
	})
}

// Load replaces all layers: a sketch of dark lines on light paper, a mask of
// label indices, and colours, transparent where free, each of any size or nil for
// an empty layer. It can be undone.
func (b *Board) Load(sketch image.Image, mask *image.Paletted, colours image.Image) {
	b.change(func() {
		b.state = New(nil).state
		if colours != nil && b.grid > 0 {
			copy(b.cells(), b.cellsOf(colours))
		}
		if sketch != nil {
			b.ink = inkOf(sketch)
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

// inkOf brings dark lines on light paper to the board's size.
func inkOf(sketch image.Image) (ink layer) {
	gray := image.NewGray(image.Rect(0, 0, Side, Side))
	draw.Draw(gray, gray.Rect, image.White, image.Point{}, draw.Src)
	// This kernel grows with the source, so that shrinking averages over an area
	// and thin lines stay.
	draw.BiLinear.Scale(gray, gray.Rect, sketch, sketch.Bounds(), draw.Over, nil)
	for i, v := range gray.Pix {
		ink[i] = 255 - v
	}
	return ink
}

// HasSketch tells whether any line can be seen.
func (b *Board) HasSketch() bool { return b.ink.seen() }

// HasMask tells whether any part is painted.
func (b *Board) HasMask() bool {
	for i := range b.mask {
		if b.mask[i] != Unknown {
			return true
		}
	}
	return false
}
