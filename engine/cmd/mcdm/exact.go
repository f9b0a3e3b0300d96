package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mcdm/mcdm/engine"
	"github.com/mcdm/mcdm/engine/sampler"
	"github.com/mcdm/mcdm/shaders"
)

func exactCommand() *cobra.Command {
	var (
		t       target
		o       sampler.Options
		priors  []string
		obs     []string
		samples int
		seed    uint64
		compare bool
		plot    string
	)
	c := &cobra.Command{
		Use:   "exact --obs VALUE,SD [--obs VALUE,SD ...]",
		Short: "Sample where the right answer is known: Gaussian networks in closed form",
		Long: `Run the sampler where the right answer is known. The picture is one number whose
prior, a Gaussian or several, the unconditional network knows; each modality is
one observation of it with Gaussian noise, and its network knows the prior and
that observation alone. All predict eps in closed form; merge, step and noise
are those of every run. Printed are mean and standard deviation

  exact       of the prior under all observations together, by Bayes' rule
  recursion   of what the sampler ends with, in closed form (one --prior, no
              --metropolis)
  sampled     of the samples it drew, with their standard errors

and the gap: the largest difference between the share of samples below a value
and what it should be. exact and recursion differ because the merged eps is not
the score of the product for t > 0, and because steps are finite. The schedule
is linear, beta from 1e-4 to 0.02, T = 1000.

With --compare nothing is drawn: all samplers are run in closed form, with and
without corrector, at equal numbers of evaluations, and compared by their
distance from the exact distribution.`,
		Example: `  mcdm exact --obs 0.5,0.2 --obs 0.5,0.2 --obs 0.5,0.2 --sampler ddpm --steps 1000 --corrector 1
  mcdm exact --prior -0.5,0.1,2 --prior 0.5,0.2,1 --obs 0.3,0.5 --obs 0.2,0.5 --plot two.svg
  mcdm exact --obs 0.5,0.2 --obs 0.5,0.2 --obs 0.5,0.2 --compare --plot samplers.svg`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			nets, exact, err := mixtures(priors, obs)
			if err != nil {
				return err
			}
			if compare {
				err = useless(cmd, "--compare draws nothing, and runs all samplers for all numbers of steps", "sampler", "steps", "eta", "corrector", "samples", "seed", "device")
			} else {
				err = checkSamplerFlags(cmd, o)
			}
			if err != nil {
				return err
			}
			if samples < 1 || samples > maxSamples {
				return fmt.Errorf("--samples %d: want 1 to %d", samples, maxSamples)
			}
			if err := checkPlot(plot); err != nil {
				return err
			}
			schedule, err := sampler.NewSchedule(1000, 1e-4, .02)
			if err != nil {
				return err
			}
			ones := make([]float64, len(obs))
			for i := range ones {
				ones[i] = 1
			}
			weights := sampler.Merge(ones)
			w := cmd.OutOrStdout()
			if compare {
				if len(priors) > 1 || o.Metropolis {
					return fmt.Errorf("--compare is in closed form, which several --prior and --metropolis have not: leave them out")
				}
				rows, err := compareSamplers(schedule, o, gaussiansOf(nets), weights)
				if err != nil {
					return err
				}
				if err := printRows(w, rows, exact.Moments(0)); err != nil || plot == "" {
					return err
				}
				return plotRows(plot, rows, exact.Moments(0))
			}
			steps, err := o.StepsOf(schedule)
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("seed") {
				seed = rand.Uint64() >> 32
			}
			// Four samples share a pixel, as rows are padded to four channels; but where each is judged on its own.
			each := 4
			if o.Metropolis {
				if each = 1; samples > engine.MaxJudged {
					return fmt.Errorf("--samples %d: with --metropolis at most %d", samples, engine.MaxJudged)
				}
			}
			e := engine.Exact{Weights: weights, Count: (samples + each - 1) / each, Seed: seed}
			for _, g := range nets {
				e.Networks = append(e.Networks, sampler.Copies{Of: g, N: each})
			}
			m, err := t.machine(cmd.Context())
			if err != nil {
				return err
			}
			defer m.Release()
			z, err := e.Run(cmd.Context(), m, schedule, steps, nil)
			if err != nil {
				return err
			}
			z = z[:samples]
			fmt.Fprintf(w, "%-10s %8s %8s\n", "", "mean", "sd")
			right := exact.Moments(0)
			fmt.Fprintf(w, "%-10s %8.4f %8.4f\n", "exact", right.Mean, math.Sqrt(right.Var))
			var closed *sampler.Gaussian
			if len(priors) == 1 && !o.Metropolis {
				g := sampler.Recursion(schedule, steps, gaussiansOf(nets), weights)
				closed = &g
				fmt.Fprintf(w, "%-10s %8.4f %8.4f\n", "recursion", g.Mean, math.Sqrt(g.Var))
			}
			n := float64(samples)
			mean, sd := moments(z)
			fmt.Fprintf(w, "%-10s %8.4f %8.4f  +- %.4f, %.4f\n", "sampled", mean, sd, sd/math.Sqrt(n), sd/math.Sqrt(2*n))
			fmt.Fprintf(w, "%-10s %8.4f           below %.4f by chance alone in 95%% of runs\n", "gap", gap(z, exact), 1.358/math.Sqrt(n))
			fmt.Fprintf(w, "networks %d, evaluations of each %d, samples %d, seed %d\n", len(nets), len(steps), samples, seed)
			if plot != "" {
				return plotDensities(plot, o, nets, exact, closed, z)
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringArrayVar(&priors, "prior", []string{"0,0.5"}, "MEAN,SD of the number, or MEAN,SD,WEIGHT of one of several clusters; repeatable")
	f.StringArrayVar(&obs, "obs", nil, "VALUE,SD: an observation and the standard deviation of its noise; repeatable")
	f.IntVar(&samples, "samples", 20000, "how many to draw")
	f.Uint64Var(&seed, "seed", 0, "of the noise (default: a random one, printed)")
	f.BoolVar(&compare, "compare", false, "compare all samplers in closed form")
	f.StringVar(&plot, "plot", "", "SVG or PNG to draw what is printed into")
	f.StringVar(&t.device, "device", "cpu", deviceHelp)
	samplerFlags(c, &o)
	return c
}

// maxSamples keeps a buffer within what every adapter binds.
const maxSamples = 1_000_000

// mixtures are the networks, the prior and it under each observation alone, and
// what all observations together make of it.
func mixtures(priors, obs []string) (nets []sampler.Mixture, exact sampler.Mixture, err error) {
	sum := 0.0
	for _, s := range priors {
		v, err := numbers("--prior", "MEAN,SD or MEAN,SD,WEIGHT", s)
		if err != nil {
			return nil, nil, err
		}
		weight := 1.0
		if len(v) == 3 {
			weight = v[2]
		}
		sum += weight
		exact = append(exact, sampler.Component{Weight: weight, Independent: sampler.Independent{{Mean: v[0], Var: v[1] * v[1]}}})
	}
	for k := range exact {
		exact[k].Weight /= sum
	}
	prior := exact
	nets = append(nets, prior)
	precision, mean := 0.0, 0.0 // of all observations, which are of the same number
	for _, s := range obs {
		v, err := numbers("--obs", "VALUE,SD", s)
		if err != nil {
			return nil, nil, err
		}
		if len(v) != 2 {
			return nil, nil, fmt.Errorf("--obs %s: want VALUE,SD, two numbers", s)
		}
		nets = append(nets, prior.Given(0, v[0], v[1]))
		precision += 1 / (v[1] * v[1])
		mean += v[0] / (v[1] * v[1])
	}
	if len(obs) > 0 { // at once: after one of them a cluster may be too unlikely to come back by the next
		exact = prior.Given(0, mean/precision, 1/math.Sqrt(precision))
	}
	if len(nets) > shaders.MaxNetworks {
		return nil, nil, fmt.Errorf("%d observations: at most %d can be merged", len(obs), shaders.MaxNetworks-1)
	}
	return nets, exact, nil
}

// gaussiansOf are mixtures of one component.
func gaussiansOf(nets []sampler.Mixture) (out []sampler.Gaussian) {
	for _, m := range nets {
		out = append(out, m[0].Independent[0])
	}
	return out
}

// numbers parses a value, its deviation and perhaps a weight.
func numbers(flag, want, s string) ([]float64, error) {
	var out []float64
	for i, part := range strings.Split(s, ",") {
		v, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
		least := []float64{-100, 1e-3, 1e-3}[min(i, 2)]
		if err != nil || !(v >= least && v <= 100) || i > 2 {
			out = nil
			break
		}
		out = append(out, v)
	}
	if len(out) < 2 {
		return nil, fmt.Errorf("%s %s: want %s, numbers such as 0.5,0.2; SD and WEIGHT at least 0.001, none above 100", flag, s, want)
	}
	return out, nil
}

func moments(z []float32) (mean, sd float64) {
	for _, v := range z {
		mean += float64(v) / float64(len(z))
	}
	for _, v := range z {
		d := float64(v) - mean
		sd += d * d / float64(len(z))
	}
	return mean, math.Sqrt(sd)
}

// gap is the statistic of Kolmogorov and Smirnov.
func gap(z []float32, exact sampler.Mixture) (most float64) {
	v := slices.Sorted(slices.Values(z))
	n := float64(len(v))
	for i, x := range v {
		p := exact.CDF(0, float64(x))
		most = max(most, math.Abs(p-float64(i)/n), math.Abs(p-float64(i+1)/n))
	}
	return most
}
