// Command mcdm samples pictures natively, evaluates networks, samples where the
// right answer is known and lists graphics adapters.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/mcdm/mcdm/engine"
	"github.com/mcdm/mcdm/engine/gpu"
	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/engine/sampler"
	"github.com/mcdm/mcdm/weights/bundle"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "mcdm:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "mcdm",
		Short: "Sample pictures from separately trained diffusion networks, merged at every step",
		Long: `Sample pictures from separately trained diffusion networks whose noise
predictions are merged at every step: eps_c = eps_0 + sum w_i (eps_i - eps_0).`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(sampleCommand(), epsCommand(), exactCommand(), devicesCommand())
	return root
}

// target is where a command runs and what it loads.
type target struct{ bundle, device string }

func (t *target) flags(c *cobra.Command) {
	c.Flags().StringVar(&t.bundle, "bundle", "weights/bundles/avatars", "folder of the bundle")
	c.Flags().StringVar(&t.device, "device", "gpu", deviceHelp)
}

const deviceHelp = `"gpu" (the fastest adapter), a part of an adapter's name, or "cpu" (the Go twins: slow, exact)`

// samplerFlags are those that sample and exact share.
func samplerFlags(c *cobra.Command, o *sampler.Options) {
	f := c.Flags()
	f.StringVar(&o.Name, "sampler", "ddim", "one of "+strings.Join(sampler.Names, ", "))
	f.IntVar(&o.Steps, "steps", sampler.DefaultSteps, "levels of noise from pure noise to the picture")
	f.Float64Var(&o.Eta, "eta", 0, "noise of ddim, 0 to 1")
	f.StringVar(&o.Variance, "variance", "posterior", "of ddpm: posterior or beta")
	f.StringVar((*string)(&o.Spacing), "spacing", "trailing", "of the timesteps: trailing, leading or linspace")
	f.IntVar(&o.Corrector, "corrector", 0, "Langevin steps at every level after the first, each one more evaluation of the networks: against the merge's own error")
	f.BoolVar(&o.Metropolis, "metropolis", false, "accept or reject every corrector step: exact whatever its size, but pictures want small ones, such as --corrector-size 0.03")
	f.StringVar(&o.CorrectorUnit, "corrector-unit", sampler.OfNoise, "what their step size is relative to: noise (1 - abar, the level's variance) or beta (of the step to the next level)")
	f.Float64Var(&o.CorrectorSize, "corrector-size", 0, fmt.Sprintf("their step size in that unit, above 0 and at most 1 (default: %g of noise, %g of beta)",
		sampler.DefaultCorrectorSize[sampler.OfNoise], sampler.DefaultCorrectorSize[sampler.OfBeta]))
}

// useless refuses flags that are given and would do nothing.
func useless(c *cobra.Command, why string, flags ...string) error {
	for _, name := range flags {
		if c.Flags().Changed(name) {
			return fmt.Errorf("--%s does nothing here: %s", name, why)
		}
	}
	return nil
}

// checkSamplerFlags refuses those of another sampler, and those of no corrector.
func checkSamplerFlags(c *cobra.Command, o sampler.Options) (err error) {
	// 0 is the engine's word for its own choice.
	if c.Flags().Changed("steps") && o.Steps == 0 {
		return errors.New("--steps 0: want 1 or more")
	}
	if c.Flags().Changed("corrector-size") && o.CorrectorSize == 0 {
		return errors.New("--corrector-size 0: want a number above 0")
	}
	if o.Name != "ddim" {
		err = useless(c, "it is for --sampler ddim", "eta", "clipped-eps")
	}
	if o.Name != "ddpm" && err == nil {
		err = useless(c, "it is for --sampler ddpm", "variance")
	}
	if o.Corrector == 0 && err == nil {
		err = useless(c, "it is for --corrector 1 and more", "corrector-size", "corrector-unit")
	}
	return err
}

// load opens the device and the bundle.
func (t *target) load(ctx context.Context) (*engine.Model, error) {
	b, err := bundle.Open(os.DirFS(t.bundle))
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", t.bundle, err)
	}
	machine, err := t.machine(ctx)
	if err != nil {
		return nil, err
	}
	m, err := engine.Load(ctx, machine, b, nil)
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", t.bundle, err)
	}
	return m, nil
}

func (t *target) machine(ctx context.Context) (record.Machine, error) {
	if t.device == "cpu" {
		return record.CPU(), nil
	}
	o := gpu.Options{}
	if t.device != "gpu" {
		o.Adapter = t.device
	}
	d, err := gpu.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	if d.Info().Software {
		fmt.Fprintf(os.Stderr, "%s is a software adapter: expect seconds a step\n", d.Info().Name)
	}
	return record.GPU(d), nil
}
