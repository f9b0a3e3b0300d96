package board

import (
	"image"
	"math"
)

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func middle(a, b point) point { return blend(a, b, .5) }

func blend(a, b point, t float64) point {
	return point{a.x + (b.x-a.x)*t, a.y + (b.y-a.y)*t, a.radius + (b.radius-a.radius)*t}
}

// Down begins a stroke. Coordinates are in board pixels and may lie outside;
// pressure is 0 to 1, with 0.5 for devices that have none.
func (b *Board) Down(x, y, pressure float64) {
	b.endStroke()
	if !finite(x) || !finite(y) {
		return
	}
	b.begin()
	b.drawing = true
	if b.tool == Bucket {
		b.pour(int(math.Floor(x)), int(math.Floor(y)))
		if b.mirror {
			b.pour(Side-1-int(math.Floor(x)), int(math.Floor(y)))
		}
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
		pressure = .5
	}
	// From a third of the size under the lightest touch to 5/3 of it.
	p := point{x, y, b.Size() / 2 * (1 + 4./3*(math.Max(0, math.Min(1, pressure))-.5))}
	b.untail()
	b.points = append(b.points, p)
	n := len(b.points)
	if n == 1 {
		b.segment(p, p)
		return
	}
	last := b.points[n-2]
	if b.on == ColourLayer { // cells are too coarse for a curve
		b.segment(last, p)
		return
	}
	if n == 2 {
		b.segment(last, middle(last, p))
	} else {
		b.curve(middle(b.points[n-3], last), last, middle(last, p))
	}
	// The curve ends half way, since where it turns is not known yet. A straight
	// end reaches the pen until then.
	b.addTail(middle(last, p), p)
}

// curve draws the quadratic curve that leaves from towards via and arrives at to
// from via: between the middles of the points it makes a polygon of mouse
// positions a smooth line.
func (b *Board) curve(from, via, to point) {
	pieces := math.Ceil(math.Hypot(via.x-from.x, via.y-from.y) + math.Hypot(to.x-via.x, to.y-via.y))
	pieces = math.Max(1, math.Min(pieces, 32)) // about a pixel each
	last := from
	for i := 1.; i <= pieces; i++ {
		t := i / pieces
		next := blend(blend(from, via, t), blend(via, to, t), t)
		b.segment(last, next)
		last = next
	}
}

// target is the layer of pixels that the tool draws on.
func (b *Board) target() *layer {
	if b.on == SketchLayer {
		return &b.ink
	}
	return &b.mask
}

// addTail draws a segment that the next untail takes back.
func (b *Board) addTail(p, q point) {
	b.tail[0].cut(b.target(), around(p, q))
	if b.mirror {
		b.tail[1].cut(b.target(), around(opposite(p), opposite(q)))
	}
	b.segment(p, q)
}

func (b *Board) untail() {
	for i := range b.tail { // both were cut before any was drawn over
		b.tail[i].put(b.target())
		b.tail[i].r = image.Rectangle{}
	}
}

// segment draws a thick line with round ends, and its mirror image.
func (b *Board) segment(p, q point) {
	draw := b.line
	if b.on == ColourLayer {
		draw = b.dab
	}
	draw(p, q)
	if b.mirror {
		draw(opposite(p), opposite(q))
	}
	b.version++
}

// opposite is the mirror image.
func opposite(p point) point { return point{Side - p.x, p.y, p.radius} }

// around is the rectangle of pixels that a line may touch.
func around(p, q point) image.Rectangle {
	r := math.Max(p.radius, q.radius) + 1
	return image.Rectangle{
		image.Pt(clamp(math.Min(p.x, q.x)-r), clamp(math.Min(p.y, q.y)-r)),
		image.Pt(clamp(math.Max(p.x, q.x)+r), clamp(math.Max(p.y, q.y)+r)),
	}
}

// line draws by the distance of every pixel's middle to the line. Lines of the
// sketch are smooth at the edge, and what overlaps does not get darker; labels
// have hard edges.
func (b *Board) line(p, q point) {
	r := around(p, q)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			d, radius := distance(p, q, float64(x)+.5, float64(y)+.5)
			if cover := radius + .5 - d; cover > 0 {
				b.touch(y*Side+x, math.Min(cover, 1))
			}
		}
	}
}

// distance is that of a place to the line from p to q, and the line's radius where
// it is nearest.
func distance(p, q point, x, y float64) (d, radius float64) {
	dx, dy, t := q.x-p.x, q.y-p.y, 0.0
	if length := dx*dx + dy*dy; length > 0 {
		t = math.Max(0, math.Min(1, ((x-p.x)*dx+(y-p.y)*dy)/length))
	}
	return math.Hypot(x-p.x-dx*t, y-p.y-dy*t), p.radius + (q.radius-p.radius)*t
}

// clamp keeps a coordinate on the board.
func clamp(v float64) int { return int(math.Max(0, math.Min(Side, math.Ceil(v)))) }

// touch applies the tool to a pixel that the stroke covers by cover, 0 to 1.
func (b *Board) touch(i int, cover float64) {
	v := uint8(cover*255 + .5)
	switch {
	case b.tool == Pencil:
		b.ink[i] = max(b.ink[i], v)
	case b.tool == Eraser && b.on == SketchLayer:
		// Twice as hard as the pencil's edge: no gray rim stays of a line.
		b.ink[i] = min(b.ink[i], 255-uint8(math.Min(2*cover, 1)*255+.5))
	case cover < .5:
	case b.tool == Eraser:
		b.mask[i] = Unknown
	case b.tool == Brush && len(b.labels) > 0:
		b.mask[i] = uint8(b.label)
	}
}

// wall is how much ink stops the bucket.
const wall = 110

// pour fills the area around a pixel, up to the lines of the sketch.
func (b *Board) pour(x, y int) {
	if x < 0 || y < 0 || x >= Side || y >= Side {
		return
	}
	start := y*Side + x
	switch {
	case b.ink[start] >= wall:
		return
	case b.on == ColourLayer:
		b.pourColour(start)
	case len(b.labels) > 0:
		b.pourLabel(start)
	}
	b.version++
}

// pourLabel fills the area around a pixel that has its label, and then the
// lines' own pixels beside it, so that no unpainted rim stays.
func (b *Board) pourLabel(start int) {
	from, to := b.mask[start], uint8(b.label)
	if from == to {
		return
	}
	inside, rim := b.flood(start, func(i int) bool { return b.mask[i] == from })
	for _, list := range [][]int{inside, rim} {
		for _, i := range list {
			b.mask[i] = to
		}
	}
}

// flood finds the pixels around start for which is holds, as far as the lines of
// the sketch, and beside them the lines' own.
func (b *Board) flood(start int, is func(i int) bool) (inside, rim []int) {
	seen := make([]bool, Side*Side)
	seen[start] = true
	inside = []int{start}
	for k := 0; k < len(inside); k++ {
		for _, j := range neighbours(inside[k]) {
			if j < 0 || seen[j] || !is(j) {
				continue
			}
			seen[j] = true
			if b.ink[j] >= wall {
				rim = append(rim, j)
			} else {
				inside = append(inside, j)
			}
		}
	}
	return inside, rim
}

// neighbours are the pixels left, right, above and below; -1 outside.
func neighbours(i int) [4]int {
	out := [4]int{i - 1, i + 1, i - Side, i + Side}
	if i%Side == 0 {
		out[0] = -1
	}
	if i%Side == Side-1 {
		out[1] = -1
	}
	if out[3] >= Side*Side {
		out[3] = -1
	}
	return out
}
