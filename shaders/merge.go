package shaders

// merge.wgsl is what MergeStep, MergeStats and Metropolis share.

// KnownPlanes is how many pictures their Known holds: one, where it stays and,
// with maps, where each network counts.
func KnownPlanes(networks int, maps bool) int {
	if maps {
		return 2 + networks
	}
	return 2
}

// mergeOut is out_c of one value of a sample: at in a network's outputs, same in
// the picture that all samples share, of plane values.
func mergeOut(s StepParams, networks, size, at, same, plane int, outputs, known []float32, maps bool) float64 {
	e := 0.0
	for j := range networks {
		weight, m := float64(s.Weights[j]), 1.0
		if maps && j > 0 {
			m = float64(known[(2+j)*plane+same])
		}
		// What has no weight is not read: 0 times NaN is NaN.
		if weight*m != 0 {
			e += weight * m * float64(outputs[j*size+at])
		}
		if weight*(1-m) != 0 {
			e += weight * (1 - m) * float64(outputs[at])
		}
	}
	return e
}
