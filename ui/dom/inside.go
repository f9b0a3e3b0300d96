//go:build js

package dom

import (
	"context"
	"encoding/base64"
	"fmt"
	"syscall/js"
)

// OneFile tells whether the page is one file that holds all it needs
// (server/cmd/offline).
func OneFile() bool {
	return js.Global().Get("document").Call("querySelector", `meta[name="mcdm-one-file"]`).Truthy()
}

// Inside reads a file that lies in such a page: in the element of that id, as gzip in
// base64. The element stays: a new graphics device needs it again.
func Inside(ctx context.Context, url string) ([]byte, error) {
	e := js.Global().Get("document").Call("getElementById", url)
	if !e.Truthy() {
		return nil, fmt.Errorf("%s is missing in this file, save it again", url)
	}
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
