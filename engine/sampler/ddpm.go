package sampler

import "math"

// ddpm sets the update of the paper's (13), written as the posterior mean of
// z_{t-1} given x0 (Ho et al. 2020, (6) and (7)) so that x0 can be clipped:
// without clipping it is (z - beta/sqrt(1-abar) eps) / sqrt(1-beta). a and b
// are abar at t and at the next timestep, beta = 1 - a/b.
//
// The paper prints sigma_t^2 eta in (4), (5) and (13); sigma_t^2 is the
// variance of (2), so the noise is scaled by sigma_t, as in Ho et al. 2020,
// algorithm 2.
func ddpm(p *Step, o Options, l levels) {
	a, b := l.a, l.b
	alpha := a / b
	beta := 1 - alpha
	p.X0 = math.Sqrt(b) * beta / (1 - a)
	p.Z = math.Sqrt(alpha) * (1 - b) / (1 - a)
	switch {
	case b == 1: // the last step returns the mean
	case o.Variance == "beta":
		p.Noise = math.Sqrt(beta)
	default:
		p.Noise = math.Sqrt(beta * (1 - b) / (1 - a))
	}
}
