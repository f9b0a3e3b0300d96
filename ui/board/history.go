package board

import "image"

// area is a rectangle of a layer's pixels, cut out.
type area struct {
	r   image.Rectangle
	pix []uint8 // of r, row by row
}

// cut copies a rectangle out of a layer.
func cut(l *layer, r image.Rectangle) area {
	a := area{pix: make([]uint8, 0, r.Dx()*r.Dy())}
	a.cut(l, r)
	return a
}

// cut is cut into the memory that a has.
func (a *area) cut(l *layer, r image.Rectangle) {
	a.r, a.pix = r, a.pix[:0]
	for y := r.Min.Y; y < r.Max.Y; y++ {
		a.pix = append(a.pix, l[y*Side+r.Min.X:y*Side+r.Max.X]...)
	}
}

// put writes the area back.
func (a area) put(l *layer) {
	w := a.r.Dx()
	for y := range a.r.Dy() {
		copy(l[(a.r.Min.Y+y)*Side+a.r.Min.X:], a.pix[y*w:(y+1)*w])
	}
}

// difference is the smallest rectangle that holds all pixels in which two
// layers differ.
func difference(a, b *layer) image.Rectangle {
	var r image.Rectangle
	for y := range Side {
		row, other := a[y*Side:(y+1)*Side], b[y*Side:(y+1)*Side]
		x0, x1 := 0, Side
		for x0 < x1 && row[x0] == other[x0] {
			x0++
		}
		for x1 > x0 && row[x1-1] == other[x1-1] {
			x1--
		}
		if x0 < x1 {
			r = r.Union(image.Rect(x0, y, x1, y+1))
		}
	}
	return r
}

// change is what the other state had where two states differ.
type change struct {
	ink, mask area
	dabs      *cells // nil: no difference
}

// changeTo is the change that leads from now to then.
func changeTo(then, now *state) *change {
	c := &change{ink: cut(&then.ink, difference(&then.ink, &now.ink)), mask: cut(&then.mask, difference(&then.mask, &now.mask))}
	if then.dabs != now.dabs {
		dabs := then.dabs
		c.dabs = &dabs
	}
	return c
}

func (c *change) empty() bool { return c.ink.r.Empty() && c.mask.r.Empty() && c.dabs == nil }

// size is about what the change takes in memory.
func (c *change) size() int {
	n := len(c.ink.pix) + len(c.mask.pix) + 256
	if c.dabs != nil {
		n += 4 * len(c.dabs)
	}
	return n
}

// swap makes the change and returns the one that takes it back.
func (c *change) swap(s *state) *change {
	back := &change{ink: cut(&s.ink, c.ink.r), mask: cut(&s.mask, c.mask.r)}
	c.ink.put(&s.ink)
	c.mask.put(&s.mask)
	if c.dabs != nil {
		dabs := s.dabs
		back.dabs, s.dabs = &dabs, *c.dabs
	}
	return back
}

// maxHistory bounds the memory of undo and redo. A stroke takes the rectangle
// around it, a few KiB; the whole board twice is 32 KiB. So this is some ten
// thousand strokes.
const maxHistory = 48 << 20

// history is what undo and redo go through.
type history struct {
	undo, redo []*change
	size       int // of all of them
}

// remember makes a change undoable and forgets what was undone, and the oldest
// changes when there are too many.
func (h *history) remember(back *change) {
	for _, c := range h.redo {
		h.size -= c.size()
	}
	h.redo = nil
	h.undo = append(h.undo, back)
	h.size += back.size()
	n := 0
	for h.size > maxHistory {
		h.size -= h.undo[n].size()
		h.undo[n] = nil // append moves the rest to new memory only sometimes
		n++
	}
	h.undo = h.undo[n:]
}

// travel makes the last change of one list and puts its reverse on the other.
func travel(s *state, from, to *[]*change) bool {
	n := len(*from)
	if n == 0 {
		return false
	}
	// The reverse covers the same rectangles: the size stays.
	*to = append(*to, (*from)[n-1].swap(s))
	(*from)[n-1] = nil
	*from = (*from)[:n-1]
	return true
}
