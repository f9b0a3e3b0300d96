//go:build js

package dom

import (
	"context"
	"encoding/base64"
	"fmt"
	"syscall/js"
)

// inside is the element that holds a file of a page of one file
// (server/cmd/offline): gzip in base64. It is null in any other page.
func inside(url string) js.Value {
	return js.Global().Get("document").Call("getElementById", url)
}

// Inside tells whether a file lies in the page itself.
func Inside(url string) bool { return inside(url).Truthy() }

// unpack reads such a file. Its element stays: a new graphics device needs it again.
func unpack(ctx context.Context, e js.Value, url string) ([]byte, error) {
	packed, err := base64.StdEncoding.DecodeString(e.Get("textContent").String())
	if err != nil {
		return nil, fmt.Errorf("%s in this file is damaged, save it again: %w", url, err)
	}
	blob := js.Global().Get("Blob").New([]any{Bytes(packed)})
	stream := blob.Call("stream").Call("pipeThrough", js.Global().Get("DecompressionStream").New("gzip"))
	buffer, err := Await(js.Global().Get("Response").New(stream).Call("arrayBuffer"))
	if err != nil {
		return nil, fmt.Errorf("%s in this file is damaged, save it again: %w", url, err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return received(buffer), nil
}
