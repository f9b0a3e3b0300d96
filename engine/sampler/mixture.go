package sampler

import "math"

// Known is a network that learned its distribution perfectly: what it says is a
// closed form.
type Known interface {
	Coordinates() int
	// Eps writes eps(z, t) of one sample into out: sqrt(1 - abar) times the
	// negative score of z = sqrt(abar) x + sqrt(1 - abar) eta.
	Eps(out, z []float64, abar float64)
}

// Independent has a Gaussian of its own for every coordinate.
type Independent []Gaussian

func (g Independent) Coordinates() int { return len(g) }

func (g Independent) Eps(out, z []float64, abar float64) {
	for i, v := range z {
		k, c := g[i].Eps(abar)
		out[i] = k*v + c
	}
}

// Copies are N samples side by side that know nothing of each other.
type Copies struct {
	Of Known
	N  int
}

func (c Copies) Coordinates() int { return c.N * c.Of.Coordinates() }

func (c Copies) Eps(out, z []float64, abar float64) {
	d := c.Of.Coordinates()
	for i := 0; i < len(z); i += d {
		c.Of.Eps(out[i:i+d], z[i:i+d], abar)
	}
}

// Mixture is sum_k Weight_k N(Mean_k, Var_k) with the weights summing to 1.
// Coordinates are independent within a component only.
type Mixture []Component

type Component struct {
	Weight float64
	Independent
}

func (m Mixture) Coordinates() int { return m[0].Coordinates() }

// Eps is the mean of the components' eps, each as likely as it is to have made z.
func (m Mixture) Eps(out, z []float64, abar float64) {
	likely, most := make([]float64, len(m)), math.Inf(-1) // in logarithms at first
	for k, c := range m {
		p, vars := 0.0, 1.0
		for i, g := range c.Independent {
			g = g.at(abar)
			p -= (z[i] - g.Mean) * (z[i] - g.Mean) / (2 * g.Var)
			vars *= g.Var
		}
		likely[k] = p + math.Log(c.Weight/math.Sqrt(vars))
		most = max(most, likely[k])
	}
	sum := 0.0
	for k, l := range likely {
		likely[k] = math.Exp(l - most)
		sum += likely[k]
	}
	clear(out)
	for k, c := range m {
		for i, g := range c.Independent {
			a, b := g.Eps(abar)
			out[i] += likely[k] / sum * (a*z[i] + b)
		}
	}
}

// Given is the posterior after one coordinate was observed with noise N(0, sd^2).
func (m Mixture) Given(coordinate int, observed, sd float64) Mixture {
	out, most := make(Mixture, len(m)), math.Inf(-1) // weights in logarithms at first
	for k, c := range m {
		g := append(Independent(nil), c.Independent...)
		seen := Gaussian{g[coordinate].Mean, g[coordinate].Var + sd*sd} // of the observation
		g[coordinate] = g[coordinate].Given(observed, sd)
		out[k] = Component{math.Log(c.Weight) + seen.logDensity(observed), g}
		most = max(most, out[k].Weight)
	}
	sum := 0.0
	for k := range out {
		out[k].Weight = math.Exp(out[k].Weight - most)
		sum += out[k].Weight
	}
	for k := range out {
		out[k].Weight /= sum
	}
	return out
}

// Density, CDF and Moments are those of one coordinate, whatever the others.
func (m Mixture) Density(coordinate int, x float64) (p float64) {
	for _, c := range m {
		p += c.Weight * math.Exp(c.Independent[coordinate].logDensity(x))
	}
	return p
}

func (m Mixture) CDF(coordinate int, x float64) (p float64) {
	for _, c := range m {
		g := c.Independent[coordinate]
		p += c.Weight * math.Erfc((g.Mean-x)/math.Sqrt(2*g.Var)) / 2
	}
	return p
}

func (m Mixture) Moments(coordinate int) Gaussian {
	mean, square := 0.0, 0.0
	for _, c := range m {
		g := c.Independent[coordinate]
		mean += c.Weight * g.Mean
		square += c.Weight * (g.Var + g.Mean*g.Mean)
	}
	return Gaussian{mean, square - mean*mean}
}

// at is the distribution of z.
func (g Gaussian) at(abar float64) Gaussian {
	return Gaussian{math.Sqrt(abar) * g.Mean, abar*g.Var + 1 - abar}
}

func (g Gaussian) logDensity(x float64) float64 {
	return -(x-g.Mean)*(x-g.Mean)/(2*g.Var) - math.Log(2*math.Pi*g.Var)/2
}
