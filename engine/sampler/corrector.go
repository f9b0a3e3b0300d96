package sampler

import (
	"errors"
	"fmt"
	"math"
)

// What a corrector's step size is relative to.
const (
	OfNoise = "noise" // 1 - abar, the level's variance of noise
	OfBeta  = "beta"  // 1 - abar / abar', beta of the step to the next level, abar': with T steps beta_t
)

// DefaultCorrectorSize is the step size when Options say nothing.
var DefaultCorrectorSize = map[string]float64{OfNoise: .2, OfBeta: 1}

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
	if o.CorrectorUnit == "" {
		o.CorrectorUnit = OfNoise
	}
	usual, known := DefaultCorrectorSize[o.CorrectorUnit]
	if !known {
		return fmt.Errorf("sampler: the corrector's step size relative to %q: want %s or %s", o.CorrectorUnit, OfNoise, OfBeta)
	}
	if o.CorrectorSize == 0 {
		o.CorrectorSize = usual
	}
	if !(o.CorrectorSize > 0 && o.CorrectorSize <= 1) {
		return fmt.Errorf("sampler: the corrector's step size %v: want above 0 and at most 1", o.CorrectorSize)
	}
	return nil
}

// correctorSize is h / (1 - abar) of the steps at a level.
func (o Options) correctorSize(l levels) float64 {
	if o.CorrectorUnit == OfBeta {
		return o.CorrectorSize * (1 - l.a/l.b) / (1 - l.a)
	}
	return o.CorrectorSize
}
