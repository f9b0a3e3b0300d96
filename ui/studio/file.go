//go:build js

package studio

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall/js"

	"github.com/mcdm/mcdm/ui/dom"
	"github.com/mcdm/mcdm/ui/recipe"
)

// maxFile bounds the bytes of a file that is opened.
const maxFile = 32_000_000

// addFiles opens pictures that are chosen, dropped or pasted.
func (s *Studio) addFiles() {
	document := js.Global().Get("document")
	chooser := dom.Get("file")
	click("open", func() { chooser.Call("click") })
	dom.On(chooser, "change", func(js.Value) {
		if files := chooser.Get("files"); files.Length() > 0 {
			go s.openFile(files.Index(0))
		}
		chooser.Set("value", "") // the same file may be chosen again
	})
	body := document.Get("body").Get("classList")
	dom.On(document, "dragover", func(e js.Value) {
		if e.Get("dataTransfer").Get("types").Call("includes", "Files").Bool() {
			e.Call("preventDefault")
			body.Call("add", "dropping")
		}
	})
	dom.On(document, "dragleave", func(e js.Value) {
		if !e.Get("relatedTarget").Truthy() { // out of the window
			body.Call("remove", "dropping")
		}
	})
	dom.On(document, "drop", func(e js.Value) {
		body.Call("remove", "dropping")
		if files := e.Get("dataTransfer").Get("files"); files.Length() > 0 {
			e.Call("preventDefault") // the browser would leave the page for the file
			go s.openFile(files.Index(0))
		}
	})
	dom.On(document, "paste", func(e js.Value) {
		if files := e.Get("clipboardData").Get("files"); files.Length() > 0 {
			e.Call("preventDefault")
			go s.openFile(files.Index(0))
		}
	})
}

// openFile brings back all that made a picture saved here.
func (s *Studio) openFile(blob js.Value) {
	data, err := dom.ReadBlob(blob, maxFile)
	if err != nil {
		s.notice(fmt.Sprintf("It was not opened: %v. Nothing has changed.", err))
		return
	}
	img, r, err := recipe.Read(data)
	switch {
	case errors.Is(err, recipe.ErrNone):
		s.notice(fmt.Sprintf("It was not opened: %v. Nothing has changed.", err))
		return
	case err != nil:
		s.notice(fmt.Sprintf("%s was not opened: %v. Nothing has changed.", blob.Get("name").String(), err))
		return
	}
	misfits := s.restore(r)
	p := &picture{image: recipe.RGBA(img), recipe: r}
	known := slices.IndexFunc(s.history, func(q *picture) bool {
		return q.recipe.Same(r) && bytes.Equal(q.image.Pix, p.image.Pix)
	})
	if known >= 0 {
		p = s.history[known]
	} else {
		s.keep([]*picture{p})
	}
	s.show(p)
	switch {
	case r.Bundle.SHA256 != s.bundleHash:
		misfits = append([]string{fmt.Sprintf("This picture was made by other networks (%s): drawing, sentence and settings are back, but Generate will give another picture.", other(r.Bundle, s.bundle.Manifest.Name))}, misfits...)
	case r.Unfinished:
		misfits = append(misfits, "This picture was stopped before its last step: Generate finishes it.")
	}
	if len(misfits) > 0 {
		s.notice(strings.Join(misfits, " "))
	}
	text := "Opened: drawing, sentence and settings are back."
	dom.Text(dom.Get("status"), "%s", text)
	s.Say(text)
}

// other names a bundle that is not ours, with its hash where the name is the same.
func other(b recipe.Bundle, ours string) string {
	switch {
	case b.Name == "":
		return "without a name"
	case b.Name != ours:
		return b.Name
	}
	return fmt.Sprintf("an earlier or later %s, %.8s", b.Name, b.SHA256)
}

// file is the picture's PNG file with its recipe.
func (p *picture) file() ([]byte, error) { return recipe.Write(p.image, p.recipe) }
