package shaders

import "math"

// LayerNormArgs describe a layer norm over channels.
type LayerNormArgs struct {
	X, Y        Tensor // [N, H, W, C]
	Gamma, Beta Tensor // [networks, 1, 1, C]
	Nets        []int  // as in Conv2DArgs
	Eps         float32
}

type layerNormParams struct {
	Rows, C, C4   uint32
	Eps           float32
	Samples, Nets uint32
}

var layerNorm = kernel("layer_norm", layerNormTwin)

// LayerNorm is layer_norm.wgsl.
func LayerNorm(a LayerNormArgs) Dispatch {
	y := a.Y
	mustBe("layer_norm", "x", a.X, y.N, y.H, y.W, y.C)
	mustBe("layer_norm", "y", y, y.N, y.H, y.W, a.X.C)
	mustBe("layer_norm", "gamma", a.Gamma, a.Gamma.N, 1, 1, y.C)
	mustBe("layer_norm", "beta", a.Beta, a.Gamma.N, 1, 1, y.C)
	samples, nets := stack("layer_norm", a.Nets, y)
	rows := y.N * y.H * y.W
	return Dispatch{
		Kernel:   layerNorm,
		Params:   encode(layerNormParams{uint32(rows), uint32(y.C), uint32(y.Stride() / 4), a.Eps, uint32(samples * y.H * y.W), nets}),
		Bindings: []View{view(a.X), view(a.Gamma), view(a.Beta), view(y)},
		Groups:   spread(ceil(rows, 4)),
	}
}

func layerNormTwin(_ Constants, params []byte, mem [][]byte) {
	p := decode[layerNormParams](params)
	x, gamma, beta, y := f32s(mem[0]), f32s(mem[1]), f32s(mem[2]), f32s(mem[3])
	c, stride := int(p.C), 4*int(p.C4)
	for r := range int(p.Rows) {
		net := stride * network(p.Nets, r/int(p.Samples))
		row := x[r*stride : r*stride+c]
		sum := 0.0
		for _, v := range row {
			sum += float64(v)
		}
		mean := sum / float64(c)
		sum = 0
		for _, v := range row {
			sum += (float64(v) - mean) * (float64(v) - mean)
		}
		inv := 1 / math.Sqrt(sum/float64(c)+float64(p.Eps))
		for i := range stride {
			y[r*stride+i] = 0
			if i < c {
				y[r*stride+i] = float32((float64(row[i])-mean)*inv*float64(gamma[net+i]) + float64(beta[net+i]))
			}
		}
	}
}
