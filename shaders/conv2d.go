package shaders

import (
	"fmt"
	"math"
	"math/bits"
	"runtime"
	"sync"
)

// Activation is applied to a layer's output.
type Activation uint32

const (
	NoActivation Activation = iota
	SiLU                    // x / (1 + exp(-x))
	GELU                    // x (1 + erf(x / sqrt 2)) / 2
)

// Conv2DArgs describe a convolution, or with KH = KW = 1 a linear layer.
type Conv2DArgs struct {
	X        Tensor // [N, H, W, C1]
	Skip     Tensor // [N, H, W, C2], optional: concatenated after X
	W        Weights
	Bias     Tensor // [networks, 1, 1, O], optional
	TimeBias Tensor // [N, 1, 1, >= TimeOffset + O], optional
	Residual Tensor // like Y, optional
	Y        Tensor // [N, OH, OW, O]

	Nets            []int // the networks whose samples follow each other in X, among those of W; nil: the first
	TimeOffset      int   // channels of TimeBias before the first, a multiple of 4
	Stride          int   // 0 means 1
	PadTop, PadLeft int   // zeros; at the bottom and right as many as Y needs
	Upsample        int   // 2: nearest neighbour to Y's size first; 0 means 1
	Activation      Activation
	OutScale        float32 // multiplies the sum before the activation; 0 means 1
}

type conv2dParams struct {
	N, H, W, OH, OW, C1, C2, O4    uint32
	PadTop, PadLeft                int32
	OutScale                       float32
	Strips, TimeStride, TimeOffset uint32
	Samples, Nets                  uint32
	Zoom, Gh, Gw, Adds             uint32
}

// What is added to the sum, in conv2dParams.Adds.
const (
	addBias uint32 = 1 << iota
	addTimeBias
	addResidual
)

var (
	conv2dAhead    = kernel("conv2d_ahead", conv2dTwin, "conv2d", "erf", "conv2d_strips")
	conv2dDirect   = kernel("conv2d_direct", conv2dTwin, "conv2d", "erf", "conv2d_strips")
	conv2dUniform  = kernel("conv2d_uniform", conv2dTwin, "conv2d", "erf")
	conv2dWinograd = kernel("conv2d_winograd", conv2dTwin, "conv2d", "erf")
)

// Conv2D is conv2d.wgsl: y = act((x * w + bias + timebias + residual) OutScale).
func Conv2D(a Conv2DArgs) Dispatch {
	a.Stride, a.Upsample = max(a.Stride, 1), max(a.Upsample, 1)
	if a.OutScale == 0 {
		a.OutScale = 1
	}
	y := a.Y
	mustBe("conv2d", "x", a.X, y.N, a.X.H, a.X.W, a.W.Cin[0])
	if a.Skip.Ok() || a.W.Cin[1] != 0 {
		mustBe("conv2d", "skip", a.Skip, y.N, a.X.H, a.X.W, a.W.Cin[1])
	}
	mustBe("conv2d", "y", y, y.N, y.H, y.W, a.W.Cout)
	if a.W.KH == 1 && a.W.KW == 1 && a.Stride == 1 && a.Upsample == 1 && (a.X.H != y.H || a.X.W != y.W) {
		panic(fmt.Sprintf("shaders: conv2d: x %v for y %v: a 1x1 convolution keeps the size", a.X, y))
	}
	samples, nets := stack("conv2d", a.Nets, y)
	optional("conv2d", "bias", a.Bias, a.Bias.N, 1, 1, y.C)
	optional("conv2d", "timebias", a.TimeBias, y.N, 1, 1, a.TimeBias.C)
	if a.TimeBias.Ok() && (a.TimeOffset%4 != 0 || a.TimeOffset+y.C > a.TimeBias.C) {
		panic(fmt.Sprintf("shaders: conv2d: channels from %d of timebias %v for y %v", a.TimeOffset, a.TimeBias, y))
	}
	optional("conv2d", "residual", a.Residual, y.N, y.H, y.W, y.C)
	if a.Upsample > 2 || (a.Upsample == 2 && (a.Stride != 1 || ceil(y.H, 2) != a.X.H || ceil(y.W, 2) != a.X.W)) {
		panic(fmt.Sprintf("shaders: conv2d: x %v cannot be enlarged %d times to y %v", a.X, a.Upsample, y))
	}
	weights := map[DType]uint32{F32: 0, F16: 1, I8: 2}[a.W.DType]
	c := Constants{
		"KH": uint32(a.W.KH), "KW": uint32(a.W.KW), "STRIDE": uint32(a.Stride),
		"WEIGHTS": weights, "ACTIVATION": uint32(a.Activation), "HAS_SKIP": flag(a.Skip.Ok()),
	}
	gh, gw := a.X.H, a.X.W
	if a.Upsample == 2 {
		gh, gw = y.H, y.W
	}
	o4 := y.Stride() / 4
	strips := samples * y.H * ceil(y.W, 4)
	forms := conv2dForms(c, y, samples, strips)
	d := Dispatch{
		Forms: forms,
		Params: encode(conv2dParams{
			uint32(y.N), uint32(a.X.H), uint32(a.X.W), uint32(y.H), uint32(y.W),
			uint32(a.X.Stride() / 4), uint32(a.Skip.Stride() / 4), uint32(o4),
			int32(a.PadTop), int32(a.PadLeft), a.OutScale, uint32(strips), uint32(a.TimeBias.Stride() / 4), uint32(a.TimeOffset / 4),
			uint32(samples), nets,
			uint32(a.Upsample - 1), uint32(gh), uint32(gw),
			flag(a.Bias.Ok())*addBias | flag(a.TimeBias.Ok())*addTimeBias | flag(a.Residual.Ok())*addResidual,
		}),
		Bindings: []View{
			view(a.X), view(a.Skip), {Buffer: a.W.Data}, {Buffer: a.W.Scale},
			view(a.Bias), view(a.TimeBias), view(a.Residual), view(y),
		},
	}
	return d.In(forms[0])
}

// conv2dForms are of a launch whose networks have so many of y's samples each.
func conv2dForms(c Constants, y Tensor, samples, strips int) []Form {
	networks, o4 := y.N/samples, y.Stride()/4
	groups := func(x, y int) [3]uint32 { return [3]uint32{uint32(x), uint32(y), uint32(networks)} }
	// On software adapters an invocation makes so many channels / 4 of 8 pixels of each of so many rows.
	software, channels, rows := conv2dUniform, 4, 1
	if c["KH"] == 3 && c["KW"] == 3 && c["STRIDE"] == 1 {
		software, channels, rows = conv2dWinograd, 2, 4
	}
	const lanes = 8
	tiles := samples * ceil(y.H, rows) * ceil(y.W, 8)
	outs := outsOfGroup(tiles, lanes)
	forms := []Form{
		{Kernel: software, Constants: c, Groups: groups(ceil(o4, channels*outs), ceil(tiles*outs, lanes)), Software: true},
		{Kernel: conv2dDirect, Constants: c, Groups: groups(ceil(o4, 2), ceil(strips, 16))},
	}
	if ceil(strips, 4) <= MaxGroups {
		forms = append(forms, Form{Kernel: conv2dAhead, Constants: c, Groups: groups(ceil(o4, 2), ceil(strips, 4))})
	}
	return forms
}

// outsOfGroup is outs_of_group in conv2d.wgsl.
func outsOfGroup(tiles, lanes int) int { return 1 << (bits.Len(uint(lanes/min(tiles, lanes))) - 1) }

func conv2dTwin(c Constants, params []byte, mem [][]byte) {
	p := decode[conv2dParams](params)
	x, skip, scale, bias, timebias, residual, y := f32s(mem[0]), f32s(mem[1]), f32s(mem[3]), f32s(mem[4]), f32s(mem[5]), f32s(mem[6]), f32s(mem[7])
	kh, kw, stride, up := int(c["KH"]), int(c["KW"]), int(c["STRIDE"]), int(p.Zoom)+1
	s1, s2, so := 4*int(p.C1), 4*int(p.C2), 4*int(p.O4)
	h, w, oh, ow, gh, gw := int(p.H), int(p.W), int(p.OH), int(p.OW), int(p.Gh), int(p.Gw)
	// The packed blocks as one row of inputs per output and tap.
	at := unpack([]DType{F32, F16, I8}[c["WEIGHTS"]], mem[2], int(p.C1+p.C2), kh, kw)
	taps := kh * kw
	outputs := so * networksOf(p.Nets, int(p.N/p.Samples))
	dense := make([]float64, outputs*taps*(s1+s2))
	for o := range outputs {
		for k := range taps {
			for i := range s1 + s2 {
				dense[(o*taps+k)*(s1+s2)+i] = at(o, i, k/kw, k%kw)
			}
		}
	}
	parallel(int(p.N)*oh, func(row int) {
		n, oy := row/oh, row%oh
		first := so * network(p.Nets, n/int(p.Samples))
		for ox := range ow {
			for o := range so {
				sum := 0.0
				for ky := range kh {
					for kx := range kw {
						iy, ix := oy*stride+ky-int(p.PadTop), ox*stride+kx-int(p.PadLeft)
						if iy < 0 || iy >= gh || ix < 0 || ix >= gw {
							continue
						}
						pixel := (n*h+iy/up)*w + ix/up
						weights := dense[((first+o)*taps+ky*kw+kx)*(s1+s2):]
						for i, v := range x[pixel*s1 : pixel*s1+s1] {
							sum += weights[i] * float64(v)
						}
						if c["HAS_SKIP"] != 0 {
							for i, v := range skip[pixel*s2 : pixel*s2+s2] {
								sum += weights[s1+i] * float64(v)
							}
						}
					}
				}
				if c["WEIGHTS"] == 2 {
					sum *= float64(scale[first+o])
				}
				if p.Adds&addBias != 0 {
					sum += float64(bias[first+o])
				}
				if p.Adds&addTimeBias != 0 {
					sum += float64(timebias[4*(n*int(p.TimeStride)+int(p.TimeOffset))+o])
				}
				to := (row*ow+ox)*so + o
				if p.Adds&addResidual != 0 {
					sum += float64(residual[to])
				}
				sum *= float64(p.OutScale)
				switch Activation(c["ACTIVATION"]) {
				case SiLU:
					sum = silu(sum)
				case GELU:
					sum = gelu(sum)
				}
				y[to] = float32(sum)
			}
		}
	})
}

func silu(v float64) float64 { return v / (1 + math.Exp(-v)) }

func gelu(v float64) float64 { return v * (1 + math.Erf(v/math.Sqrt2)) / 2 }

// parallel runs f(0..n-1) on all processors.
func parallel(n int, f func(i int)) {
	workers := min(runtime.GOMAXPROCS(0), n)
	if workers <= 1 {
		for i := range n {
			f(i)
		}
		return
	}
	var wg sync.WaitGroup
	for k := range workers {
		wg.Go(func() {
			for i := k; i < n; i += workers {
				f(i)
			}
		})
	}
	wg.Wait()
}
