package shaders

import (
	"fmt"
	"math"
	"math/bits"
)

// GroupNormArgs describe a group norm over the channels of X followed by
// those of Skip.
type GroupNormArgs struct {
	X, Skip     Tensor  // [N, H, W, C1], [N, H, W, C2]; Skip is optional
	Gamma, Beta Tensor  // [networks, 1, 1, C1+C2]
	Nets        []int   // as in Conv2DArgs
	ScaleShift  Tensor  // [N, 1, 1, >= ShiftOffset + 2*(C1+C2)], optional: scales, then shifts
	ShiftOffset int     // channels of ScaleShift before the first, a multiple of 4
	Y           Tensor  // [N, H, W, C1+C2]
	Groups      int     // divides C1+C2
	Eps         float32 // added to the variance
	SiLU        bool
}

// groupNormParams counts strides in vec4s.
type groupNormParams struct {
	HW, C, C1, Stride1, Stride2, StrideSs, OffsetSs, Stride, PerGroup uint32
	Eps                                                               float32
	Samples, Nets                                                     uint32
}

var (
	groupNorm       = kernel("group_norm", groupNormTwin, "group", "group_quads")
	groupNormHeld   = kernel("group_norm_held", groupNormTwin, "group", "group_quads")
	groupNormNarrow = kernel("group_norm_narrow", groupNormTwin, "group")
)

// GroupNorm is group_norm.wgsl or group_norm_held.wgsl, or group_norm_narrow.wgsl where
// groups or X are not multiples of 4 channels wide.
func GroupNorm(a GroupNormArgs) Dispatch {
	y := a.Y
	c := a.X.C + a.Skip.C
	mustBe("group_norm", "x", a.X, y.N, y.H, y.W, a.X.C)
	optional("group_norm", "skip", a.Skip, y.N, y.H, y.W, a.Skip.C)
	mustBe("group_norm", "y", y, y.N, y.H, y.W, c)
	mustBe("group_norm", "gamma", a.Gamma, a.Gamma.N, 1, 1, c)
	mustBe("group_norm", "beta", a.Beta, a.Gamma.N, 1, 1, c)
	samples, nets := stack("group_norm", a.Nets, y)
	optional("group_norm", "scale_shift", a.ScaleShift, y.N, 1, 1, a.ScaleShift.C)
	if a.ScaleShift.Ok() && (a.ShiftOffset%4 != 0 || a.ShiftOffset+2*c > a.ScaleShift.C) {
		panic(fmt.Sprintf("shaders: group_norm: channels from %d of scale_shift %v for y %v", a.ShiftOffset, a.ScaleShift, y))
	}
	if a.Groups < 1 || c%a.Groups != 0 {
		panic(fmt.Sprintf("shaders: group_norm: %d groups of y %v", a.Groups, y))
	}
	per := c / a.Groups
	kernel, items := groupNorm, y.H*y.W*per/4 // of a group
	if per%4 != 0 || a.X.C%4 != 0 {
		kernel, items = groupNormNarrow, y.H*y.W*per
	}
	constants := Constants{"SILU": flag(a.SiLU), "HAS_SKIP": flag(a.Skip.Ok()), "HAS_SCALE_SHIFT": flag(a.ScaleShift.Ok())}
	groups := [3]uint32{uint32(a.Groups), uint32(y.N), 1}
	form := func(kernel *Kernel, c Constants, lanes uint32) Form {
		return Form{Kernel: kernel, Constants: c.with("LANES", lanes), Groups: groups, Software: lanes == 32}
	}
	// Few lanes have little to say to each other, many are soon done.
	var forms []Form
	// lavapipe ends all loops of an invocation after 65,535 turns: three an item, some for the padding.
	if ceil(items, 32) <= 65535/8 {
		forms = append(forms, form(kernel, constants, 32))
	}
	const most = 32 // vec4s in an invocation's registers
	if held := ceil(items, 256); kernel == groupNorm && held <= most {
		held = 1 << bits.Len(uint(held-1)) // few different ones: each is compiled
		forms = append(forms, form(groupNormHeld, constants.with("HELD", uint32(held)), 256))
	} else {
		forms = append(forms, form(kernel, constants, 256))
	}
	d := Dispatch{
		Forms: forms,
		Params: encode(groupNormParams{
			uint32(y.H * y.W), uint32(c), uint32(a.X.C),
			uint32(a.X.Stride() / 4), uint32(a.Skip.Stride() / 4), uint32(a.ScaleShift.Stride() / 4), uint32(a.ShiftOffset / 4), uint32(y.Stride() / 4),
			uint32(per), a.Eps, uint32(samples), nets,
		}),
		Bindings: []View{view(a.X), view(a.Skip), view(a.Gamma), view(a.Beta), view(a.ScaleShift), view(y)},
	}
	return d.In(forms[0])
}

func groupNormTwin(k Constants, params []byte, mem [][]byte) {
	p := decode[groupNormParams](params)
	x, skip, gamma, beta, ss, y := f32s(mem[0]), f32s(mem[1]), f32s(mem[2]), f32s(mem[3]), f32s(mem[4]), f32s(mem[5])
	hw, c, c1, per, stride := int(p.HW), int(p.C), int(p.C1), int(p.PerGroup), 4*int(p.Stride)
	value := func(pixel, c int) float64 { // of x followed by skip
		if c >= c1 {
			return float64(skip[pixel*4*int(p.Stride2)+c-c1])
		}
		return float64(x[pixel*4*int(p.Stride1)+c])
	}
	for n := range len(y) / stride / hw {
		net := stride * network(p.Nets, n/int(p.Samples))
		for i := range hw {
			clear(y[(n*hw+i)*stride:][c:stride])
		}
		for first := 0; first < c; first += per {
			sum := 0.0
			for i := range hw {
				for j := range per {
					sum += value(n*hw+i, first+j)
				}
			}
			mean := sum / float64(hw*per)
			sum = 0
			for i := range hw {
				for j := range per {
					d := value(n*hw+i, first+j) - mean
					sum += d * d
				}
			}
			inv := 1 / math.Sqrt(sum/float64(hw*per)+float64(p.Eps))
			for i := range hw {
				for j := first; j < first+per; j++ {
					v := (value(n*hw+i, j)-mean)*inv*float64(gamma[net+j]) + float64(beta[net+j])
					if k["HAS_SCALE_SHIFT"] != 0 {
						row := 4 * (n*int(p.StrideSs) + int(p.OffsetSs))
						v = v*(1+float64(ss[row+j])) + float64(ss[row+c+j])
					}
					if k["SILU"] != 0 {
						v = silu(v)
					}
					y[(n*hw+i)*stride+j] = float32(v)
				}
			}
		}
	}
}
