package sampler

// judge marks the steps before which a corrector step is accepted or rejected:
// those that follow one, and evaluate the networks where it led.
//
// A Langevin step from y to z = y + h s(y) + sqrt(2h) eta is accepted with
// probability alpha (Roberts and Tweedie 1996), for which the two densities must
// be compared. Networks give their slope s alone, but at both ends; by the
// trapezoid rule for its line integral, whose error is of third order in z - y,
// that is of order h^(3/2),
//
//	log p(z) - log p(y) = 1/2 (s(y) + s(z)) (z - y)
//	log alpha = h/4 (|s(y)|^2 - |s(z)|^2) = size/4 (|eps(y)|^2 - |eps(z)|^2)
//
// the rest being cancelled by the densities of going there and back. For a
// Gaussian the rule is exact. In d independent values the deviation of log alpha
// is about size/4 sqrt(8 size d): for the 12,288 of a picture of 64x64 pixels steps of
// size .2 are never accepted, of .05 two thirds.
func judge(steps []Step) {
	for i := 1; i < len(steps); i++ {
		if steps[i-1].Corrector {
			steps[i].Judge = 1 - steps[i-1].Z
		}
	}
}
