package shaders

// GEGLUArgs describe the gated unit of a transformer's feed-forward layer
// (Shazeer 2020).
type GEGLUArgs struct {
	X Tensor // [N, H, W, 2C]: values, then gates
	Y Tensor // [N, H, W, C]
}

type gegluParams struct{ C, C4, XStride, Count uint32 }

var geglu = kernel("geglu", gegluTwin)

// GEGLU is geglu.wgsl.
func GEGLU(a GEGLUArgs) Dispatch {
	y := a.Y
	mustBe("geglu", "x", a.X, y.N, y.H, y.W, 2*y.C)
	mustBe("geglu", "y", y, a.X.N, a.X.H, a.X.W, y.C)
	count := y.Size() / 16
	return Dispatch{
		Kernel:   geglu,
		Params:   encode(gegluParams{uint32(y.C), uint32(y.Stride() / 4), uint32(a.X.Stride()), uint32(count)}),
		Bindings: []View{view(a.X), view(y)},
		Groups:   spread(ceil(count, 64)),
	}
}

func gegluTwin(_ Constants, params []byte, mem [][]byte) {
	p := decode[gegluParams](params)
	x, y := f32s(mem[0]), f32s(mem[1])
	stride := 4 * int(p.C4)
	for r := range int(p.Count / p.C4) {
		row := x[r*int(p.XStride):]
		for c := range stride {
			y[r*stride+c] = 0
			if c < int(p.C) {
				y[r*stride+c] = float32(float64(row[c]) * gelu(float64(row[int(p.C)+c])))
			}
		}
	}
}
