//go:build js

// Command wasm is the page's program: it draws, loads and samples in the
// browser. index.html starts it through boot.js.
package main

import (
	"syscall/js"

	"github.com/mcdm/mcdm/ui/studio"
)

func main() {
	if err := studio.Main(); err != nil {
		js.Global().Get("console").Call("error", err.Error())
	}
	select {} // the page's handlers live on
}
