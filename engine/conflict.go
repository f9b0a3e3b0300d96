package engine

import "math"

// Conflict tells how far the conditions agree in one step about one sample. A
// condition pulls the merge by g_i = w_i m_i (eps_i - eps_0), its summand in
// (12) with its weight and map; the angle between two pulls is the same whether
// networks predict eps or v.
type Conflict struct {
	// Names of the conditions that had some weight, as in Request.Weights.
	Names []string
	// Pairs holds the cosines g_i g_j / |g_i| |g_j|: 1 where two conditions want
	// the same, 0 where they speak of different things, -1 where each undoes the
	// other.
	Pairs [][]float64
	// Rest holds the cosine between each pull and the sum of all others; 0 where
	// there are none.
	Rest []float64
}

// conflict compares the pulls of the last step for every sample.
func (x *session) conflict(by [][]float32, weights []float64) []Conflict {
	var which []int
	var c Conflict
	for i, e := range x.terms {
		if i > 0 && by[i] != nil {
			which, c.Names = append(which, i), append(c.Names, e.name)
		}
	}
	each := len(by[0]) / x.z.N
	out := make([]Conflict, x.z.N)
	pulls := make([][]float64, len(which))
	for n := range out {
		for k, i := range which {
			pulls[k] = make([]float64, each)
			for at := range each {
				g := weights[i] * float64(by[i][n*each+at]-by[0][n*each+at])
				if m := x.terms[i].counts; m != nil {
					g *= float64(m[at])
				}
				pulls[k][at] = g
			}
		}
		out[n] = Conflict{Names: c.Names}
		out[n].Pairs, out[n].Rest = cosines(pulls)
	}
	return out
}

// cosines of every pair of vectors, and of each with the sum of the others. A
// vector of zeros stands at right angles to all.
func cosines(v [][]float64) (pairs [][]float64, rest []float64) {
	dots := make([][]float64, len(v)) // v_i v_j
	for i := range v {
		dots[i] = make([]float64, len(v))
		for j := range v {
			for at := range v[i] {
				dots[i][j] += v[i][at] * v[j][at]
			}
		}
	}
	cosine := func(dot, aa, bb float64) float64 {
		if !(aa > 0 && bb > 0) {
			return 0
		}
		return max(-1, min(1, dot/math.Sqrt(aa*bb)))
	}
	for i := range v {
		var row []float64
		with, others := 0.0, 0.0 // v_i (sum of the others), |sum of the others|^2
		for j := range v {
			row = append(row, cosine(dots[i][j], dots[i][i], dots[j][j]))
			if j == i {
				continue
			}
			with += dots[i][j]
			for k := range v {
				if k != i {
					others += dots[j][k]
				}
			}
		}
		pairs, rest = append(pairs, row), append(rest, cosine(with, dots[i][i], others))
	}
	return pairs, rest
}
