package shaders

import "fmt"

// GEGLUArgs describe the gated unit of a transformer's feed-forward layer
// (Shazeer 2020).
type GEGLUArgs struct {
	X Tensor // [N, H, W, 2C]: values, then gates
	Y Tensor // [N, H, W, C], C a multiple of 4
}

type gegluParams struct{ C4, Count uint32 }

var geglu = kernel("geglu", gegluTwin, "erf")

// GEGLU is geglu.wgsl.
func GEGLU(a GEGLUArgs) Dispatch {
	y := a.Y
	mustBe("geglu", "x", a.X, y.N, y.H, y.W, 2*y.C)
	mustBe("geglu", "y", y, a.X.N, a.X.H, a.X.W, y.C)
	if y.C%4 != 0 {
		panic(fmt.Sprintf("shaders: geglu: y is %v, want a multiple of 4 channels", y))
	}
	count := y.Size() / 16
	return Dispatch{
		Kernel:   geglu,
		Params:   encode(gegluParams{uint32(y.C / 4), uint32(count)}),
		Bindings: []View{view(a.X), view(y)},
		Groups:   spread(ceil(count, 64)),
	}
}

func gegluTwin(_ Constants, params []byte, mem [][]byte) {
	p := decode[gegluParams](params)
	x, y := f32s(mem[0]), f32s(mem[1])
	width := 4 * int(p.C4)
	for r := range int(p.Count / p.C4) {
		values, gates := x[2*r*width:][:width], x[(2*r+1)*width:][:width]
		for c, v := range values {
			y[r*width+c] = float32(float64(v) * gelu(float64(gates[c])))
		}
	}
}
