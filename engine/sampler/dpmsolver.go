package sampler

import "math"

// dpmSolver sets the update of DPM-Solver++(2M) (Lu et al. 2022b, algorithm 2):
// second order in the step h = lambda_b - lambda_a of half the log
// signal-to-noise ratio, from the x0 of this step and of the one before:
//
//	D  = x0 + (x0 - x0_prev) / (2 r),  r = h_before / h
//	z' = sigma_b/sigma_a z + alpha_b (1 - e^-h) D
//
// It is diffusers' DPMSolverMultistepScheduler with solver_order 2, solver_type
// midpoint, lower_order_final and final_sigmas_type zero: the first step has no
// step before it, and the last, with h infinite, goes to x0 itself.
func dpmSolver(p *Step, _ Options, l levels) {
	sigma, h := math.Sqrt((1-l.b)/(1-l.a)), l.h()
	p.Z = sigma
	p.extrapolate(-math.Sqrt(l.b)*math.Expm1(-h), l)
}

// sdeDPMSolver sets the update of SDE-DPM-Solver++(2M) (Lu et al. 2022b,
// appendix E), which solves the reverse SDE in place of the ODE:
//
//	z' = sigma_b/sigma_a e^-h z + alpha_b (1 - e^-2h) D + sigma_b sqrt(1 - e^-2h) eta
func sdeDPMSolver(p *Step, _ Options, l levels) {
	sigma, h := math.Sqrt((1-l.b)/(1-l.a)), l.h()
	p.Z = sigma * math.Exp(-h)
	p.Noise = math.Sqrt((1 - l.b) * -math.Expm1(-2*h))
	p.extrapolate(-math.Sqrt(l.b)*math.Expm1(-2*h), l)
}

// extrapolate adds c D.
func (p *Step) extrapolate(c float64, l levels) {
	p.X0 = c
	if l.before == 0 || l.b == 1 {
		return
	}
	r := levels{a: l.before, b: l.a}.h() / l.h()
	p.X0 += c / (2 * r)
	p.X0Prev = -c / (2 * r)
}

// h is the step in lambda = log(sqrt(abar) / sqrt(1 - abar)).
func (l levels) h() float64 {
	lambda := func(abar float64) float64 { return (math.Log(abar) - math.Log1p(-abar)) / 2 }
	return lambda(l.b) - lambda(l.a)
}
