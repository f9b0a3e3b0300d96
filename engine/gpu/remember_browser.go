//go:build js

package gpu

import "syscall/js"

// Recall returns what Remember kept under a name, nil where there is nothing.
func (d *Device) Recall(name string) (data []byte) {
	_ = try(func() {
		if v := js.Global().Get("localStorage").Call("getItem", "mcdm "+name); v.Type() == js.TypeString {
			data = []byte(v.String())
		}
	})
	return data
}

// Remember keeps a short text for later visits, in the page's local storage.
// Where that is full or forbidden it is found out again: no error.
func (d *Device) Remember(name string, data []byte) {
	_ = try(func() { js.Global().Get("localStorage").Call("setItem", "mcdm "+name, string(data)) })
}
