package sampler

import (
	"errors"
	"fmt"
	"math"
)

// DefaultCorrectorSize is h / (1 - abar) of the corrector when Options say
// nothing.
const DefaultCorrectorSize = 0.2

// maxCorrector bounds the corrector steps of a level.
const maxCorrector = 100

// corrector is one unadjusted Langevin step that stays at its level (Song et
// al. 2021b, algorithm 5; Du et al. 2023 for products):
//
//	z' = z + h score + sqrt(2 h) eta,  score = -eps / sqrt(1 - abar),  h = size (1 - abar)
//
// written with the x0 that eps stands for, so that x0 can be clipped:
// sqrt(1 - abar) eps = z - sqrt(abar) x0.
//
// For t > 0 the merged eps is not the score of the product, noised; what it
// makes stationary is the product of the noised distributions, and at t = 0 the
// two are one. A predictor alone lags behind it and ends too narrow.
func corrector(t int, abar, size float64) Step {
	return Step{
		T: t, SqrtABar: math.Sqrt(abar), SqrtOneMinusABar: math.Sqrt(1 - abar), Corrector: true,
		X0: size * math.Sqrt(abar), Z: 1 - size, Noise: math.Sqrt(2 * size * (1 - abar)),
	}
}

// checkCorrector refuses what is no corrector and fills in the default size.
func (o *Options) checkCorrector() error {
	if o.Corrector < 0 || o.Corrector > maxCorrector {
		return fmt.Errorf("sampler: %d corrector steps at every level: want 0 to %d", o.Corrector, maxCorrector)
	}
	if o.Metropolis && o.Corrector == 0 {
		return errors.New("sampler: metropolis accepts or rejects corrector steps, and there are none: want at least 1 at every level")
	}
	if o.CorrectorSize == 0 {
		o.CorrectorSize = DefaultCorrectorSize
	}
	if !(o.CorrectorSize > 0 && o.CorrectorSize <= 1) {
		return fmt.Errorf("sampler: the corrector's step size %v: want above 0 and at most 1 (times 1 - abar)", o.CorrectorSize)
	}
	return nil
}
