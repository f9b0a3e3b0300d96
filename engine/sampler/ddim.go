package sampler

import "math"

// ddim sets the update of Song et al. 2021, equation 12.
func ddim(p *Step, o Options, l levels) {
	a, b := l.a, l.b
	sigma := o.Eta * math.Sqrt((1-b)/(1-a)*(1-a/b))
	p.X0 = math.Sqrt(b)
	p.Eps = math.Sqrt(max(1-b-sigma*sigma, 0))
	p.Noise = sigma
	if o.ClippedEps {
		p.Z = p.Eps / p.SqrtOneMinusABar
		p.X0 -= p.Z * p.SqrtABar
		p.Eps = 0
	}
}
