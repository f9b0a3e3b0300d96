//go:build js

package dom

import (
	"fmt"
	"syscall/js"
	"time"
)

// Bytes copies bytes into a Uint8Array.
func Bytes(data []byte) js.Value {
	a := js.Global().Get("Uint8Array").New(len(data))
	js.CopyBytesToJS(a, data)
	return a
}

// received copies an ArrayBuffer.
func received(buffer js.Value) []byte {
	a := js.Global().Get("Uint8Array").New(buffer)
	data := make([]byte, a.Length())
	js.CopyBytesToGo(data, a)
	return data
}

// Download offers data as a file with a name.
func Download(name, kind string, data []byte) {
	blob := js.Global().Get("Blob").New([]any{Bytes(data)}, map[string]any{"type": kind})
	url := js.Global().Get("URL").Call("createObjectURL", blob)
	a := New("a", "")
	a.Set("href", url)
	a.Set("download", name)
	a.Call("click")
	// Not at once: some browsers still have to read it.
	time.AfterFunc(time.Minute, func() { js.Global().Get("URL").Call("revokeObjectURL", url) })
}

// ReadBlob reads a file that a person has chosen, of at most so many bytes.
func ReadBlob(blob js.Value, most int) ([]byte, error) {
	if n := blob.Get("size").Int(); n > most {
		return nil, fmt.Errorf("the file has %.1f MB: at most %d are read", float64(n)/1e6, most/1e6)
	}
	buffer, err := Await(blob.Call("arrayBuffer"))
	if err != nil {
		return nil, fmt.Errorf("reading the file: %w", err)
	}
	return received(buffer), nil
}
