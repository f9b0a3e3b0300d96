// Package site serves a folder that server/cmd/pack has made: files whose
// names carry their content's hash, with Brotli and gzip copies beside them.
package site

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"mime"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MetaPolicy is the page's Content-Security-Policy where it must say it itself,
// on hosts that send no headers of ours: the page may load from and talk to its
// own server only, and runs no inline script.
const MetaPolicy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob: data:; " +
	"connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'"

// Policy is that of every answer. Who may frame the page, only a header can say.
const Policy = MetaPolicy + "; frame-ancestors 'none'"

// Health is the path that answers "ok" as long as the server runs.
const Health = "/healthz"

// types are those that the page needs; the system's table may lack them.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".webmanifest": "application/manifest+json", ".wasm": "application/wasm", ".json": "application/json", ".svg": "image/svg+xml", ".png": "image/png",
	".safetensors": "application/octet-stream",
}

// hashed names end in 16 hexadecimal digits and the extension.
var hashed = regexp.MustCompile(`[.-][0-9a-f]{16}\.[a-z]+$`)

// every answer has these, errors too.
var every = http.Header{
	"Content-Security-Policy":      {Policy},
	"Cross-Origin-Opener-Policy":   {"same-origin"},
	"Cross-Origin-Resource-Policy": {"same-origin"},
	"Referrer-Policy":              {"no-referrer"},
	"X-Content-Type-Options":       {"nosniff"},
}

// representation is one encoding of a file: bytes of its own, so a length, an
// ETag and ranges of its own.
type representation struct {
	encoding string // "" is the file itself
	data     []byte
	header   http.Header // of the answer 200; not to be changed
}

// file is what one path answers, smallest representation first. The file
// itself is always among them.
type file []*representation

// handler answers from memory, a page of some megabytes: a request's path is
// looked up in a table and never reaches a file system. Large files were sent
// by sendfile, from files in memory and on disk, and cost no less processor
// time with it than by writing.
type handler struct {
	files    map[string]file // by path, with its leading slash
	patience time.Duration
}

// Handler reads a folder and serves its files. index.html must be among them.
// Names with a leading dot, and folders of such names, are not served.
func Handler(folder fs.FS) (http.Handler, error) {
	if _, err := fs.Stat(folder, "index.html"); errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New(`the site has no index.html: run "make build" first, and give -dir the folder that it fills`)
	}
	h := &handler{map[string]file{}, Patience}
	encodings := map[string]string{".br": "br", ".gz": "gzip"}
	err := fs.WalkDir(folder, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(d.Name(), ".") && name != ".":
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return nil
		}
		data, err := read(folder, name)
		if err != nil {
			return err
		}
		base, encoding := name, encodings[path.Ext(name)]
		if encoding != "" {
			base = strings.TrimSuffix(name, path.Ext(name))
		}
		h.files["/"+base] = append(h.files["/"+base], represent(base, encoding, data))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the site: %w", err)
	}
	for name, f := range h.files {
		if !slices.ContainsFunc(f, func(r *representation) bool { return r.encoding == "" }) {
			return nil, fmt.Errorf("reading the site: %s%s has no %s beside it: some clients take no compressed files",
				strings.TrimPrefix(name, "/"), map[string]string{"br": ".br", "gzip": ".gz"}[f[0].encoding], path.Base(name))
		}
		slices.SortFunc(f, func(a, b *representation) int { return cmp.Compare(len(a.data), len(b.data)) })
		for _, r := range f {
			if len(f) > 1 {
				r.header["Vary"] = []string{"Accept-Encoding"}
			}
		}
	}
	h.files["/"] = h.files["/index.html"]
	return h, nil
}

// read follows a link only where folder does: an os.Root never leaves itself.
func read(folder fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(folder, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w (a link that leaves the folder? copy the file)", name, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no plain file (%s): take it out of the folder", name, info.Mode().Type())
	}
	return fs.ReadFile(folder, name)
}

func represent(name, encoding string, data []byte) *representation {
	kind := cmp.Or(types[path.Ext(name)], mime.TypeByExtension(path.Ext(name)), "application/octet-stream")
	cache := "no-cache" // ask again, by ETag
	if hashed.MatchString(name) {
		cache = "public, max-age=31536000, immutable"
	}
	sum := sha256.Sum256(data)
	header := maps.Clone(every)
	header["Accept-Ranges"] = []string{"bytes"}
	header["Cache-Control"] = []string{cache}
	header["Content-Length"] = []string{strconv.Itoa(len(data))}
	header["Content-Type"] = []string{kind}
	header["Etag"] = []string{`"` + hex.EncodeToString(sum[:8]) + `"`}
	if encoding != "" {
		header["Content-Encoding"] = []string{encoding}
	}
	return &representation{encoding, data, header}
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		say(w, http.StatusMethodNotAllowed, "only GET and HEAD are answered")
		return
	}
	f := h.files[r.URL.Path]
	switch {
	case f != nil:
		h.send(w, r, f[choose(f, r.Header["Accept-Encoding"])])
	case r.URL.Path == Health:
		say(w, http.StatusOK, "ok")
	default:
		say(w, http.StatusNotFound, "there is no such file")
	}
}

// say answers with a line that no cache keeps.
func say(w http.ResponseWriter, status int, text string) {
	maps.Copy(w.Header(), every)
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, text, status)
}

func (h *handler) send(w http.ResponseWriter, r *http.Request, rep *representation) {
	maps.Copy(w.Header(), rep.header)
	patient := &patientWriter{ResponseWriter: w, patience: h.patience}
	for _, key := range []string{"If-Match", "If-None-Match", "Range"} { // If-Range is nothing without Range
		if r.Header[key] != nil {
			// The bytes on the wire are what a range counts: those of the encoding.
			w.Header().Del("Content-Length") // 304 and 412 have none
			http.ServeContent(&whole{patient, len(rep.data)}, r, "", time.Time{}, bytes.NewReader(rep.data))
			return
		}
	}
	if r.Method == http.MethodGet {
		patient.Write(rep.data) // an error here is the client's going
	}
}

// whole gives the answer 200 its length, which ServeContent leaves out where
// there is a Content-Encoding.
type whole struct {
	*patientWriter
	length int
}

func (w *whole) WriteHeader(status int) {
	if status == http.StatusOK {
		w.Header().Set("Content-Length", strconv.Itoa(w.length))
	}
	w.patientWriter.WriteHeader(status)
}
