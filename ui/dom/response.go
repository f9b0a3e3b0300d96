//go:build js

package dom

import (
	"context"
	"io"
	"syscall/js"
)

// Response is a server's answer, its body read piece by piece.
type Response struct {
	response, abort js.Value
	reader, piece   js.Value
	ended           bool
	stop            func() bool
}

// Ask requests a file of the page's own server and follows no redirect. cache
// says how the browser's HTTP cache is used ("no-store", "no-cache", ...).
// Cancelling ctx aborts the request and its body.
func Ask(ctx context.Context, url string, header map[string]string, cache string) (*Response, error) {
	r := &Response{abort: js.Global().Get("AbortController").New()}
	r.stop = context.AfterFunc(ctx, func() { r.abort.Call("abort") })
	lines := map[string]any{}
	for k, v := range header {
		lines[k] = v
	}
	options := map[string]any{"signal": r.abort.Get("signal"), "headers": lines, "cache": cache, "redirect": "manual"}
	var err error
	if r.response, err = Await(js.Global().Call("fetch", url, options)); err != nil {
		r.stop()
		return nil, err
	}
	return r, nil
}

// Status is 0 of a redirect.
func (r *Response) Status() int { return r.response.Get("status").Int() }

// Redirected tells whether the answer points elsewhere.
func (r *Response) Redirected() bool {
	return r.response.Get("type").String() == "opaqueredirect"
}

// Header returns a header's value, "" where there is none.
func (r *Response) Header(name string) string {
	if v := r.response.Get("headers").Call("get", name); v.Type() == js.TypeString {
		return v.String()
	}
	return ""
}

// Read implements io.Reader.
func (r *Response) Read(p []byte) (int, error) {
	for !r.ended && (r.piece.IsUndefined() || r.piece.Length() == 0) {
		if r.reader.IsUndefined() {
			body := r.response.Get("body")
			if body.IsNull() {
				r.ended = true
				break
			}
			r.reader = body.Call("getReader")
		}
		next, err := Await(r.reader.Call("read"))
		if err != nil {
			return 0, err
		}
		r.ended, r.piece = next.Get("done").Bool(), next.Get("value")
	}
	if r.ended {
		return 0, io.EOF
	}
	n := js.CopyBytesToGo(p, r.piece)
	r.piece = r.piece.Call("subarray", n)
	return n, nil
}

// Close frees what the answer holds, and ends it where it goes on.
func (r *Response) Close() error {
	r.stop()
	if !r.ended {
		r.abort.Call("abort")
	}
	return nil
}
