package shaders

import "fmt"

// Several networks of the same shapes can share a launch: their samples follow
// each other in the activations, [networks*N, ...], and their weights in the
// weights. A launch may be of any of the networks whose weights lie together.

// MaxStack is the number of networks of a launch.
const MaxStack = 8

// stack tells how many of y's samples are one network's, and packs the networks'
// numbers, 4 bits each.
func stack(kernel string, nets []int, y Tensor) (samples int, packed uint32) {
	if len(nets) == 0 {
		return y.N, 0
	}
	if len(nets) > MaxStack || y.N%len(nets) != 0 {
		panic(fmt.Sprintf("shaders: %s: %d networks (at most %d) make y %v", kernel, len(nets), MaxStack, y))
	}
	for i, k := range nets {
		if k < 0 || k > 15 {
			panic(fmt.Sprintf("shaders: %s: network %d: want 0 to 15", kernel, k))
		}
		packed |= uint32(k) << (4 * i)
	}
	return y.N / len(nets), packed
}

// network is the number of a launch's i-th network.
func network(packed uint32, i int) int { return int(packed >> (4 * i) & 15) }

// networksOf is how many networks' weights a launch of count networks reaches.
func networksOf(packed uint32, count int) int {
	most := 0
	for i := range count {
		most = max(most, network(packed, i))
	}
	return most + 1
}
