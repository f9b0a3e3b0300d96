package shaders

import "math"

// TimeEmbeddingArgs describe the sinusoidal embedding of timesteps.
type TimeEmbeddingArgs struct {
	T            Tensor // [N, 1, 1, 1]: t as f32
	Frequency    Tensor // [1, 1, 1, C/2], from Frequencies
	Y            Tensor // [N, 1, 1, C]
	FlipSinToCos bool   // cosines first
}

// Frequencies are exp(-ln(10000) i / (c/2 - shift)) for i = 0 .. c/2-1, as in
// diffusers' get_timestep_embedding with its downscale_freq_shift.
func Frequencies(c int, shift float64) []float32 {
	f := make([]float32, c/2)
	for i := range f {
		f[i] = float32(math.Exp(-math.Log(10000) * float64(i) / (float64(c/2) - shift)))
	}
	return f
}

type timeEmbeddingParams struct{ N, Half, Stride uint32 }

var timeEmbedding = kernel("time_embedding", timeEmbeddingTwin, "sine_cosine")

// TimeEmbedding is time_embedding.wgsl.
func TimeEmbedding(a TimeEmbeddingArgs) Dispatch {
	y := a.Y
	half := y.C / 2
	mustBe("time_embedding", "t", a.T, y.N, 1, 1, 1)
	mustBe("time_embedding", "frequency", a.Frequency, 1, 1, 1, half)
	mustBe("time_embedding", "y", y, y.N, 1, 1, 2*half)
	return Dispatch{
		Kernel:    timeEmbedding,
		Constants: Constants{"FLIP": flag(a.FlipSinToCos)},
		Params:    encode(timeEmbeddingParams{uint32(y.N), uint32(half), uint32(y.Stride())}),
		Bindings:  []View{view(a.T), view(a.Frequency), view(y)},
		Groups:    [3]uint32{uint32(ceil(half, 64)), uint32(y.N), 1},
	}
}

func timeEmbeddingTwin(k Constants, params []byte, mem [][]byte) {
	p := decode[timeEmbeddingParams](params)
	t, f, y := f32s(mem[0]), f32s(mem[1]), f32s(mem[2])
	half := int(p.Half)
	for n := range int(p.N) {
		row := y[n*int(p.Stride):][:p.Stride]
		clear(row)
		for i := range half {
			s, c := math.Sincos(float64(t[4*n] * f[i])) // the angle is rounded to f32, as on the GPU
			if k["FLIP"] != 0 {
				s, c = c, s
			}
			row[i], row[half+i] = float32(s), float32(c)
		}
	}
}
