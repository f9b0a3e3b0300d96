package recipe

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// The chunks of a PNG file (PNG specification, third edition, 5.3): length,
// kind, data and the CRC of the last two, big endian.
const (
	signature = "\x89PNG\r\n\x1a\n"
	textKind  = "iTXt"
)

// errTorn says that a file ends before its last chunk does.
var errTorn = errors.New("the file is torn: it ends in the middle; save or copy it again")

// next cuts the first chunk off the bytes of a PNG file behind its signature.
func next(data []byte) (kind string, body, rest []byte, err error) {
	if len(data) < 12 {
		return "", nil, nil, errTorn
	}
	n := uint64(binary.BigEndian.Uint32(data))
	if n > uint64(len(data)-12) {
		return "", nil, nil, errTorn
	}
	end := 8 + int(n)
	kind, body, rest = string(data[4:8]), data[8:end], data[end+4:]
	if crc32.ChecksumIEEE(data[4:end]) != binary.BigEndian.Uint32(data[end:]) {
		return "", nil, nil, fmt.Errorf("the file is damaged: the checksum of its %q part is wrong; save or copy it again", kind)
	}
	return kind, body, rest, nil
}

// insert puts a chunk behind the first one, IHDR, of a PNG file.
func insert(png []byte, kind string, body []byte) ([]byte, error) {
	_, _, rest, err := next(png[len(signature):])
	if err != nil {
		return nil, err
	}
	at := len(png) - len(rest)
	out := make([]byte, 0, len(png)+len(body)+12)
	out = append(out, png[:at]...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(body)))
	start := len(out)
	out = append(out, kind...)
	out = append(out, body...)
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[start:]))
	return append(out, rest...), nil
}

// writeText is the body of an iTXt chunk (11.3.3.4), not compressed, in no
// language.
func writeText(keyword string, text []byte) []byte {
	return append(append([]byte(keyword), 0, 0, 0, 0, 0), text...)
}

// readText is the text of an iTXt chunk with the keyword; ok is false for
// another one.
func readText(body []byte, keyword string) (text []byte, ok bool, err error) {
	key, rest, found := bytes.Cut(body, []byte{0})
	if !found || string(key) != keyword {
		return nil, false, nil
	}
	if len(rest) < 2 {
		return nil, true, errors.New("its recipe is torn")
	}
	compressed := rest[0] != 0
	_, rest, hasLanguage := bytes.Cut(rest[2:], []byte{0})
	_, text, hasKeyword := bytes.Cut(rest, []byte{0}) // translated
	if !hasLanguage || !hasKeyword {
		return nil, true, errors.New("its recipe is torn")
	}
	if !compressed { // other programs may have compressed it
		if len(text) > maxText {
			return nil, true, errLong
		}
		return text, true, nil
	}
	z, err := zlib.NewReader(bytes.NewReader(text))
	if err != nil {
		return nil, true, fmt.Errorf("its recipe is damaged: %w", err)
	}
	if text, err = io.ReadAll(io.LimitReader(z, maxText+1)); err != nil {
		return nil, true, fmt.Errorf("its recipe is damaged: %w", err)
	}
	if len(text) > maxText {
		return nil, true, errLong
	}
	return text, true, nil
}

// maxText bounds a recipe in bytes: sketch and mask of the page's board take
// some ten thousand.
const maxText = 8 << 20

var errLong = fmt.Errorf("its recipe is longer than %d MB, which this page does not read", maxText>>20)
