// Package hostile holds what the fuzz tests of all parsers ask of them.
package hostile

import (
	"runtime/metrics"
	"testing"
)

// Parse runs a parser on input and fails the test where it allocates more than
// the input's size justifies: each byte may cost perByte bytes (the emptiest
// element of a list is two bytes of JSON and a struct of hundreds), a file of
// any size constant.
func Parse(t *testing.T, input, perByte, constant int, parse func()) {
	t.Helper()
	before := allocated()
	parse()
	if got, limit := allocated()-before, uint64(constant+perByte*input); got > limit {
		t.Errorf("%d bytes of input made the parser allocate %d: want at most %d", input, got, limit)
	}
}

// allocated is what has ever been allocated.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
