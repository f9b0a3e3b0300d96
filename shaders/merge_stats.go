package shaders

import (
	"fmt"
	"math"
	"slices"
)

// MergeStatsArgs describe what is found out about the merge of M networks before
// MergeStep.
type MergeStatsArgs struct {
	Eps      Tensor // [M*N, H, W, C]: what the networks predict, one after the other
	Z        Tensor // [N, H, W, C]
	Known    Tensor // [2, H, W, C], with Maps [2+M, H, W, C]: as in MergeStep
	Stats    Tensor // [N, 1, 1, 4], written: the factor of the merged output, the bound of |x0|
	Step     Tensor // StepParamsSize bytes
	Networks int    // M
	First    int    // of the conditions: 1 after an unconditional network, else 0
	Maps     bool
}

type mergeStatsParams struct{ Networks, First, HW, Channels, Stride, Size uint32 }

var mergeStats = kernel("merge_stats", mergeStatsTwin, "merge")

// MergeStats is merge_stats.wgsl: guidance rescale and dynamic thresholding.
func MergeStats(a MergeStatsArgs) Dispatch {
	z := a.Z
	mustBe("merge_stats", "eps", a.Eps, a.Networks*z.N, z.H, z.W, z.C)
	mustBe("merge_stats", "known", a.Known, KnownPlanes(a.Networks, a.Maps), z.H, z.W, z.C)
	mustBe("merge_stats", "stats", a.Stats, z.N, 1, 1, 4)
	mustBe("merge_stats", "step", a.Step, 1, 1, 1, StepParamsSize/4)
	if a.Networks < 1 || a.Networks > MaxNetworks || a.First < 0 || a.First > 1 {
		panic(fmt.Sprintf("shaders: merge_stats: %d networks (at most %d), conditions from %d", a.Networks, MaxNetworks, a.First))
	}
	return Dispatch{
		Kernel:    mergeStats,
		Constants: Constants{"MAPS": flag(a.Maps)},
		Params: encode(mergeStatsParams{
			uint32(a.Networks), uint32(a.First), uint32(z.H * z.W), uint32(z.C), uint32(z.Stride()), uint32(z.Size() / 4),
		}),
		Bindings: []View{view(a.Eps), view(z), view(a.Known), view(a.Stats), view(a.Step)},
		Groups:   [3]uint32{uint32(z.N), 1, 1},
	}
}

func mergeStatsTwin(k Constants, params []byte, mem [][]byte) {
	p := decode[mergeStatsParams](params)
	outputs, z, known, stats := f32s(mem[0]), f32s(mem[1]), f32s(mem[2]), f32s(mem[3])
	s := stepParams(mem[4])
	hw, stride, size := int(p.HW), int(p.Stride), int(p.Size)
	for n := range size / (hw * stride) {
		each := func(of func(at, same int)) {
			for pixel := range hw {
				for c := range int(p.Channels) {
					of((n*hw+pixel)*stride+c, pixel*stride+c)
				}
			}
		}
		weight, std := 0.0, 0.0
		for j := int(p.First); j < int(p.Networks); j++ {
			if w := float64(s.Weights[j]); w > 0 {
				var v []float64
				each(func(at, _ int) { v = append(v, float64(outputs[j*size+at])) })
				weight, std = weight+w, std+w*deviation(v)
			}
		}
		var merged []float64
		each(func(at, same int) {
			merged = append(merged, mergeOut(s, int(p.Networks), size, at, same, hw*stride, outputs, known, k["MAPS"] != 0))
		})
		f := 1.0
		if all := deviation(merged); weight > 0 && all > 0 {
			f += float64(s.Rescale) * (std/(weight*all) - 1)
		}
		bound := float64(s.Clip)
		if s.Rank > 0 {
			var x0 []float64
			each(func(at, _ int) {
				old := float64(z[at])
				e := float64(s.EpsOut)*f*merged[len(x0)] + float64(s.EpsZ)*old
				x0 = append(x0, math.Abs((old-float64(s.SqrtOneMinusAbar)*e)/float64(s.SqrtAbar)))
			})
			slices.Sort(x0)
			bound = math.Max(bound, x0[s.Rank-1])
		}
		stats[4*n], stats[4*n+1], stats[4*n+2], stats[4*n+3] = float32(f), float32(bound), 0, 0
	}
}

func deviation(v []float64) float64 {
	mean, square := 0.0, 0.0
	for _, x := range v {
		mean += x / float64(len(v))
	}
	for _, x := range v {
		square += (x - mean) * (x - mean) / float64(len(v))
	}
	return math.Sqrt(square)
}
