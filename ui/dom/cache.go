//go:build js

package dom

import (
	"errors"
	"strings"
	"syscall/js"
)

// Cache is one of the site's caches (Cache Storage), for the files below one
// folder of the page.
type Cache struct{ cache, folder js.Value }

// OpenCache opens a cache, and makes it where there is none. The browser refuses
// where storage is forbidden.
func OpenCache(name, folder string) (*Cache, error) {
	cache, err := RawCache(name)
	if err != nil {
		return nil, err
	}
	return &Cache{cache, js.Global().Get("URL").New(folder, js.Global().Get("location").Get("href")).Get("href")}, nil
}

// RawCache is one of the site's caches as the browser has it.
func RawCache(name string) (js.Value, error) {
	caches := global("caches")
	if !caches.Truthy() || !strings.HasPrefix(js.Global().Get("location").Get("protocol").String(), "http") {
		return js.Undefined(), errors.New("this page can keep nothing")
	}
	return Await(caches.Call("open", name))
}

func (c *Cache) url(name string) string { return c.folder.String() + name }

// Get returns a file; nil where there is none of that name.
func (c *Cache) Get(name string) ([]byte, error) {
	response, err := Await(c.cache.Call("match", c.url(name)))
	if err != nil || response.IsUndefined() {
		return nil, err
	}
	buffer, err := Await(response.Call("arrayBuffer"))
	if err != nil {
		return nil, err
	}
	return received(buffer), nil
}

// Put keeps a file.
func (c *Cache) Put(name string, data []byte) error {
	response := js.Global().Get("Response").New(Bytes(data), map[string]any{
		"headers": map[string]any{"Content-Type": "application/octet-stream"},
	})
	_, err := Await(c.cache.Call("put", c.url(name), response))
	return err
}

// Delete forgets a file.
func (c *Cache) Delete(name string) error {
	_, err := Await(c.cache.Call("delete", c.url(name)))
	return err
}

// Names lists the files of the folder. Other pages of the site may have theirs
// in the same cache.
func (c *Cache) Names() ([]string, error) {
	keys, err := Await(c.cache.Call("keys"))
	if err != nil {
		return nil, err
	}
	var names []string
	for i := range keys.Length() {
		if name, ok := strings.CutPrefix(keys.Index(i).Get("url").String(), c.folder.String()); ok {
			names = append(names, name)
		}
	}
	return names, nil
}
