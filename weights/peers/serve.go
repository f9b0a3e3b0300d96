package main

import (
	"bytes"
	"compress/gzip"
	"embed"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strings"
	"sync"
	"time"
)

//go:embed web
var web embed.FS

// server answers each peer under /NAME/ with the same files, and counts what it
// sends to whom.
type server struct {
	folders []folder

	mu   sync.Mutex
	sent map[string]int    // bytes by peer, as compressed
	gz   map[string][]byte // by path
}

// folder is where files under a path lie.
type folder struct {
	prefix string
	files  fs.FS
}

// newServer serves from the peers' folder, which is within the repository.
func newServer(dir string) *server {
	page, err := fs.Sub(web, "web")
	if err != nil {
		panic(err) // the folder is embedded
	}
	at := func(name string) fs.FS { return os.DirFS(path.Join(dir, name)) }
	return &server{
		folders: []folder{
			{"node_modules/", at("node_modules")},
			{"bundle/", at("../bundles/avatars")},
			{"networks/", at("cache/networks")},
			{"", page},
			{"", at("cache")}, // step.onnx, step.safetensors, ours.wasm, wasm_exec.js
			{"", at("../../engine/gpu")},
		},
		sent: map[string]int{}, gz: map[string][]byte{},
	}
}

var types = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
	".wasm": "application/wasm", ".json": "application/json",
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	peer := ""
	for _, p := range peers {
		if rest, ok := strings.CutPrefix(name, p+"/"); ok {
			peer, name = p, rest
		}
	}
	if name == "" {
		name = "index.html"
	}
	h := w.Header()
	// Isolated from other origins, a page may use threads and fine clocks.
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Embedder-Policy", "require-corp")
	h.Set("Cache-Control", "max-age=3600")
	data, ok := s.read(name)
	if !ok {
		http.NotFound(w, r)
		return
	}
	// Programs travel compressed, as everywhere; weights do not, as on the hubs.
	if t := types[path.Ext(name)]; t != "" {
		h.Set("Content-Type", t)
		h.Set("Content-Encoding", "gzip")
		data = s.compressed(name, data)
	} else {
		h.Set("Content-Type", "application/octet-stream")
	}
	s.mu.Lock()
	s.sent[peer] += len(data)
	s.mu.Unlock()
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

func (s *server) read(name string) ([]byte, bool) {
	for _, f := range s.folders {
		if rest, ok := strings.CutPrefix(name, f.prefix); ok {
			if data, err := fs.ReadFile(f.files, rest); err == nil {
				return data, true
			}
		}
	}
	return nil, false
}

func (s *server) compressed(name string, data []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gz[name] == nil {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		z.Write(data)
		z.Close()
		s.gz[name] = b.Bytes()
	}
	return s.gz[name]
}

// bytes is how much a peer has downloaded.
func (s *server) bytes(peer string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent[peer]
}
