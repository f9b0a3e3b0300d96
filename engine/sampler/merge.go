package sampler

import (
	"fmt"
	"math"
)

// Merge gives the weight of every network in (12), eps_c = eps_0 + sum_i w_i
// (eps_i - eps_0): w_i for the modalities and 1 - sum w_i for the
// unconditional network, which comes first.
func Merge(modalities []float64) []float64 {
	w := []float64{1}
	for _, m := range modalities {
		w[0] -= m
		w = append(w, m)
	}
	sum := 0.0
	for _, v := range w {
		sum += v
	}
	if !(math.Abs(sum-1) < 1e-9) {
		panic(fmt.Sprintf("sampler: the weights %v sum to %v, not to 1", w, sum))
	}
	return w
}
