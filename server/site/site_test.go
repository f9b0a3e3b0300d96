package site

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const wasm = "main.0123456789abcdef.wasm"

func serve(t *testing.T) http.Handler {
	h, err := Handler(fstest.MapFS{
		"index.html":           {Data: []byte("<p>hello")},
		wasm:                   {Data: []byte("plain wasm")},
		wasm + ".br":           {Data: []byte("brotli")},
		wasm + ".gz":           {Data: []byte("gzipped")},
		"bundle/manifest.json": {Data: []byte("{}")},
		".keep":                {Data: []byte("secret")},
	})
	require.NoError(t, err)
	return h
}

func get(t *testing.T, method, path string, header ...string) (*http.Response, string) {
	r := httptest.NewRequest(method, "http://localhost"+path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	serve(t).ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	require.NoError(t, err)
	return w.Result(), string(body)
}

func TestPage(t *testing.T) {
	for _, path := range []string{"/", "/index.html"} {
		r, body := get(t, "GET", path)
		assert.Equal(t, 200, r.StatusCode)
		assert.Equal(t, "<p>hello", body)
		assert.Equal(t, "no-cache", r.Header.Get("Cache-Control"))
		assert.Equal(t, Policy, r.Header.Get("Content-Security-Policy"))
		assert.Equal(t, "nosniff", r.Header.Get("X-Content-Type-Options"))
	}
}

func TestEncodingIsNegotiated(t *testing.T) {
	for accept, want := range map[string][2]string{
		"gzip, deflate, br": {"br", "brotli"},
		"gzip":              {"gzip", "gzipped"},
		"br;q=0, gzip":      {"gzip", "gzipped"},
		"br; q=0":           {"", "plain wasm"},
		"":                  {"", "plain wasm"},
	} {
		r, body := get(t, "GET", "/"+wasm, "Accept-Encoding", accept)
		assert.Equal(t, want[0], r.Header.Get("Content-Encoding"), accept)
		assert.Equal(t, want[1], body, accept)
		assert.Equal(t, "application/wasm", r.Header.Get("Content-Type"))
		assert.Equal(t, "Accept-Encoding", r.Header.Get("Vary"))
		assert.Contains(t, r.Header.Get("Cache-Control"), "immutable")
	}
}

func TestConditionsAndRanges(t *testing.T) {
	r, _ := get(t, "GET", "/"+wasm)
	tag := r.Header.Get("ETag")
	r, _ = get(t, "GET", "/"+wasm, "If-None-Match", tag)
	assert.Equal(t, 304, r.StatusCode)
	r, body := get(t, "GET", "/"+wasm, "Range", "bytes=6-")
	assert.Equal(t, 206, r.StatusCode)
	assert.Equal(t, "wasm", body)
	r, body = get(t, "HEAD", "/"+wasm)
	assert.Equal(t, "10", r.Header.Get("Content-Length"))
	assert.Empty(t, body)
	br, _ := get(t, "GET", "/"+wasm, "Accept-Encoding", "br")
	assert.NotEqual(t, tag, br.Header.Get("ETag"))
}

func TestNothingElseIsServed(t *testing.T) {
	for _, path := range []string{"/bundle", "/bundle/", "/.keep", "/../site.go", "/%2e%2e/site.go", "/bundle/..%2f.keep", "/INDEX.HTML", "//index.html", "/nothing", "/main.0123456789abcdef.wasm.br"} {
		r, body := get(t, "GET", path)
		assert.Equal(t, 404, r.StatusCode, path)
		assert.NotContains(t, body, "secret")
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PATCH"} {
		r, _ := get(t, method, "/")
		assert.Equal(t, 405, r.StatusCode, method)
	}
}

func TestEmptySite(t *testing.T) {
	_, err := Handler(fstest.MapFS{".keep": {}})
	assert.ErrorContains(t, err, "make build")
}
