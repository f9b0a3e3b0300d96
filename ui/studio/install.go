//go:build js

package studio

import (
	"strings"
	"syscall/js"

	"github.com/mcdm/mcdm/ui/dom"
)

// install keeps everything that this page has loaded, so that it opens without
// its server: wasm/sw.js answers from the cache. Where the browser refuses, the
// page works as before.
func (s *Studio) install() {
	workers := js.Global().Get("navigator").Get("serviceWorker")
	at := js.Global().Get("location")
	if !workers.Truthy() || !strings.HasPrefix(at.Get("protocol").String(), "http") {
		return
	}
	if err := keepPage(workers, at); err != nil {
		js.Global().Get("console").Call("warn", "not kept for use without a connection: "+err.Error())
		return
	}
	dom.Show(dom.Get("kept"), !s.unkept)
}

func keepPage(workers, at js.Value) error {
	page := js.Global().Get("URL").New("./", at.Get("href")).Get("href").String()
	wanted := map[string]bool{page: true}
	entries := js.Global().Get("performance").Call("getEntriesByType", "resource")
	for i := range entries.Length() {
		name := entries.Index(i).Get("name").String()
		if shard := strings.HasSuffix(name, ".safetensors"); strings.HasPrefix(name, page) && !shard { // weights.go keeps these
			wanted[name] = true
		}
	}
	if _, err := dom.Await(workers.Call("register", "sw.js")); err != nil {
		return err
	}
	cache, err := dom.RawCache("mcdm " + page) // other builds may lie on the same site
	if err != nil {
		return err
	}
	old, err := dom.Await(cache.Call("keys"))
	if err != nil {
		return err
	}
	// As loaded, from the browser's own cache, even where the server has a newer build by now: its page and manifest
	// would name files that are not kept.
	asLoaded := map[string]any{"cache": "force-cache"}
	if same, err := isThisBuild(page, asLoaded); err != nil || !same {
		return err // a newer one was opened beside this, and keeps itself
	}
	var missing []any
	for name := range wanted {
		// All other names carry their content's hash.
		changes := name == page || strings.HasSuffix(name, ".json")
		if changes || !has(old, name) {
			missing = append(missing, js.Global().Get("Request").New(name, asLoaded))
		}
	}
	if _, err := dom.Await(cache.Call("addAll", missing)); err != nil {
		return err
	}
	for i := range old.Length() { // of an earlier build
		if !wanted[old.Index(i).Get("url").String()] {
			if _, err := dom.Await(cache.Call("delete", old.Index(i))); err != nil {
				return err
			}
		}
	}
	return nil
}

// isThisBuild tells whether the page as it would be kept starts this program.
func isThisBuild(page string, asLoaded map[string]any) (bool, error) {
	response, err := dom.Await(js.Global().Call("fetch", page, asLoaded))
	if err != nil {
		return false, err
	}
	text, err := dom.Await(response.Call("text"))
	if err != nil {
		return false, err
	}
	program := js.Global().Get("document").Call("querySelector", `meta[name="mcdm-wasm"]`).Get("content").String()
	return strings.Contains(text.String(), program), nil
}

func has(requests js.Value, url string) bool {
	for i := range requests.Length() {
		if requests.Index(i).Get("url").String() == url {
			return true
		}
	}
	return false
}
