package shaders

import (
	"encoding/binary"
	"math"

	"github.com/x448/float16"
)

// PackWeights lays a matrix out as conv2d.wgsl reads it: blocks of 4 inputs x
// 4 outputs in the order [O/4][KH][KW][I/4], a block's numbers in the order
// [input][output]; int8 is stored with int8Bias. Outputs are padded to a multiple of four with zeros, and so
// are the inputs of each of the two sources. Packed matrices behind each other
// are one of all their outputs.
//
// p is the matrix [O, I, KH, KW] of type t, little endian and row-major; I counts
// the inputs of both sources.
func PackWeights(t DType, p []byte, cin [2]int, kh, kw int) []byte {
	size, taps := bytesOf(t), kh*kw
	in := cin[0] + cin[1]
	inputs := padded(cin[0]) + padded(cin[1])
	row := in * taps * size // bytes of one output
	out := make([]byte, PackedSize(t, len(p)/row, cin, kh, kw))
	if t == I8 {
		for i := range out {
			out[i] = int8Bias[i%4]
		}
	}
	for o := 0; len(p) > 0; o++ {
		for i := range in {
			at := i // with the padding of the first source
			if i >= cin[0] {
				at += padded(cin[0]) - cin[0]
			}
			from := p[i*taps*size:]
			for k := range taps {
				to := (((o/4*taps+k)*inputs+at)*4 + o%4) * size
				if t == I8 {
					out[to] ^= from[k] // the bias is the sign's bit
				} else {
					copy(out[to:to+size], from[k*size:])
				}
			}
		}
		p = p[row:]
	}
	return out
}

// PackedSize is the length of what PackWeights makes of a matrix with cout
// outputs.
func PackedSize(t DType, cout int, cin [2]int, kh, kw int) int {
	return padded(cout) * kh * kw * (padded(cin[0]) + padded(cin[1])) * bytesOf(t)
}

func padded(n int) int { return (n + 3) &^ 3 }

// int8Bias is added to the four outputs of an int8 block, see conv2d.wgsl.
var int8Bias = [4]byte{128, 128, 128, 0}

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
			return float64(int8(b[0] ^ int8Bias[o%4]))
		case F16:
			return float64(float16.Frombits(binary.LittleEndian.Uint16(b)).Float32())
		}
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
}
