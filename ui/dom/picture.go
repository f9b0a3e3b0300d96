//go:build js

package dom

import (
	"fmt"
	"image"
	"syscall/js"
)

// Typing tells whether keys pressed at an element are letters for it.
func Typing(e js.Value) bool {
	switch e.Get("tagName").String() {
	case "TEXTAREA", "SELECT":
		return true
	case "INPUT":
		kind := e.Get("type").String()
		return kind != "range" && kind != "checkbox" && kind != "radio" && kind != "color"
	}
	return false
}

// maxFile bounds what is given to the browser to decode: a camera's largest
// pictures are smaller.
const maxFile = 100 << 20

// Picture decodes a picture file as the browser does, upright as the camera held
// it, on white where it is transparent, and brings its longer side down to most
// pixels.
func Picture(file js.Value, most int) (*image.RGBA, error) {
	if size := file.Get("size").Float(); size > maxFile {
		return nil, fmt.Errorf("it has %.0f MB; at most %d can be read: make it smaller first", size/(1<<20), maxFile>>20)
	}
	bitmap, err := Await(js.Global().Call("createImageBitmap", file, map[string]any{"imageOrientation": "from-image"}))
	if err != nil {
		return nil, fmt.Errorf("the browser cannot read it as a picture: choose a PNG, JPEG, WebP, GIF or AVIF file")
	}
	defer bitmap.Call("close")
	w, h := bitmap.Get("width").Int(), bitmap.Get("height").Int()
	if w == 0 || h == 0 {
		return nil, fmt.Errorf("it has no pixels: choose another one")
	}
	scale := min(1, float64(most)/float64(max(w, h)))
	w, h = max(1, int(float64(w)*scale+.5)), max(1, int(float64(h)*scale+.5))
	canvas := New("canvas", "")
	canvas.Set("width", w)
	canvas.Set("height", h)
	c := canvas.Call("getContext", "2d", map[string]any{"willReadFrequently": true})
	c.Set("fillStyle", "#fff")
	c.Call("fillRect", 0, 0, w, h)
	c.Set("imageSmoothingQuality", "high")
	c.Call("drawImage", bitmap, 0, 0, w, h)
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	pixels := js.Global().Get("Uint8Array").New(c.Call("getImageData", 0, 0, w, h).Get("data").Get("buffer"))
	js.CopyBytesToGo(img.Pix, pixels)
	return img, nil
}

// CopyPicture puts what a canvas element shows on the clipboard, as PNG.
func CopyPicture(canvas js.Value) error {
	clipboard, item := js.Global().Get("navigator").Get("clipboard"), js.Global().Get("ClipboardItem")
	if !clipboard.Truthy() || !item.Truthy() {
		return fmt.Errorf("this browser lets no page put a picture on the clipboard: save it instead")
	}
	var toBlob js.Func
	toBlob = js.FuncOf(func(_ js.Value, args []js.Value) any {
		canvas.Call("toBlob", args[0], "image/png")
		return nil
	})
	defer toBlob.Release()
	// The promise, not its value: the browser must see that a person asked for it.
	png := js.Global().Get("Promise").New(toBlob)
	if _, err := Await(clipboard.Call("write", []any{item.New(map[string]any{"image/png": png})})); err != nil {
		return fmt.Errorf("the browser did not let the picture be copied (%w): save it instead", err)
	}
	return nil
}
