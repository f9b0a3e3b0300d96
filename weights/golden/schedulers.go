package golden

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
)

//go:embed schedulers.json
var schedulersJSON []byte

// Schedulers holds what the DDPM, DDIM and DPM-Solver++ schedulers of diffusers
// do in float64 under linear betas 1e-4 to 0.02, T = 1000. There is no network: eps is Eps.
type Schedulers struct {
	Timesteps []Timesteps  `json:"timesteps"`
	Runs      []Trajectory `json:"runs"`
}

// Timesteps are those that a run of so many steps visits, in falling order.
type Timesteps struct {
	Sampler   string `json:"sampler"` // "" for ddpm and ddim, else dpmsolver++
	Spacing   string `json:"spacing"` // trailing, leading or linspace
	Steps     int    `json:"steps"`
	Timesteps []int  `json:"timesteps"`
}

// Trajectory is a sampling run from XT. Samplers: "ddim" with Eta, "ddpm" with
// Variance "fixed_small" (the posterior's) or "fixed_large" (beta_t),
// "dpmsolver++" and "sde-dpmsolver++".
type Trajectory struct {
	Sampler  string  `json:"sampler"`
	Steps    int     `json:"steps"`
	Spacing  string  `json:"spacing"`
	Clip     bool    `json:"clip"` // the estimate of x0 is clamped to [-1, 1]
	Eta      float64 `json:"eta"`
	Variance string  `json:"variance"`
	// F32Error is the distance of diffusers' own float32 run.
	F32Error float64 `json:"f32_error"`

	At []int       `json:"at"` // steps, from 0: the first three, one in the middle, the last three
	X  [][]float64 `json:"x"`  // x after each of them, 10 digits [len(At)][Width]
}

// Width is the number of values in x.
const Width = 8

// LoadSchedulers reads the embedded file.
func LoadSchedulers() (Schedulers, error) {
	var s Schedulers
	if err := json.Unmarshal(schedulersJSON, &s); err != nil {
		return s, fmt.Errorf("golden schedulers.json: %w", err)
	}
	return s, nil
}

// XT is where every run starts.
func XT() []float64 { return twice("x_T", Width) }

// Noise is eta of a run's steps, from 0, [steps][Width].
func Noise(steps int) [][]float64 {
	v := twice("noise", steps*Width)
	n := make([][]float64, steps)
	for i := range n {
		n[i] = v[i*Width : (i+1)*Width]
	}
	return n
}

// Eps stands for a network: 0.9 tanh(x_k) + 0.05 k.
func Eps(x []float64) []float64 {
	e := make([]float64, len(x))
	for k, v := range x {
		e[k] = .9*math.Tanh(v) + .05*float64(k)
	}
	return e
}

func twice(name string, n int) []float64 {
	out := make([]float64, n)
	for i, v := range Values(name, n) {
		out[i] = 2 * float64(v)
	}
	return out
}
