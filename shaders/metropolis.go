package shaders

import (
	"fmt"
	"math"
)

// MetropolisArgs describe the judgement of a Langevin step, before MergeStep.
type MetropolisArgs struct {
	Eps      Tensor // [M*N, H, W, C]: what the networks predict, one after the other; that of rejected samples is replaced
	Z        Tensor // [N, H, W, C]; that of rejected samples is replaced
	Known    Tensor // [2, H, W, C], with Maps [2+M, H, W, C]: as in MergeStep
	Last     Tensor // [2*N, H, W, C], updated: where the samples were last, and the merged output there
	Energy   Tensor // [N, 1, 1, 4], updated: |eps|^2 there, how many steps were judged, how many accepted
	Step     Tensor // StepParamsSize bytes
	Networks int    // M
	Maps     bool
}

type metropolisParams struct{ Networks, HW, Channels, Stride, Size uint32 }

var metropolis = kernel("metropolis", metropolisTwin, "merge", "philox")

// Metropolis is metropolis.wgsl.
func Metropolis(a MetropolisArgs) Dispatch {
	z := a.Z
	mustBe("metropolis", "eps", a.Eps, a.Networks*z.N, z.H, z.W, z.C)
	mustBe("metropolis", "known", a.Known, KnownPlanes(a.Networks, a.Maps), z.H, z.W, z.C)
	mustBe("metropolis", "last", a.Last, 2*z.N, z.H, z.W, z.C)
	mustBe("metropolis", "energy", a.Energy, z.N, 1, 1, 4)
	mustBe("metropolis", "step", a.Step, 1, 1, 1, StepParamsSize/4)
	if a.Networks < 1 || a.Networks > MaxNetworks {
		panic(fmt.Sprintf("shaders: metropolis: %d networks (at most %d)", a.Networks, MaxNetworks))
	}
	return Dispatch{
		Kernel:    metropolis,
		Constants: Constants{"MAPS": flag(a.Maps)},
		Params: encode(metropolisParams{
			uint32(a.Networks), uint32(z.H * z.W), uint32(z.C), uint32(z.Stride()), uint32(z.Size() / 4),
		}),
		Bindings: []View{view(a.Eps), view(z), view(a.Known), view(a.Last), view(a.Energy), view(a.Step)},
		Groups:   [3]uint32{uint32(z.N), 1, 1},
	}
}

func metropolisTwin(k Constants, params []byte, mem [][]byte) {
	p := decode[metropolisParams](params)
	outputs, z, known, last, energy := f32s(mem[0]), f32s(mem[1]), f32s(mem[2]), f32s(mem[3]), f32s(mem[4])
	s := stepParams(mem[5])
	hw, stride, size, networks := int(p.HW), int(p.Stride), int(p.Size), int(p.Networks)
	a, b := float64(s.SqrtAbar), float64(s.SqrtOneMinusAbar)
	for n := range size / (hw * stride) {
		var at, same []int
		for pixel := range hw {
			for c := range int(p.Channels) {
				at, same = append(at, (n*hw+pixel)*stride+c), append(same, pixel*stride+c)
			}
		}
		sum := 0.0
		merged := make([]float64, len(at))
		for i := range at {
			merged[i] = mergeOut(s, networks, size, at[i], same[i], hw*stride, outputs, known, k["MAPS"] != 0)
			here := float64(z[at[i]])
			x := (here - b*(float64(s.EpsOut)*merged[i]+float64(s.EpsZ)*here)) / a
			if clip := float64(s.Clip); clip > 0 {
				x = math.Max(-clip, math.Min(clip, x))
			}
			x += float64(known[hw*stride+same[i]]) * (float64(known[same[i]]) - x)
			eps := (here - a*x) / b
			sum += eps * eps
		}
		e := energy[4*n : 4*n+4]
		rejected := false
		if s.Judge > 0 {
			seed := (uint64(s.SeedLo) | uint64(s.SeedHi)<<32) + uint64(n)
			word := philox([4]uint32{0, 0, s.Index, 1}, [2]uint32{uint32(seed), uint32(seed >> 32)})[0]
			u := (float64(word>>8) + .5) / (1 << 24)
			e[1]++
			if math.Log(u) < float64(s.Judge)/4*(float64(e[0])-sum) {
				e[2]++
			} else {
				rejected = true
			}
		}
		if !rejected {
			e[0] = float32(sum)
		}
		for i := range at {
			if !rejected {
				last[at[i]], last[size+at[i]] = z[at[i]], float32(merged[i])
				continue
			}
			z[at[i]] = last[at[i]]
			for j := range networks {
				outputs[j*size+at[i]] = last[size+at[i]]
			}
		}
	}
}
