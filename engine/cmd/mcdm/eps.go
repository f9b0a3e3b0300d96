package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mcdm/mcdm/engine"
	"github.com/mcdm/mcdm/weights/safetensors"
)

func epsCommand() *cobra.Command {
	var (
		t       target
		in, out string
		weights []string
	)
	c := &cobra.Command{
		Use:   "eps --in X.safetensors --out Y.safetensors",
		Short: "Evaluate every network and their merge on given tensors",
		Long: `Evaluate every network and their merge on given tensors, to compare with other
implementations. X holds, in f32, "sample" [B, C, H, W] on the networks' own
grid, "timestep" [B], and for each network what it is conditioned on:
"cond.NETWORK" [B, Cc, H, W] or "encoder_hidden_states.NETWORK" [B, L, D].
Y gets "eps.NETWORK" for each network and "eps", their merge (12).`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := parseWeights(weights)
			if err != nil {
				return err
			}
			x, err := safetensors.ReadFile(in)
			if err != nil {
				return err
			}
			input, err := epsInput(x)
			if err != nil {
				return fmt.Errorf("%s: %w", in, err)
			}
			input.Weights = w
			if err := checkOut(out); err != nil {
				return err
			}
			m, err := t.load(cmd.Context())
			if err != nil {
				return err
			}
			defer m.Release()
			nets, merged, err := m.Eps(cmd.Context(), input)
			if err != nil {
				return err
			}
			shape := []int{input.Batch, len(merged) / (input.Batch * input.Height * input.Width), input.Height, input.Width}
			y := safetensors.File{"eps": safetensors.F32(merged, shape...)}
			for name, v := range nets {
				y["eps."+name] = safetensors.F32(v, shape...)
			}
			data, err := y.Bytes()
			if err != nil {
				return err
			}
			return writeFile(out, data)
		},
	}
	t.flags(c)
	c.Flags().StringVar(&in, "in", "", "safetensors file to read")
	c.Flags().StringVar(&out, "out", "", "safetensors file to write")
	c.Flags().StringArrayVar(&weights, "weight", nil, "NETWORK=NUMBER (default 1), repeatable")
	c.MarkFlagRequired("in")
	c.MarkFlagRequired("out")
	return c
}

func epsInput(x safetensors.File) (engine.EpsInput, error) {
	in := engine.EpsInput{Cond: map[string][]float32{}, Context: map[string][]float32{}}
	conds := map[string][]int{} // their shapes
	for _, name := range x.Names() {
		v, shape, err := x.Float32(name)
		if err != nil {
			return in, err
		}
		kind, network, named := strings.Cut(name, ".")
		rank := map[string]int{"sample": 4, "timestep": 1, "cond": 4, "encoder_hidden_states": 3}[kind]
		if rank == 0 || named != (kind == "cond" || kind == "encoder_hidden_states") {
			return in, fmt.Errorf("tensor %q is not an input (want sample, timestep, cond.NETWORK or encoder_hidden_states.NETWORK)", name)
		}
		if len(shape) != rank {
			return in, fmt.Errorf("tensor %q has the shape %v: want %d dimensions", name, shape, rank)
		}
		switch kind {
		case "sample":
			in.Sample, in.Batch, in.Height, in.Width = v, shape[0], shape[2], shape[3]
		case "timestep":
			in.Timestep = v
		case "cond":
			in.Cond[network], conds[name] = v, shape
		default:
			in.Context[network] = v
			in.ContextLength = shape[1]
		}
	}
	if in.Sample == nil || in.Timestep == nil {
		return in, fmt.Errorf("tensors \"sample\" and \"timestep\" are needed; there are %v", x.Names())
	}
	for name, shape := range conds {
		if shape[0] != in.Batch || shape[2] != in.Height || shape[3] != in.Width {
			return in, fmt.Errorf("tensor %q has the shape %v: want [%d, channels, %d, %d], as sample has", name, shape, in.Batch, in.Height, in.Width)
		}
	}
	return in, nil
}
