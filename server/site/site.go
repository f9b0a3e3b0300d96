// Package site serves a folder that server/cmd/pack has made: files whose
// names carry their content's hash, with Brotli and gzip copies beside them.
package site

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strings"
	"time"
)

// Policy is the Content-Security-Policy of every answer: the page may load
// from and talk to its own server only, and runs no inline script.
const Policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob: data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// types are those that the page needs; the system's table may lack them.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".wasm": "application/wasm", ".json": "application/json", ".svg": "image/svg+xml", ".png": "image/png",
	".safetensors": "application/octet-stream",
}

// hashed names end in 16 hexadecimal digits and the extension.
var hashed = regexp.MustCompile(`[.-][0-9a-f]{16}\.[a-z]+$`)

// file is one file with its encodings.
type file struct {
	name string
	etag string
	data map[string][]byte // by content encoding; "" is the file itself
}

// handler answers from memory: a page of some megabytes.
type handler struct{ files map[string]*file } // by path without the leading slash

// Handler serves the files of a folder. index.html must be among them.
func Handler(folder fs.FS) (http.Handler, error) {
	h := &handler{map[string]*file{}}
	err := fs.WalkDir(folder, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		data, err := fs.ReadFile(folder, name)
		if err != nil {
			return err
		}
		base, encoding := name, ""
		for suffix, e := range map[string]string{".br": "br", ".gz": "gzip"} {
			if b, ok := strings.CutSuffix(name, suffix); ok {
				base, encoding = b, e
			}
		}
		f := h.files[base]
		if f == nil {
			f = &file{name: base, data: map[string][]byte{}}
			h.files[base] = f
		}
		f.data[encoding] = data
		if encoding == "" {
			sum := sha256.Sum256(data)
			f.etag = hex.EncodeToString(sum[:8])
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the site: %w", err)
	}
	if h.files["index.html"] == nil {
		return nil, errors.New(`the site is empty: run "make build" first`)
	}
	return h, nil
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", Policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD are answered", http.StatusMethodNotAllowed)
		return
	}
	// Paths are looked up in a table and never reach a file system.
	name := strings.TrimPrefix(r.URL.Path, "/")
	if name == "" {
		name = "index.html"
	}
	f := h.files[name]
	if f == nil || f.data[""] == nil {
		http.Error(w, "there is no such file", http.StatusNotFound)
		return
	}
	if t := types[path.Ext(name)]; t != "" {
		header.Set("Content-Type", t)
	} else if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		header.Set("Content-Type", t)
	} else {
		header.Set("Content-Type", "application/octet-stream")
	}
	if hashed.MatchString(name) {
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		header.Set("Cache-Control", "no-cache")
	}
	encoding := ""
	if len(f.data) > 1 {
		header.Set("Vary", "Accept-Encoding")
		encoding = choose(r.Header.Get("Accept-Encoding"), f.data)
	}
	etag := f.etag
	if encoding != "" {
		header.Set("Content-Encoding", encoding)
		etag += "-" + encoding
	}
	header.Set("ETag", `"`+etag+`"`)
	// ServeContent does conditions, ranges and HEAD.
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(f.data[encoding]))
}

// choose picks the smallest encoding that the client accepts.
func choose(accept string, have map[string][]byte) string {
	accepted := map[string]bool{}
	for _, part := range strings.Split(accept, ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		q = strings.ReplaceAll(q, " ", "")
		if q != "q=0" && q != "q=0.0" && q != "q=0.00" && q != "q=0.000" {
			accepted[strings.ToLower(strings.TrimSpace(name))] = true
		}
	}
	for _, e := range []string{"br", "gzip"} {
		if accepted[e] && have[e] != nil {
			return e
		}
	}
	return ""
}
