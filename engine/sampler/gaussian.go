package sampler

import "math"

// Gaussian is N(Mean, Var), what one coordinate of a picture may be distributed
// as. The eps of a network that learned it perfectly is known in closed form,
// and so is everything that a sampler makes of such networks.
type Gaussian struct{ Mean, Var float64 }

// Given is the posterior after an observation with noise N(0, sd^2).
func (g Gaussian) Given(observed, sd float64) Gaussian {
	k := g.Var / (g.Var + sd*sd)
	return Gaussian{g.Mean + k*(observed-g.Mean), (1 - k) * g.Var}
}

// Eps is the network: eps(z, t) = K z + C, sqrt(1 - abar) times the negative
// score of z = sqrt(abar) x + sqrt(1 - abar) eta.
func (g Gaussian) Eps(abar float64) (k, c float64) {
	s, v := math.Sqrt(1-abar), abar*g.Var+1-abar
	return s / v, -s * math.Sqrt(abar) * g.Mean / v
}

// Product is the exact product prod_j p_j^w_j, the distribution that (12) aims
// at: the precisions add up with the weights of Merge.
func Product(nets []Gaussian, weights []float64) Gaussian {
	precision, mean := 0.0, 0.0
	for j, g := range nets {
		precision += weights[j] / g.Var
		mean += weights[j] * g.Mean / g.Var
	}
	return Gaussian{mean / precision, 1 / precision}
}

// Recursion is the distribution that the steps end with: under networks that
// are linear in z every step is a linear map of (z, x0_prev) plus noise, and
// carries their mean and covariance along in closed form.
func Recursion(s *Schedule, steps []Step, nets []Gaussian, weights []float64) Gaussian {
	z, prev := 0.0, 0.0         // means
	zz, zp, pp := 1.0, 0.0, 0.0 // variance of z, covariance, variance of x0_prev
	for _, p := range steps {
		var k, c float64
		for j, g := range nets {
			kj, cj := g.Eps(s.ABar[p.T])
			k += weights[j] * kj
			c += weights[j] * cj
		}
		// x0 = g z + q, z' = a z + X0Prev x0_prev + b + Noise eta
		g, q := (1-p.SqrtOneMinusABar*k)/p.SqrtABar, -p.SqrtOneMinusABar*c/p.SqrtABar
		a, b := p.X0*g+p.Z+p.Eps*k, p.X0*q+p.Eps*c
		next := a*z + p.X0Prev*prev + b
		nn := a*a*zz + 2*a*p.X0Prev*zp + p.X0Prev*p.X0Prev*pp + p.Noise*p.Noise
		if p.Corrector {
			zp = a*zp + p.X0Prev*pp
		} else {
			zp = g * (a*zz + p.X0Prev*zp)
			prev, pp = g*z+q, g*g*zz
		}
		z, zz = next, nn
	}
	return Gaussian{z, zz}
}
