package shaders

import (
	"encoding/binary"
	"fmt"
	"math"
)

// MaxNetworks is how many eps one merge can weigh.
const MaxNetworks = 16

// StepParams is what changes from step to step: struct Step of
// merge.wgsl. The coefficients are those of sampler.Step.
type StepParams struct {
	SqrtAbar, SqrtOneMinusAbar     float32
	CX0, CX0Prev, CZ, CEps, CNoise float32
	Clip                           float32 // bound of |x0|; 0: none
	EpsOut, EpsZ                   float32 // eps = EpsOut * output + EpsZ * z
	SeedLo, SeedHi                 uint32
	Index                          uint32               // counts steps for the noise; 0 draws z_T
	Keep                           uint32               // not 0: X0Prev stays as it is
	Rescale                        float32              // 0 to 1, how far the merge takes the deviation of the conditions' outputs; with Stats
	Rank                           uint32               // which of the sorted |x0| of a picture bounds it, from 1; 0: Clip does; with Stats
	Judge                          float32              // size of the Langevin step that led here, for Metropolis; 0: none did
	Weights                        [MaxNetworks]float32 // of (12)
}

// StepParamsSize is the size of its buffer in bytes.
const StepParamsSize = 256

// Bytes packs the parameters for their buffer.
func (s StepParams) Bytes() []byte {
	b := make([]byte, StepParamsSize)
	s.Encode(b)
	return b
}

// Encode packs the parameters into the first of StepParamsSize bytes; the others
// stay as they are.
func (s *StepParams) Encode(b []byte) {
	if _, err := binary.Encode(b, binary.LittleEndian, s); err != nil {
		panic(err)
	}
}

func stepParams(b []byte) (s StepParams) {
	if _, err := binary.Decode(b, binary.LittleEndian, &s); err != nil {
		panic(err)
	}
	return s
}

// MergeStepArgs describe the merge of M networks and one sampler step.
type MergeStepArgs struct {
	Eps    Tensor // [M*N, H, W, C]: what the networks predict, one after the other
	Z      Tensor // [N, H, W, C], updated in place
	X0Prev Tensor // [N, H, W, C], x0 of the last step without Keep, updated in place
	// Known is a picture, shared by the batch, and how far each value of x0 is
	// locked to it, 0 to 1. With Maps it goes on with how far each network counts,
	// 0 to 1; what it leaves is given to network 0, whose own map is not read.
	Known    Tensor // [2, H, W, C], with Maps [2+M, H, W, C]
	Merged   Tensor // [N, H, W, C], written: eps_c
	Preview  Tensor // [N, H*r, W*r, 1] without padding, written: x0 as RGBA8
	Step     Tensor // StepParamsSize bytes
	Stats    Tensor // [N, 1, 1, 4] of MergeStats; unbound: factor 1, bound Clip
	Networks int    // M
	// Unshuffle is r of pixel_unshuffle: C = colours*r*r. One colour shows as
	// gray, of more than three the first three.
	Unshuffle int
	Maps      bool
	Init      bool // z = CX0 known + CZ eta instead of a step; Eps is not read
}

type mergeStepParams struct{ Networks, N, H, W, Stride, Size uint32 }

var mergeStep = kernel("merge_step", mergeStepTwin, "merge", "philox", "sine_cosine")

// MergeStep is merge_step.wgsl: equations (12) and (13), noise and preview.
func MergeStep(a MergeStepArgs) Dispatch {
	z, r := a.Z, a.Unshuffle
	mustBe("merge_step", "eps", a.Eps, a.Networks*z.N, z.H, z.W, z.C)
	mustBe("merge_step", "z", z, z.N, a.Merged.H, a.Merged.W, z.C)
	mustBe("merge_step", "x0_prev", a.X0Prev, z.N, z.H, z.W, z.C)
	mustBe("merge_step", "known", a.Known, KnownPlanes(a.Networks, a.Maps), z.H, z.W, z.C)
	mustBe("merge_step", "merged", a.Merged, z.N, z.H, z.W, z.C)
	mustBe("merge_step", "preview", a.Preview, z.N, z.H*r, z.W*r, 1)
	mustBe("merge_step", "step", a.Step, 1, 1, 1, StepParamsSize/4)
	optional("merge_step", "stats", a.Stats, z.N, 1, 1, 4)
	if a.Networks < 1 || a.Networks > MaxNetworks || r < 1 || z.C%(r*r) != 0 {
		panic(fmt.Sprintf("shaders: merge_step: %d networks (at most %d), z %v, pixel unshuffle %d", a.Networks, MaxNetworks, z, r))
	}
	return Dispatch{
		Kernel: mergeStep,
		Constants: Constants{
			"INIT": flag(a.Init), "MAPS": flag(a.Maps), "STATS": flag(a.Stats.Ok()), "CHANNELS": uint32(z.C), "UNSHUFFLE": uint32(r),
		},
		Params: encode(mergeStepParams{
			uint32(a.Networks), uint32(z.N), uint32(z.H), uint32(z.W), uint32(z.Stride()), uint32(z.Size() / 4),
		}),
		Bindings: []View{
			view(a.Eps), view(z), view(a.X0Prev), view(a.Known), view(a.Merged),
			{a.Preview.Buffer, a.Preview.Offset, 4 * a.Preview.N * a.Preview.H * a.Preview.W}, view(a.Step), view(a.Stats),
		},
		Groups: spread(ceil(z.N*z.H*z.W, 64)),
	}
}

// philox is Philox4x32-10 (Salmon et al. 2011).
func philox(c [4]uint32, k [2]uint32) [4]uint32 {
	for range 10 {
		a := 0xd2511f53 * uint64(c[0])
		b := 0xcd9e8d57 * uint64(c[2])
		c = [4]uint32{uint32(b>>32) ^ c[1] ^ k[0], uint32(b), uint32(a>>32) ^ c[3] ^ k[1], uint32(a)}
		k[0] += 0x9e3779b9
		k[1] += 0xbb67ae85
	}
	return c
}

// Normals is eta for four channels of a pixel: channels 4c .. 4c+3 of the
// given step's noise under a 64-bit seed (Box and Muller 1958).
func Normals(seed uint64, pixel, c, index uint32) [4]float64 {
	v := philox([4]uint32{pixel, c, index, 0}, [2]uint32{uint32(seed), uint32(seed >> 32)})
	unit := func(w uint32) float64 { return (float64(w>>8) + 0.5) / (1 << 24) }
	var out [4]float64
	for i := 0; i < 4; i += 2 {
		r := math.Sqrt(-2 * math.Log(unit(v[i])))
		out[i+1], out[i] = math.Sincos(2 * math.Pi * unit(v[i+1]))
		out[i] *= r
		out[i+1] *= r
	}
	return out
}

func mergeStepTwin(k Constants, params []byte, mem [][]byte) {
	p := decode[mergeStepParams](params)
	eps, z, x0Prev, known := f32s(mem[0]), f32s(mem[1]), f32s(mem[2]), f32s(mem[3])
	merged, preview := f32s(mem[4]), u32s(mem[5])
	s := stepParams(mem[6])
	sqrtAbar, sqrtOneMinus, clip := float64(s.SqrtAbar), float64(s.SqrtOneMinusAbar), float64(s.Clip)
	stats := f32s(mem[7])
	seed := uint64(s.SeedLo) | uint64(s.SeedHi)<<32
	channels, r, stride := int(k["CHANNELS"]), int(k["UNSHUFFLE"]), int(p.Stride)
	h, w := int(p.H), int(p.W)
	lock := known[h*w*stride:]
	x0 := make([]float64, channels)
	for i := range int(p.N) * h * w {
		n, pixel := i/(h*w), i%(h*w)
		var eta [4]float64
		for c := range channels {
			if c%4 == 0 {
				eta = Normals(seed+uint64(n), uint32(pixel), uint32(c/4), s.Index)
			}
			at, same := i*stride+c, pixel*stride+c
			if k["INIT"] != 0 {
				z[at], x0Prev[at] = float32(float64(s.CX0)*float64(known[same])+float64(s.CZ)*eta[c%4]), 0
				continue
			}
			e := mergeOut(s, int(p.Networks), int(p.Size), at, same, h*w*stride, eps, known, k["MAPS"] != 0)
			factor, bound := 1.0, clip
			if k["STATS"] != 0 {
				factor, bound = float64(stats[4*n]), float64(stats[4*n+1])
			}
			e *= factor
			old := float64(z[at])
			e = float64(s.EpsOut)*e + float64(s.EpsZ)*old
			x := (old - sqrtOneMinus*e) / sqrtAbar
			if clip > 0 {
				x = math.Max(-bound, math.Min(bound, x)) * clip / bound
			}
			x += float64(lock[same]) * (float64(known[same]) - x)
			x0[c] = x
			merged[at] = float32(e)
			z[at] = float32(float64(s.CX0)*x + float64(s.CX0Prev)*float64(x0Prev[at]) + float64(s.CZ)*old +
				float64(s.CEps)*e + float64(s.CNoise)*eta[c%4])
			if s.Keep == 0 {
				x0Prev[at] = float32(x)
			}
		}
		clear(z[i*stride+channels : (i+1)*stride])
		clear(x0Prev[i*stride+channels : (i+1)*stride])
		clear(merged[i*stride+channels : (i+1)*stride])
		if k["INIT"] != 0 {
			continue
		}
		colours := channels / (r * r)
		for q := range r * r {
			red := pixelByte(x0[q])
			green, blue := red, red
			if colours >= 3 {
				green, blue = pixelByte(x0[r*r+q]), pixelByte(x0[2*r*r+q])
			}
			row := (n*h+pixel/w)*r + q/r
			preview[(row*w+pixel%w)*r+q%r] = red | green<<8 | blue<<16 | 0xff000000
		}
	}
}

func pixelByte(v float64) uint32 {
	return uint32(math.Max(0, math.Min(255, v*127.5+127.5)) + 0.5)
}
