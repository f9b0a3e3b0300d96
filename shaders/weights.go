package shaders

import (
	"encoding/binary"
	"math"

	"github.com/x448/float16"
)

// PackWeights lays a matrix out as conv2d.wgsl reads it: blocks of 4 inputs x
// 4 outputs in the order [O/4][KH][KW][I/4], a block's numbers in the order
// [input][output]. Outputs are padded to a multiple of four with zeros, and so
// are the inputs of each of the two sources.
//
// A block is 64 bytes of F32 or 32 of F16, given by at(o, i, ky, kx), or 16 of
// I8, given by q; i counts over the inputs of both sources without padding.
func PackWeights(t DType, cout int, cin [2]int, kh, kw int, at func(o, i, y, x int) float32, q func(o, i, y, x int) int8) []byte {
	var inputs []int // by padded position; -1 is padding
	for s, first := 0, 0; s < 2; s++ {
		for i := range (cin[s] + 3) &^ 3 {
			if i < cin[s] {
				inputs = append(inputs, first+i)
			} else {
				inputs = append(inputs, -1)
			}
		}
		first += cin[s]
	}
	o4 := ceil(cout, 4)
	out := make([]byte, 0, o4*4*kh*kw*len(inputs)*bytesOf(t))
	for o := range o4 {
		for y := range kh {
			for x := range kw {
				for _, i := range inputs {
					for k := 4 * o; k < 4*o+4; k++ {
						pad := i < 0 || k >= cout
						switch {
						case t == I8 && pad:
							out = append(out, 0)
						case t == I8:
							out = append(out, byte(q(k, i, y, x)))
						case t == F16 && pad:
							out = append(out, 0, 0)
						case t == F16:
							out = binary.LittleEndian.AppendUint16(out, float16.Fromfloat32(at(k, i, y, x)).Bits())
						case pad:
							out = append(out, 0, 0, 0, 0)
						default:
							out = binary.LittleEndian.AppendUint32(out, math.Float32bits(at(k, i, y, x)))
						}
					}
				}
			}
		}
	}
	return out
}

func bytesOf(t DType) int {
	switch t {
	case I8:
		return 1
	case F16:
		return 2
	}
	return 4
}

// unpack returns a reader of packed weights by padded output and input.
func unpack(t DType, w []byte, i4, kh, kw int) func(o, i, y, x int) float64 {
	size := bytesOf(t)
	return func(o, i, y, x int) float64 {
		block := ((o/4*kh+y)*kw+x)*i4 + i/4
		b := w[(16*block+4*(i%4)+o%4)*size:]
		switch t {
		case I8:
			return float64(int8(b[0]))
		case F16:
			return float64(float16.Frombits(binary.LittleEndian.Uint16(b)).Float32())
		}
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
}
