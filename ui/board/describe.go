package board

import (
	"fmt"
	"math"
	"strings"
)

// Describe says in words what the board shows, for those who cannot see it.
func (b *Board) Describe() string {
	var ink region
	parts := make([]region, len(b.labels))
	for i := range b.ink {
		x, y := i%Side, i/Side
		if b.ink[i] >= visible {
			ink.add(x, y)
		}
		if l := int(b.mask[i]); l < len(parts) {
			parts[l].add(x, y)
		}
	}
	var out []string
	if ink.n > 0 {
		out = append(out, "Lines "+ink.extent()+".")
	}
	for i, p := range parts {
		if p.n > 0 {
			out = append(out, fmt.Sprintf("%s: %s %s.", b.labels[i].Name, percent(p.n), p.place()))
		}
	}
	if n := b.Coloured(); n > 0 {
		var r region
		for i, c := range b.cells() {
			if c.A != 0 {
				r.add((2*(i%b.grid)+1)*Side/(2*b.grid), (2*(i/b.grid)+1)*Side/(2*b.grid))
			}
		}
		out = append(out, fmt.Sprintf("Colours: %d of %d cells, %s.", n, b.grid*b.grid, r.extent()))
	}
	if len(out) == 0 {
		return "Nothing is drawn or painted."
	}
	if rest := Side*Side - painted(parts); 0 < rest && rest < Side*Side {
		out = append(out, "Not painted: "+percent(rest)+".")
	}
	return strings.Join(out, " ")
}

func painted(parts []region) (n int) {
	for _, p := range parts {
		n += p.n
	}
	return n
}

func percent(n int) string {
	p := math.Round(100 * float64(n) / (Side * Side))
	switch {
	case p == 0 && n > 0:
		return "under 1%"
	case p == 100 && n < Side*Side:
		return "almost all"
	}
	return fmt.Sprintf("%.0f%%", p)
}

// region gathers where pixels lie.
type region struct {
	n, sumX, sumY  int
	x0, y0, x1, y1 int
}

func (r *region) add(x, y int) {
	if r.n == 0 {
		r.x0, r.y0, r.x1, r.y1 = x, y, x, y
	}
	r.n++
	r.sumX, r.sumY = r.sumX+x, r.sumY+y
	r.x0, r.y0, r.x1, r.y1 = min(r.x0, x), min(r.y0, y), max(r.x1, x), max(r.y1, y)
}

// place is the ninth of the board where the middle of the pixels lies.
func (r *region) place() string { return ninth(r.sumX/r.n, r.sumY/r.n) }

// extent is from where to where they go.
func (r *region) extent() string {
	if r.x0 < Side/8 && r.y0 < Side/8 && r.x1 >= Side*7/8 && r.y1 >= Side*7/8 {
		return "all over"
	}
	from, to := ninth(r.x0, r.y0), ninth(r.x1, r.y1)
	if from == to {
		return from
	}
	return "from " + from + " to " + to
}

func ninth(x, y int) string {
	row, column := [3]string{"top", "middle", "bottom"}[y*3/Side], [3]string{"left", "centre", "right"}[x*3/Side]
	if row == "middle" && column == "centre" {
		return "in the middle"
	}
	return row + " " + column
}
