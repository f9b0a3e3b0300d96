//go:build js

package dom

import (
	"fmt"
	"slices"
	"strings"
	"syscall/js"
)

// Storage is one of the browser's own for this site: some megabytes of text that
// outlive the page.
type Storage struct{ store js.Value }

// OpenStorages gives the site's storage, and that of this tab alone, which ends with
// it; ok is false where the browser refuses them, and on file://, where all local
// pages share them.
func OpenStorages() (site, tab Storage, ok bool) {
	if !strings.HasPrefix(js.Global().Get("location").Get("protocol").String(), "http") {
		return site, tab, false
	}
	site.store, tab.store = global("localStorage"), global("sessionStorage")
	return site, tab, site.store.Truthy() && tab.store.Truthy()
}

// Set keeps a text under a key. What lay there stays where there is no room.
func (s Storage) Set(key, value string) (err error) {
	defer func() {
		if e := recover(); e != nil {
			err = fmt.Errorf("keeping %s: %v", key, e)
		}
	}()
	s.store.Call("setItem", key, value)
	return nil
}

// Get returns the text under a key, "" where there is none.
func (s Storage) Get(key string) string {
	if v := s.store.Call("getItem", key); v.Type() == js.TypeString {
		return v.String()
	}
	return ""
}

// Remove forgets a key.
func (s Storage) Remove(key string) { s.store.Call("removeItem", key) }

// Keys lists the keys that begin with prefix, in order.
func (s Storage) Keys(prefix string) []string {
	var keys []string
	for i := range s.store.Get("length").Int() {
		if k := s.store.Call("key", i).String(); strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

// Persist asks the browser to keep what the site stores even when it is short of room.
func Persist() {
	if s := js.Global().Get("navigator").Get("storage"); s.Truthy() {
		_, _ = Await(s.Call("persist")) // where it says no, all is as before
	}
}
