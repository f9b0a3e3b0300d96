package nn

import (
	"math"

	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/shaders"
)

// layers records layers of one network, or of several at once, into one
// program. With several, activations hold the samples of the first, then those
// of the second, and so on.
type layers struct {
	*params
	plan *record.Plan
	to   *record.Program
	of   []int // networks that have these layers: their weights lie together
	nets []int // the recorded ones, as indices of of
}

// conv is a square convolution of side k and stride 1 that keeps height and
// width, unless args says otherwise; args carries what the layer adds to
// x * W + b. args.Y is made when it is not given.
func (l layers) conv(name string, x, skip shaders.Tensor, cout, k int, args shaders.Conv2DArgs) shaders.Tensor {
	return l.matmul(name, []string{name}, l.vector([]string{name + ".bias"}, []int{cout}), x, skip, []int{cout}, k, args)
}

// linear is a fully connected layer over channels.
func (l layers) linear(name string, x shaders.Tensor, cout int, args shaders.Conv2DArgs) shaders.Tensor {
	return l.conv(name, x, shaders.Tensor{}, cout, 1, args)
}

// stacked is several linear layers of the same input in one launch, their
// outputs side by side along the channels, each from a multiple of four on.
func (l layers) stacked(label string, names []string, bias bool, x shaders.Tensor, couts []int, args shaders.Conv2DArgs) shaders.Tensor {
	var b shaders.Tensor
	if bias {
		var biases []string
		for _, n := range names {
			biases = append(biases, n+".bias")
		}
		b = l.vector(biases, couts)
	}
	return l.matmul(label, names, b, x, shaders.Tensor{}, couts, 1, args)
}

func (l layers) matmul(label string, names []string, bias, x, skip shaders.Tensor, couts []int, k int, a shaders.Conv2DArgs) shaders.Tensor {
	a.X, a.Skip, a.Bias, a.Nets = x, skip, bias, l.nets
	a.W = l.matrix(names, couts, [2]int{x.C, skip.C}, k, k)
	if !a.Y.Ok() {
		a.Y = l.plan.Scratch(label, x.N, x.H, x.W, a.W.Cout)
	}
	if a.Stride == 0 {
		a.PadTop, a.PadLeft = k/2, k/2
	}
	l.to.Add(label, shaders.Conv2D(a))
	return a.Y
}

func (l layers) groupNorm(name string, x, skip shaders.Tensor, groups int, eps float64, silu bool, shift timeShift) shaders.Tensor {
	c := x.C + skip.C
	y := l.plan.Scratch(name, x.N, x.H, x.W, c)
	l.to.Add(name, shaders.GroupNorm(shaders.GroupNormArgs{
		X: x, Skip: skip, Y: y,
		Gamma: l.vector([]string{name + ".weight"}, []int{c}), Beta: l.vector([]string{name + ".bias"}, []int{c}), Nets: l.nets,
		ScaleShift: shift.of, ShiftOffset: shift.offset, Groups: groups, Eps: float32(eps), SiLU: silu,
	}))
	return y
}

func (l layers) layerNorm(name string, x shaders.Tensor, eps float64) shaders.Tensor {
	y := l.plan.Scratch(name, x.N, x.H, x.W, x.C)
	l.to.Add(name, shaders.LayerNorm(shaders.LayerNormArgs{
		X: x, Y: y, Eps: float32(eps),
		Gamma: l.vector([]string{name + ".weight"}, []int{x.C}), Beta: l.vector([]string{name + ".bias"}, []int{x.C}), Nets: l.nets,
	}))
	return y
}

// attention is softmax(q k^T / sqrt(d)) v over sequences. q, k and v may be
// channel ranges of wider rows.
func (l layers) attention(label string, heads, dim int, q shaders.Tensor, qOffset int, kv shaders.Tensor, kOffset, vOffset int) shaders.Tensor {
	y := l.plan.Scratch(label, q.N, 1, q.W, heads*dim)
	l.to.Add(label, shaders.Attention(shaders.AttentionArgs{
		Q: q, K: kv, V: kv, Y: y,
		QOffset: qOffset, KOffset: kOffset, VOffset: vOffset,
		Heads: heads, HeadDim: dim, Scale: float32(1 / math.Sqrt(float64(dim))),
	}))
	return y
}

// sequence sees the pixels [N, H, W, C] as [N, 1, H*W, C].
func sequence(t shaders.Tensor) shaders.Tensor {
	t.H, t.W = 1, t.H*t.W
	return t
}

// samples sees count samples of a tensor.
func samples(t shaders.Tensor, first, count int) shaders.Tensor {
	t.Offset += 4 * first * t.H * t.W * t.Stride()
	t.N = count
	return t
}
