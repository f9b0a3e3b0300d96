package board

import "math"

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func middle(a, b point) point { return blend(a, b, .5) }

func blend(a, b point, t float64) point {
	return point{a.x + (b.x-a.x)*t, a.y + (b.y-a.y)*t, a.radius + (b.radius-a.radius)*t}
}

// segment draws a thick line with round ends by the distance of every pixel's
// middle to it. Lines of the sketch are smooth at the edge, and what overlaps
// does not get darker; labels have hard edges.
func (b *Board) segment(p, q point) {
	r := math.Max(p.radius, q.radius) + 1
	x0, x1 := clamp(math.Min(p.x, q.x)-r), clamp(math.Max(p.x, q.x)+r)
	y0, y1 := clamp(math.Min(p.y, q.y)-r), clamp(math.Max(p.y, q.y)+r)
	dx, dy := q.x-p.x, q.y-p.y
	length := dx*dx + dy*dy
	for y := y0; y < y1; y++ {
		for x := x0; x < x1; x++ {
			cx, cy := float64(x)+.5, float64(y)+.5
			t := 0.0
			if length > 0 {
				t = math.Max(0, math.Min(1, ((cx-p.x)*dx+(cy-p.y)*dy)/length))
			}
			radius := p.radius + (q.radius-p.radius)*t
			cover := radius + .5 - math.Hypot(cx-p.x-dx*t, cy-p.y-dy*t)
			if cover > 0 {
				b.touch(y*Side+x, math.Min(cover, 1))
			}
		}
	}
	b.version++
}

// clamp keeps a coordinate on the board.
func clamp(v float64) int { return int(math.Max(0, math.Min(Side, math.Ceil(v)))) }

// touch applies the tool to a pixel that the stroke covers by cover, 0 to 1.
func (b *Board) touch(i int, cover float64) {
	v := uint8(cover*255 + .5)
	switch {
	case b.tool == Pencil:
		b.ink[i] = max(b.ink[i], v)
	case b.tool == Eraser && b.onInk:
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

// pour fills the area around a pixel that has its label, up to the lines of
// the sketch, and then the lines' own pixels beside it, so that no unpainted
// rim stays.
func (b *Board) pour(x, y int) {
	if x < 0 || y < 0 || x >= Side || y >= Side || len(b.labels) == 0 {
		return
	}
	start := y*Side + x
	from, to := b.mask[start], uint8(b.label)
	if from == to || b.ink[start] >= wall {
		return
	}
	seen := make([]bool, Side*Side)
	seen[start] = true
	stack := []int{start}
	var rim []int
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		b.mask[i] = to
		for _, j := range neighbours(i) {
			if j < 0 || seen[j] || b.mask[j] != from {
				continue
			}
			seen[j] = true
			if b.ink[j] >= wall {
				rim = append(rim, j)
			} else {
				stack = append(stack, j)
			}
		}
	}
	for _, i := range rim {
		b.mask[i] = to
	}
	b.version++
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
