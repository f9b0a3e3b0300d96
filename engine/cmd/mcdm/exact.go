package main

import (
	"fmt"
	"math"
	"math/rand/v2"
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
		prior   string
		obs     []string
		samples int
		seed    uint64
	)
	c := &cobra.Command{
		Use:   "exact --obs VALUE,SD [--obs VALUE,SD ...]",
		Short: "Sample where the right answer is known: Gaussian networks in closed form",
		Long: `Run the sampler where the right answer is known. The picture is one number with
a Gaussian prior, which the unconditional network knows; each modality is one
observation of it with Gaussian noise, and its network knows the prior and that
observation alone. All predict eps in closed form; merge, step and noise are
those of every run. Printed are mean and standard deviation

  exact       of the prior under all observations together, by Bayes' rule
  recursion   of what the sampler ends with, in closed form
  sampled     of the samples it drew, with their standard errors

exact and recursion differ because the merged eps is not the score of the
product for t > 0, and because steps are finite. The schedule is linear, beta
from 1e-4 to 0.02, T = 1000.`,
		Example: `  mcdm exact --prior 0,0.5 --obs 0.5,0.2 --obs 0.5,0.2 --obs 0.5,0.2 --sampler ddpm --steps 1000 --corrector 1`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			nets, err := gaussians(prior, obs)
			if err != nil {
				return err
			}
			if samples < 1 || samples > maxSamples {
				return fmt.Errorf("--samples %d: want 1 to %d", samples, maxSamples)
			}
			schedule, err := sampler.NewSchedule("linear", 1000, 1e-4, .02)
			if err != nil {
				return err
			}
			steps, err := o.StepsOf(schedule)
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("seed") {
				seed = rand.Uint64() >> 32
			}
			ones := make([]float64, len(obs))
			for i := range ones {
				ones[i] = 1
			}
			// Four samples share a pixel: rows are padded to four channels.
			e := engine.Exact{Weights: sampler.Merge(ones), Count: (samples + 3) / 4, Seed: seed}
			for _, g := range nets {
				e.Networks = append(e.Networks, sampler.Independent{g, g, g, g})
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
			mean, sd := moments(z[:samples])
			exact, closed := sampler.Product(nets, e.Weights), sampler.Recursion(schedule, steps, nets, e.Weights)
			n := float64(samples)
			w := cmd.OutOrStdout()
			fmt.Fprintf(w, "%-10s %8s %8s\n", "", "mean", "sd")
			fmt.Fprintf(w, "%-10s %8.4f %8.4f\n", "exact", exact.Mean, math.Sqrt(exact.Var))
			fmt.Fprintf(w, "%-10s %8.4f %8.4f\n", "recursion", closed.Mean, math.Sqrt(closed.Var))
			fmt.Fprintf(w, "%-10s %8.4f %8.4f  +- %.4f, %.4f\n", "sampled", mean, sd, sd/math.Sqrt(n), sd/math.Sqrt(2*n))
			fmt.Fprintf(w, "networks %d, evaluations of each %d, samples %d, seed %d\n", len(nets), len(steps), samples, seed)
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&prior, "prior", "0,0.5", "MEAN,SD of the number")
	f.StringArrayVar(&obs, "obs", nil, "VALUE,SD: an observation and the standard deviation of its noise; repeatable")
	f.IntVar(&samples, "samples", 20000, "how many to draw")
	f.Uint64Var(&seed, "seed", 0, "of the noise (default: a random one, printed)")
	f.StringVar(&t.device, "device", "cpu", deviceHelp)
	samplerFlags(c, &o)
	return c
}

// maxSamples keeps a buffer within what every adapter binds.
const maxSamples = 1_000_000

// gaussians are the networks: the prior, and it under each observation alone.
func gaussians(prior string, obs []string) ([]sampler.Gaussian, error) {
	mean, sd, err := pair("--prior", "MEAN,SD", prior)
	if err != nil {
		return nil, err
	}
	p := sampler.Gaussian{Mean: mean, Var: sd * sd}
	nets := []sampler.Gaussian{p}
	for _, s := range obs {
		value, sd, err := pair("--obs", "VALUE,SD", s)
		if err != nil {
			return nil, err
		}
		nets = append(nets, p.Given(value, sd))
	}
	if len(nets) > shaders.MaxNetworks {
		return nil, fmt.Errorf("%d observations: at most %d can be merged", len(obs), shaders.MaxNetworks-1)
	}
	return nets, nil
}

func pair(flag, want, s string) (v, sd float64, err error) {
	a, b, ok := strings.Cut(s, ",")
	v, err1 := strconv.ParseFloat(strings.TrimSpace(a), 64)
	sd, err2 := strconv.ParseFloat(strings.TrimSpace(b), 64)
	if !ok || err1 != nil || err2 != nil || math.Abs(v) > 100 || v != v || !(sd > 1e-3 && sd <= 100) {
		return 0, 0, fmt.Errorf("%s %s: want %s, two numbers such as 0.5,0.2; SD above 0.001, both at most 100", flag, s, want)
	}
	return v, sd, nil
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
