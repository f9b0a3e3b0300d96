package sampler

import (
	"fmt"
	"math"
)

// Lift is how much likelier a picture x becomes by a condition c, from what the
// two networks make of it under noise (Kong et al. 2024, "Interpretable
// diffusion via information decomposition", (5); the same differences rank
// pictures in Yu et al. 2025, "CompLift"):
//
//	log p(x | c) - log p(x) = 1/2 int E |eta - eps_0(z, t)|^2 - |eta - eps_c(z, t)|^2 d lambda
//	z = sqrt(abar) x + sqrt(1 - abar) eta,  lambda = log(abar / (1 - abar)), eta ~ N(0, I)
//
// It is in nats, and exact for networks without error. LiftLevels are the
// timesteps of n evenly spaced lambda, those in the middles of n equal parts of
// the schedule's range between least and most, and half the size of a part: with
// d_k the difference at the k-th, the estimate is half sum_k d_k.
func LiftLevels(s *Schedule, n int, least, most float64) (ts []int, half float64, err error) {
	if n < 1 || n > s.T {
		return nil, 0, fmt.Errorf("sampler: %d levels of noise to judge by: want 1 to %d", n, s.T)
	}
	from, to := max(least, s.lambda(s.T-1)), min(most, s.lambda(0))
	if !(from < to) {
		return nil, 0, fmt.Errorf("sampler: the schedule's log signal-to-noise ratio goes from %.2f to %.2f, and levels of noise to judge by lie between %g and %g",
			s.lambda(0), s.lambda(s.T-1), least, most)
	}
	part := (to - from) / float64(n)
	t := 0
	for k := range n {
		want := to - (float64(k)+.5)*part // t rises
		for t+1 < s.T && math.Abs(s.lambda(t+1)-want) <= math.Abs(s.lambda(t)-want) {
			t++
		}
		ts = append(ts, t)
	}
	return ts, part / 2, nil
}

// lambda is the log signal-to-noise ratio.
func (s *Schedule) lambda(t int) float64 {
	return math.Log(s.ABar[t]) - math.Log1p(-s.ABar[t])
}
