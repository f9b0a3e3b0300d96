//go:build js

package gpu

import "syscall/js"

// Recall returns what Remember kept under a name, nil where there is nothing.
func (d *Device) Recall(name string) (data []byte) {
	_ = try(func() {
		if s := localStorage(); s.Truthy() {
			if v := s.Call("getItem", "mcdm "+name); v.Type() == js.TypeString {
				data = []byte(v.String())
			}
		}
	})
	return data
}

// Remember keeps a short text for later visits, in the page's local storage.
// Where that is full or forbidden it is found out again: no error.
func (d *Device) Remember(name string, data []byte) {
	_ = try(func() {
		if s := localStorage(); s.Truthy() {
			s.Call("setItem", "mcdm "+name, string(data))
		}
	})
}

// localStorage is undefined on file://, where all local pages share one. Its getter
// throws where storage is forbidden: that becomes a panic in a call only, and ends
// the program in a plain Get.
func localStorage() js.Value {
	if js.Global().Get("location").Get("protocol").String() == "file:" {
		return js.Undefined()
	}
	return js.Global().Get("Reflect").Call("get", js.Global(), "localStorage")
}
