package bundle

import (
	"encoding/binary"
	"fmt"

	"github.com/klauspost/compress/huff0"
)

// CodedBlock is the number of values in a block of a coded tensor of n, but for the
// last, which holds the rest: blocks are alike, and as large as Zstandard allows.
func CodedBlock(n int) int {
	const most = 1 << 17
	blocks := (n + most - 1) / most
	return (n + blocks - 1) / blocks
}

// decode returns the n values of a coded tensor.
func decode(data []byte, n int) ([]byte, error) {
	values := make([]byte, 0, n)
	var table *huff0.Scratch
	for len(values) < n {
		at := len(values)
		wrong := func(what any) ([]byte, error) {
			return nil, fmt.Errorf("the code of its values from %d on: %v; import the bundle again", at, what)
		}
		if len(data) < 4 {
			return wrong("is missing")
		}
		length := binary.LittleEndian.Uint32(data)
		if data = data[4:]; uint64(length) > uint64(len(data)) {
			return wrong(fmt.Sprintf("has %d bytes, and %d are left", length, len(data)))
		}
		var block []byte
		var err error
		if table, block, err = huff0.ReadTable(data[:length], table); err != nil {
			return wrong(err)
		}
		end := min(at+CodedBlock(n), n)
		if _, err := table.Decoder().Decompress4X(values[at:at:end], block); err != nil {
			return wrong(err)
		}
		values, data = values[:end], data[length:]
	}
	if len(data) > 0 {
		return nil, fmt.Errorf("%d bytes follow the code of its values; import the bundle again", len(data))
	}
	return values, nil
}
