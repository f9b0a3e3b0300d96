package shaders

import (
	"fmt"
	"math"
)

// AttentionArgs describe softmax(Scale q k^T) v for every head. Q, K and V may
// be channel ranges of wider rows, such as one projection to all three.
type AttentionArgs struct {
	Q                         Tensor  // [N, 1, L, >= QOffset + Heads*HeadDim]
	K, V                      Tensor  // [N, 1, M, ...]
	Y                         Tensor  // [N, 1, L, Heads*HeadDim]
	QOffset, KOffset, VOffset int     // channels before the first head, multiples of 4
	Heads, HeadDim            int     // HeadDim is a multiple of 4
	Scale                     float32 // usually 1 / sqrt(HeadDim)
}

// attentionParams counts strides and offsets in vec4s.
type attentionParams struct {
	L, M, QStride, KStride, VStride, YStride, QOffset, KOffset, VOffset uint32
	Scale                                                               float32
}

var (
	attentionTile = kernel("attention_tile", attentionTwin, "attention")
	attentionRows = kernel("attention_rows", attentionTwin, "attention")
)

// Attention is attention.wgsl.
func Attention(a AttentionArgs) Dispatch {
	y := a.Y
	c := a.Heads * a.HeadDim
	mustBe("attention", "y", y, y.N, 1, y.W, c)
	mustBe("attention", "q", a.Q, y.N, 1, y.W, a.Q.C)
	mustBe("attention", "k", a.K, y.N, 1, a.V.W, a.K.C)
	mustBe("attention", "v", a.V, y.N, 1, a.K.W, a.V.C)
	if a.QOffset+c > a.Q.C || a.KOffset+c > a.K.C || a.VOffset+c > a.V.C {
		panic(fmt.Sprintf("shaders: attention: %d heads of %d at channels %d, %d, %d of q %v, k %v, v %v",
			a.Heads, a.HeadDim, a.QOffset, a.KOffset, a.VOffset, a.Q, a.K, a.V))
	}
	if a.HeadDim < 4 || (a.HeadDim|a.QOffset|a.KOffset|a.VOffset)%4 != 0 {
		panic(fmt.Sprintf("shaders: attention: %d heads of %d at channels %d, %d, %d for y %v: want multiples of 4",
			a.Heads, a.HeadDim, a.QOffset, a.KOffset, a.VOffset, y))
	}
	keys := ceil(a.K.W, ceil(a.K.W, 64)) // of each visit, as many
	constants := Constants{"HEAD_DIM": uint32(a.HeadDim), "KEYS": uint32((keys + 3) &^ 3)}
	groups := func(queries int) [3]uint32 {
		return [3]uint32{uint32(ceil(y.W, queries)), uint32(a.Heads), uint32(y.N * ceil(a.HeadDim, 64))}
	}
	// Where 16 queries each leave a GPU few workgroups, only the form with 4 is tried: on an
	// H200 it took .7 to .8 of the time (16 and 72 workgroups).
	const few = 512
	tile := Form{Kernel: attentionTile, Constants: constants, Groups: groups(16)}
	tile.Software = int(tile.Groups[0]*tile.Groups[1]*tile.Groups[2]) <= few
	forms := []Form{tile}
	if ceil(y.W, 4) <= MaxGroups {
		forms = append(forms, Form{Kernel: attentionRows, Constants: constants, Groups: groups(4)})
	}
	d := Dispatch{
		Forms: forms,
		Params: encode(attentionParams{
			uint32(y.W), uint32(a.K.W),
			uint32(a.Q.Stride() / 4), uint32(a.K.Stride() / 4), uint32(a.V.Stride() / 4), uint32(y.Stride() / 4),
			uint32(a.QOffset / 4), uint32(a.KOffset / 4), uint32(a.VOffset / 4), a.Scale,
		}),
		Bindings: []View{view(a.Q), view(a.K), view(a.V), view(y)},
	}
	return d.In(forms[0])
}

func attentionTwin(c Constants, params []byte, mem [][]byte) {
	p := decode[attentionParams](params)
	q, k, v, y := f32s(mem[0]), f32s(mem[1]), f32s(mem[2]), f32s(mem[3])
	dim, stride, l, m := int(c["HEAD_DIM"]), 4*int(p.YStride), int(p.L), int(p.M)
	heads, rows := stride/dim, len(y)/stride
	scores, out := make([]float64, m), make([]float64, dim)
	for row := range rows {
		n := row / l
		for head := range heads {
			top := math.Inf(-1)
			query := q[4*(row*int(p.QStride)+int(p.QOffset))+head*dim:][:dim]
			for j := range m {
				key := k[4*((n*m+j)*int(p.KStride)+int(p.KOffset))+head*dim:][:dim]
				s := 0.0
				for d := range dim {
					s += float64(query[d]) * float64(key[d])
				}
				scores[j] = s * float64(p.Scale)
				top = math.Max(top, scores[j])
			}
			sum := 0.0
			clear(out)
			for j := range m {
				w := math.Exp(scores[j] - top)
				sum += w
				value := v[4*((n*m+j)*int(p.VStride)+int(p.VOffset))+head*dim:][:dim]
				for d := range dim {
					out[d] += w * float64(value[d])
				}
			}
			for d := range dim {
				y[row*stride+head*dim+d] = float32(out[d] / sum)
			}
		}
	}
}
