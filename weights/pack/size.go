package pack

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/klauspost/compress/huff0"

	"github.com/mcdm/mcdm/weights/bundle"
)

// A bundle for a size. An int8 weight takes eight bits however few values are
// used. Rounded to wider steps weights take fewer values, most of them small, and
// a Huffman code needs about log2(4.1 rms / step) bits for one (the entropy of a
// normal distribution cut into steps). 4-bit integers with a scale for each 32
// weights spend as much on the rarest value as on the commonest: at equal size, and
// with eight bits for small tensors, they made four times the error of eps.
// Decoded, the values are plain int8 with one scale per output channel: kernels
// know nothing of it.
//
// How the steps of the tensors should relate follows from what a tensor's relative
// error e does to the prediction. Errors add up independently, so the least sum
// of (s e)^2 for a sum of bits n log2(1/e) has e in proportion to sqrt(n) / s, n
// being the tensor's weights. Measured on our networks, the sensitivity s falls
// as about 1 / sqrt(n): the first and last convolutions, a thousandth of the
// weights, matter a hundred times as much as the large ones of the coarsest
// grid. Hence step = coarseness n rms.

// stepOf is the least step for a tensor's values.
func stepOf(coarseness float64, values []float32) float64 {
	if coarseness == 0 {
		return 0
	}
	sum := 0.0
	for _, v := range values {
		sum += float64(v) * float64(v)
	}
	n := float64(len(values))
	return coarseness * n * math.Sqrt(sum/n)
}

// code stores an int8 tensor in fewer bits. One that cannot be, such as all zeros,
// stays as it is.
func code(t bundle.Tensor) bundle.Tensor {
	if t.DType != "I8" {
		return t
	}
	var out []byte
	scratch := huff0.Scratch{Reuse: huff0.ReusePolicyNone} // each block has its own tree
	for values := range slices.Chunk(t.Data, bundle.CodedBlock(len(t.Data))) {
		block, _, err := huff0.Compress4X(values, &scratch)
		if err != nil {
			return t
		}
		out = binary.LittleEndian.AppendUint32(out, uint32(len(block)))
		out = append(out, block...)
	}
	t.DType, t.Data = bundle.Coded, out
	return t
}

// fit finds the least coarseness, to within 0.2%, at which files made with it have
// at most limit bytes; largest is the number of weights of the largest tensor.
func fit(limit, largest int, make func(coarseness float64) (Files, error)) (float64, error) {
	if files, err := make(0); err != nil || files.Size() <= limit {
		return 0, err
	}
	// At the most the step of the largest tensor is twice its rms, and two of its
	// weights in three are zero.
	high := 2 / float64(largest)
	low := high / 1e6
	files, err := make(high)
	if err == nil && files.Size() > limit {
		err = fmt.Errorf("no bundle of these networks is smaller than %.2f MB: too little would be left of their weights", float64(files.Size())/1e6)
	}
	for err == nil && high > 1.002*low {
		middle := math.Sqrt(low * high)
		if files, err = make(middle); files.Size() > limit {
			low = middle
		} else {
			high = middle
		}
	}
	return high, err
}
