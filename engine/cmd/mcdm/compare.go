package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"

	"github.com/mcdm/mcdm/engine/sampler"
)

// row is one sampler at growing cost.
type row struct {
	name string
	ends []end
}

// end is what a sampler ends with after so many evaluations of every network.
type end struct {
	evaluations int
	sampler.Gaussian
}

// budgets are the numbers of evaluations that a table shows; a plot has more.
var budgets = []int{10, 20, 50, 100, 250, 1000}

// compareSamplers runs every sampler in closed form, alone and with 1 and 3
// corrector steps a level, for up to so many evaluations.
func compareSamplers(s *sampler.Schedule, o sampler.Options, nets []sampler.Gaussian, weights []float64) ([]row, error) {
	costs := slices.Clone(budgets)
	for e := 10.; e < 1000; e *= math.Pow(10, .05) {
		costs = append(costs, int(e))
	}
	slices.Sort(costs)
	var rows []row
	for _, c := range []sampler.Options{
		{Name: "ddim"}, {Name: "ddim", Eta: 1}, {Name: "ddpm"}, {Name: "dpmsolver++"}, {Name: "sde-dpmsolver++"},
	} {
		for _, k := range []int{0, 1, 3} {
			o.Name, o.Eta, o.Corrector = c.Name, c.Eta, k
			r := row{name: o.Name}
			if o.Eta > 0 {
				r.name += fmt.Sprintf(" eta %g", o.Eta)
			}
			if k > 0 {
				r.name += fmt.Sprintf(" + %d", k)
			}
			for _, evaluations := range costs {
				// Steps + k (steps - 1) evaluations. Other spacings leave DPM-Solver++ one step less than T.
				o.Steps = min((evaluations+k)/(k+1), s.T-1)
				list, err := o.StepsOf(s)
				if err != nil {
					return nil, err
				}
				r.ends = append(r.ends, end{len(list), sampler.Recursion(s, list, nets, weights)})
			}
			rows = append(rows, r)
		}
	}
	return rows, nil
}

// off is the distance of two Gaussians as far as it matters here, in units of
// the exact deviation: Wasserstein's, of order 2.
func off(g, exact sampler.Gaussian) float64 {
	return math.Hypot(g.Mean-exact.Mean, math.Sqrt(g.Var)-math.Sqrt(exact.Var)) / math.Sqrt(exact.Var)
}

// at is the end of most evaluations within a budget.
func (r row) at(budget int) (found end) {
	for _, e := range r.ends {
		if e.evaluations <= budget {
			found = e
		}
	}
	return found
}

func printRows(w io.Writer, rows []row, exact sampler.Gaussian) error {
	fmt.Fprintf(w, "exact: mean %.4f, sd %.4f\n", exact.Mean, math.Sqrt(exact.Var))
	fmt.Fprintln(w, "distance of what each sampler ends with from it (Wasserstein 2), in exact standard deviations,")
	fmt.Fprintln(w, "by evaluations of every network; + 1, + 3: Langevin steps at every level")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "\t")
	for _, b := range budgets {
		fmt.Fprintf(t, "%d\t", b)
	}
	fmt.Fprintln(t)
	for _, r := range rows {
		fmt.Fprintf(t, "%s\t", r.name)
		for _, b := range budgets {
			fmt.Fprintf(t, "%.2f\t", off(r.at(b).Gaussian, exact))
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}
