//go:build js

package studio

import (
	"syscall/js"

	"github.com/mcdm/mcdm/ui/dom"
)

// addIntake hands the first file that is chosen, dropped or pasted to take.
func addIntake(take func(file js.Value)) {
	document := js.Global().Get("document")
	first := func(files js.Value) bool {
		if !files.Truthy() || files.Length() == 0 {
			return false // text, say
		}
		take(files.Index(0))
		return true
	}
	for button, id := range map[string]string{"open": "file", "import-open": "import-file"} {
		chooser := dom.Get(id)
		click(button, func() { chooser.Call("click") })
		dom.On(chooser, "change", func(js.Value) {
			first(chooser.Get("files"))
			chooser.Set("value", "") // the same file may come again
		})
	}
	dom.On(document, "paste", func(e js.Value) {
		data := e.Get("clipboardData")
		if !data.Truthy() {
			return // a program's event
		}
		has := func(kind string) bool { return data.Get("types").Call("includes", kind).Bool() }
		if dom.Typing(e.Get("target")) && has("text/plain") && (has("text/html") || has("text/rtf")) {
			return // office programs put a picture of the text beside it, others a file's name
		}
		if first(data.Get("files")) {
			e.Call("preventDefault")
		}
	})
	class := document.Get("body").Get("classList")
	dom.On(document, "dragover", func(e js.Value) {
		if e.Get("dataTransfer").Get("types").Call("includes", "Files").Bool() {
			e.Call("preventDefault") // or the browser leaves the page for the file
			class.Call("add", "dropping")
		}
	})
	dom.On(document, "dragleave", func(e js.Value) {
		if !e.Get("relatedTarget").Truthy() { // out of the window
			class.Call("remove", "dropping")
		}
	})
	dom.On(document, "drop", func(e js.Value) {
		class.Call("remove", "dropping")
		if first(e.Get("dataTransfer").Get("files")) {
			e.Call("preventDefault")
		}
	})
}
