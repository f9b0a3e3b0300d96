// Package sampler turns a noise schedule and a list of timesteps into the
// coefficients of every step. It never learns how many networks there are:
// all of it is about one eps.
package sampler

import (
	"fmt"
	"math"
)

// Schedule is the forward process q(z_t | x) = N(sqrt(abar_t) x, 1 - abar_t).
type Schedule struct {
	T    int
	Beta []float64 // beta_t, t = 0 .. T-1
	ABar []float64 // prod_{s <= t} (1 - beta_s)
}

// NewSchedule makes a schedule of beta_t evenly spaced from start to end (Ho et al. 2020,
// diffusers' "linear").
func NewSchedule(steps int, start, end float64) (*Schedule, error) {
	if steps < 1 || steps > 1_000_000 {
		return nil, fmt.Errorf("schedule: num_train_timesteps = %d: want 1 to 1000000", steps)
	}
	if !(start > 0 && start <= end && end < 1) {
		return nil, fmt.Errorf("schedule: beta_start = %v, beta_end = %v: want 0 < start <= end < 1", start, end)
	}
	s := &Schedule{T: steps}
	abar := 1.0
	for t := range steps {
		beta := start + (end-start)*float64(t)/float64(max(steps-1, 1))
		abar *= 1 - beta
		s.Beta = append(s.Beta, beta)
		s.ABar = append(s.ABar, abar)
	}
	return s, nil
}

// Spacing chooses which of the T timesteps a shorter run visits. The names are
// those of diffusers' timestep_spacing (Lin et al. 2023, table 2).
type Spacing string

const (
	Trailing Spacing = "trailing" // T-1 included: starts where training ends
	Leading  Spacing = "leading"  // multiples of T/n from 0
	Linspace Spacing = "linspace" // evenly spaced, 0 and T-1 included
)

// Timesteps lists n timesteps in falling order.
func (s *Schedule) Timesteps(n int, spacing Spacing) ([]int, error) {
	if n < 1 || n > s.T {
		return nil, fmt.Errorf("sampler: %d steps: want 1 to %d", n, s.T)
	}
	ts := make([]int, n)
	all, last := float64(s.T), float64(s.T-1)
	for i := range ts {
		switch spacing { // in numpy's order of rounding: 15 * 33.3 lies below 499.5
		case Trailing, "":
			step := (all - all/float64(n)) - all
			ts[i] = int(math.RoundToEven(all+float64(float64(i)*step))) - 1 // converted: rounded before it is added
		case Leading:
			ts[i] = (n - 1 - i) * (s.T / n)
		case Linspace:
			ts[i] = int(math.RoundToEven(float64(n-1-i) * (last / float64(max(n-1, 1)))))
		default:
			return nil, fmt.Errorf("sampler: spacing %q: want trailing, leading or linspace", spacing)
		}
	}
	return ts, nil
}
