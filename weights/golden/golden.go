// Package golden holds what diffusers computes for networks whose weights are
// generated from a seed, bit for bit alike here and in make_golden.py, so that
// only a few outputs need to be stored.
package golden

import (
	"embed"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strings"
)

//go:embed cases/*.json
var files embed.FS

// Case is one network with its inputs and the expected output, in float64
// rounded to float32.
type Case struct {
	Name          string          `json:"name"`
	Config        json.RawMessage `json:"config"` // diffusers' config.json
	Height        int             `json:"height"` // of the grid
	Width         int             `json:"width"`
	Timesteps     []float32       `json:"timesteps"`      // one per sample of the batch
	ContextLength int             `json:"context_length"` // of encoder_hidden_states; 0: none
	Tokens        [][]int32       `json:"tokens"`         // of a text encoder
	Stride        int             `json:"stride"`         // every Stride-th output is kept
	Outlier       float32         `json:"outlier"`        // see Weight
	Eps           string          `json:"eps"`            // base64 of f32
	Hidden        string          `json:"hidden"`
}

// Names lists the cases in alphabetical order.
func Names() []string {
	entries, err := files.ReadDir("cases")
	if err != nil {
		panic(err) // the folder is embedded
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), ".json")
	}
	return names
}

// Load reads a case by name.
func Load(name string) (Case, error) {
	var c Case
	data, err := files.ReadFile("cases/" + name + ".json")
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return c, fmt.Errorf("golden case %s: %w", name, err)
	}
	return c, nil
}

// Want decodes the expected values.
func (c Case) Want() []float32 {
	b, err := base64.StdEncoding.DecodeString(c.Eps + c.Hidden)
	if err != nil {
		panic(fmt.Sprintf("golden case %s: %v", c.Name, err))
	}
	out := make([]float32, len(b)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return out
}

// Compare gives the root mean square of got - want, relative to want's. got
// holds all outputs, channels first.
func (c Case) Compare(got []float32) (float64, error) {
	want := c.Want()
	if n := (len(got) + c.Stride - 1) / c.Stride; n != len(want) {
		return 0, fmt.Errorf("golden case %s: %d outputs give %d values to compare, want %d", c.Name, len(got), n, len(want))
	}
	var diff, size float64
	for i, w := range want {
		d := float64(got[i*c.Stride]) - float64(w)
		diff += d * d
		size += float64(w) * float64(w)
	}
	return math.Sqrt(diff / size), nil
}

// Values are n numbers of [-1, 1) that depend on the name: the top 24 bits of
// splitmix64 from the name's FNV-1a hash.
func Values(name string, n int) []float32 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 0x100000001b3
	}
	out := make([]float32, n)
	for i := range out {
		h += 0x9e3779b97f4a7c15
		z := h
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		z ^= z >> 31
		out[i] = (float32(z>>40) - 1<<23) / (1 << 23)
	}
	return out
}

// Weight is a parameter of the case's network. Where the case has an Outlier, a
// power of two, it multiplies every 16th row of queries and keys from the 6th
// on, so that some heads have very large logits.
func (c Case) Weight(name string, shape []int) []float32 {
	w := Weight(name, shape)
	if c.Outlier == 0 || len(shape) < 2 || !(isQuery(name) || isKey(name)) {
		return w
	}
	row := len(w) / shape[0]
	for o := 5; o < shape[0]; o += 16 {
		for i := range row {
			w[o*row+i] *= c.Outlier
		}
	}
	return w
}

func isQuery(name string) bool {
	return strings.Contains(name, "to_q") || strings.Contains(name, "q_proj")
}

func isKey(name string) bool {
	return strings.Contains(name, "to_k") || strings.Contains(name, "k_proj")
}

// Weight is a parameter of a network without outliers, by its name and shape.
func Weight(name string, shape []int) []float32 {
	n := 1
	for _, d := range shape {
		n *= d
	}
	u := Values(name, n)
	switch {
	case len(shape) > 1:
		gain := 1.0
		if isQuery(name) {
			gain = 2.5
		}
		scale := float32(gain * math.Sqrt(3/float64(n/shape[0])))
		for i := range u {
			u[i] *= scale
		}
	case strings.HasSuffix(name, ".weight"):
		for i := range u {
			u[i] = 1 + .25*u[i]
		}
	default:
		for i := range u {
			u[i] *= .1
		}
	}
	return u
}
