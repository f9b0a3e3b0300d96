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

// Window is the part of the way from noise to picture on which a modality
// counts: 0 is t = T-1, 1 is t = 0, both ends belong to it. It is a window in t,
// so it means the same for every number of steps.
type Window struct{ Start, End float64 }

// Open tells whether a step at t lies in the window.
func (w Window) Open(s *Schedule, t int) bool {
	way := 1.0
	if s.T > 1 {
		way = float64(s.T-1-t) / float64(s.T-1) // rounded once, as what it is compared with
	}
	return w.Start <= way && way <= w.End
}

// Check refuses what is no part of the way.
func (w Window) Check() error {
	if !(0 <= w.Start && w.Start <= w.End && w.End <= 1) {
		return fmt.Errorf("from %v to %v: want 0 <= start <= end <= 1, 0 being noise and 1 the picture", w.Start, w.End)
	}
	return nil
}
