//go:build js

package dom

import "syscall/js"

// global is a property of the window whose getter may throw, as those of storage do
// where that is forbidden; it is undefined then. A plain Get of such a one ends the
// program: only calls turn an exception into a panic.
func global(name string) (v js.Value) {
	defer func() {
		if recover() != nil {
			v = js.Undefined()
		}
	}()
	return js.Global().Get("Reflect").Call("get", js.Global(), name)
}
