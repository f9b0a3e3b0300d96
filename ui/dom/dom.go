//go:build js

// Package dom is the little of the browser's document that the page needs.
package dom

import (
	"errors"
	"fmt"
	"image"
	"syscall/js"
)

// Get returns the element of an id; a missing one is a programmer's error.
func Get(id string) js.Value {
	e := js.Global().Get("document").Call("getElementById", id)
	if !e.Truthy() {
		panic("dom: the page has no element #" + id)
	}
	return e
}

// New makes an element with text inside.
func New(tag, text string) js.Value {
	e := js.Global().Get("document").Call("createElement", tag)
	e.Set("textContent", text)
	return e
}

// Stamp copies what a template element holds. All ids in it, and the labels'
// references to them, get a suffix, so that it may be stamped several times.
func Stamp(template, suffix string) js.Value {
	copied := Get(template).Get("content").Call("cloneNode", true)
	for _, attribute := range []string{"id", "for"} {
		all := copied.Call("querySelectorAll", "["+attribute+"]")
		for i := range all.Length() {
			e := all.Index(i)
			e.Call("setAttribute", attribute, e.Call("getAttribute", attribute).String()+suffix)
		}
	}
	return copied
}

// Among returns the place of the child of list that an event happened in, -1 for
// none. So one handler of the list serves children that come and go.
func Among(list, event js.Value) int {
	children := list.Get("children")
	for i := range children.Length() {
		if children.Index(i).Call("contains", event.Get("target")).Bool() {
			return i
		}
	}
	return -1
}

// On calls f on an element's events, for as long as the page lives. f must
// not wait for anything that the browser does: start a goroutine for that.
// options are those of addEventListener.
func On(e js.Value, event string, f func(event js.Value), options ...any) {
	e.Call("addEventListener", append([]any{event, js.FuncOf(func(_ js.Value, args []js.Value) any {
		f(args[0])
		return nil
	})}, options...)...)
}

// Once calls f on an element's next event only.
func Once(e js.Value, event string, f func(event js.Value)) {
	var h js.Func
	h = js.FuncOf(func(_ js.Value, args []js.Value) any {
		h.Release()
		f(args[0])
		return nil
	})
	e.Call("addEventListener", event, h, map[string]any{"once": true})
}

// Show makes an element visible or hides it.
func Show(e js.Value, visible bool) { e.Set("hidden", !visible) }

// Text sets an element's text.
func Text(e js.Value, format string, args ...any) {
	e.Set("textContent", fmt.Sprintf(format, args...))
}

// Await waits for a promise.
func Await(promise js.Value) (js.Value, error) {
	type result struct {
		v   js.Value
		err error
	}
	done := make(chan result, 1)
	ok := js.FuncOf(func(_ js.Value, args []js.Value) any { done <- result{v: args[0]}; return nil })
	bad := js.FuncOf(func(_ js.Value, args []js.Value) any {
		done <- result{err: errors.New(js.Global().Get("String").Invoke(args[0]).String())}
		return nil
	})
	promise.Call("then", ok, bad)
	r := <-done
	ok.Release()
	bad.Release()
	return r.v, r.err
}

// Paint puts a picture into a canvas element of the same size.
func Paint(canvas js.Value, img *image.RGBA) {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	canvas.Set("width", w)
	canvas.Set("height", h)
	bytes := js.Global().Get("Uint8ClampedArray").New(len(img.Pix))
	js.CopyBytesToJS(bytes, img.Pix)
	// Read often: so it lies in plain memory, and a lost graphics card leaves it.
	canvas.Call("getContext", "2d", map[string]any{"willReadFrequently": true}).Call("putImageData", js.Global().Get("ImageData").New(bytes, w, h), 0, 0)
}
