package shaders

import (
	"fmt"
	"math"
)

// GroupNormArgs describe a group norm over the channels of X followed by
// those of Skip.
type GroupNormArgs struct {
	X, Skip     Tensor  // [N, H, W, C1], [N, H, W, C2]; Skip is optional
	Stats       Tensor  // [N, 1, 1, 2*Groups]: mean and inverse deviation of each group
	Gamma, Beta Tensor  // [1, 1, 1, C1+C2]
	ScaleShift  Tensor  // [N, 1, 1, 2*(C1+C2)], optional: scales, then shifts
	Y           Tensor  // [N, H, W, C1+C2]
	Groups      int     // divides C1+C2
	Eps         float32 // added to the variance
	SiLU        bool
}

type groupNormStatsParams struct {
	N, HW, C1, Stride1, Stride2, Groups, PerGroup, StrideStats uint32
	Eps                                                        float32
}

type groupNormApplyParams struct {
	N, HW, C, C1, Stride1, Stride2, PerGroup, StrideStats, StrideSs, C4, Count uint32
}

var (
	groupNormStats = kernel("group_norm_stats", groupNormStatsTwin)
	groupNormApply = kernel("group_norm_apply", groupNormApplyTwin)
)

// GroupNorm is group_norm_stats.wgsl, then group_norm_apply.wgsl.
func GroupNorm(a GroupNormArgs) [2]Dispatch {
	y := a.Y
	c := a.X.C + a.Skip.C
	mustBe("group_norm", "x", a.X, y.N, y.H, y.W, a.X.C)
	optional("group_norm", "skip", a.Skip, y.N, y.H, y.W, a.Skip.C)
	mustBe("group_norm", "y", y, y.N, y.H, y.W, c)
	mustBe("group_norm", "stats", a.Stats, y.N, 1, 1, 2*a.Groups)
	mustBe("group_norm", "gamma", a.Gamma, 1, 1, 1, c)
	mustBe("group_norm", "beta", a.Beta, 1, 1, 1, c)
	optional("group_norm", "scale_shift", a.ScaleShift, y.N, 1, 1, 2*c)
	if a.Groups < 1 || c%a.Groups != 0 || a.Groups > maxGroups || y.N > maxGroups {
		panic(fmt.Sprintf("shaders: group_norm: %d groups of y %v", a.Groups, y))
	}
	hw := y.H * y.W
	count := y.N * hw * y.Stride() / 4
	stats := Dispatch{
		Kernel:    groupNormStats,
		Constants: Constants{"HAS_SKIP": flag(a.Skip.Ok())},
		Params: encode(groupNormStatsParams{
			uint32(y.N), uint32(hw), uint32(a.X.C), uint32(a.X.Stride()), uint32(a.Skip.Stride()),
			uint32(a.Groups), uint32(c / a.Groups), uint32(a.Stats.Stride()), a.Eps,
		}),
		Bindings: []View{view(a.X), view(a.Skip), view(a.Stats)},
		Groups:   [3]uint32{uint32(a.Groups), uint32(y.N), 1},
	}
	apply := Dispatch{
		Kernel: groupNormApply,
		Constants: Constants{
			"HAS_SKIP": flag(a.Skip.Ok()), "HAS_SCALE_SHIFT": flag(a.ScaleShift.Ok()), "SILU": flag(a.SiLU),
		},
		Params: encode(groupNormApplyParams{
			uint32(y.N), uint32(hw), uint32(c), uint32(a.X.C), uint32(a.X.Stride()), uint32(a.Skip.Stride()),
			uint32(c / a.Groups), uint32(a.Stats.Stride()), uint32(a.ScaleShift.Stride()), uint32(y.Stride() / 4), uint32(count),
		}),
		Bindings: []View{view(a.X), view(a.Skip), view(a.Stats), view(a.Gamma), view(a.Beta), view(a.ScaleShift), view(y)},
		Groups:   spread(ceil(count, 64)),
	}
	return [2]Dispatch{stats, apply}
}

// concatenated reads channel c of a pixel of x followed by skip.
func concatenated(x, skip []float32, c1, s1, s2 int) func(pixel, c int) float64 {
	return func(pixel, c int) float64 {
		if c >= c1 {
			return float64(skip[pixel*s2+c-c1])
		}
		return float64(x[pixel*s1+c])
	}
}

func groupNormStatsTwin(_ Constants, params []byte, mem [][]byte) {
	p := decode[groupNormStatsParams](params)
	value := concatenated(f32s(mem[0]), f32s(mem[1]), int(p.C1), int(p.Stride1), int(p.Stride2))
	stats := f32s(mem[2])
	hw, per := int(p.HW), int(p.PerGroup)
	for n := range int(p.N) {
		for g := range int(p.Groups) {
			sum := 0.0
			for i := range hw {
				for c := range per {
					sum += value(n*hw+i, g*per+c)
				}
			}
			mean := sum / float64(hw*per)
			sum = 0
			for i := range hw {
				for c := range per {
					d := value(n*hw+i, g*per+c) - mean
					sum += d * d
				}
			}
			at := n*int(p.StrideStats) + 2*g
			stats[at] = float32(mean)
			stats[at+1] = float32(1 / math.Sqrt(sum/float64(hw*per)+float64(p.Eps)))
		}
	}
}

func groupNormApplyTwin(k Constants, params []byte, mem [][]byte) {
	p := decode[groupNormApplyParams](params)
	value := concatenated(f32s(mem[0]), f32s(mem[1]), int(p.C1), int(p.Stride1), int(p.Stride2))
	stats, gamma, beta, ss, y := f32s(mem[2]), f32s(mem[3]), f32s(mem[4]), f32s(mem[5]), f32s(mem[6])
	hw, c := int(p.HW), int(p.C)
	stride := 4 * int(p.C4)
	for pixel := range int(p.N) * hw {
		n := pixel / hw
		for i := range stride {
			if i >= c {
				y[pixel*stride+i] = 0
				continue
			}
			at := n*int(p.StrideStats) + 2*(i/int(p.PerGroup))
			v := (value(pixel, i)-float64(stats[at]))*float64(stats[at+1])*float64(gamma[i]) + float64(beta[i])
			if k["HAS_SCALE_SHIFT"] != 0 {
				row := n * int(p.StrideSs)
				v = v*(1+float64(ss[row+i])) + float64(ss[row+c+i])
			}
			if k["SILU"] != 0 {
				v = silu(v)
			}
			y[pixel*stride+i] = float32(v)
		}
	}
}
