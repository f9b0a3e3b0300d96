package site

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const wasm = "main.0123456789abcdef.wasm"

var folder = fstest.MapFS{
	"index.html":           {Data: []byte("<p>hello")},
	wasm:                   {Data: []byte("plain wasm")},
	wasm + ".br":           {Data: []byte("brotli")},
	wasm + ".gz":           {Data: []byte("gzipped")},
	"bundle/manifest.json": {Data: []byte("{}")},
	".keep":                {Data: []byte("secret")},
	".git/config":          {Data: []byte("secret")},
}

func serve(t *testing.T) http.Handler {
	h, err := Handler(folder)
	require.NoError(t, err)
	return h
}

func get(t *testing.T, method, path string, header ...string) (*http.Response, string) {
	r := httptest.NewRequest(method, "http://localhost"+path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
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

func TestHealth(t *testing.T) {
	r, body := get(t, "GET", Health)
	assert.Equal(t, 200, r.StatusCode)
	assert.Equal(t, "ok\n", body)
	assert.Equal(t, "no-store", r.Header.Get("Cache-Control"))
}

func TestEncodingIsNegotiated(t *testing.T) {
	bodies := map[string]string{"br": "brotli", "gzip": "gzipped", "": "plain wasm"}
	for accept, want := range map[string]string{
		"gzip, deflate, br, zstd":        "br",
		"gzip":                           "gzip",
		"GZIP":                           "gzip",
		"x-gzip":                         "gzip",
		"br;q=0, gzip":                   "gzip",
		"br; q=0":                        "",
		"br;q=0.000":                     "",
		"br;q=0.001":                     "br",
		"br;q=0.5, gzip;q=0.501":         "gzip",
		"br;q=0.5, gzip; Q=0.5":          "br",
		"gzip\t;\tq=0.2,br;q=0.1":        "gzip",
		"identity, br;q=0.9":             "",
		"identity;q=0.5, br;q=0.9":       "br",
		"*":                              "br",
		"*, br;q=0":                      "gzip",
		"*;q=0.5, identity":              "",
		"gzip, *;q=0":                    "gzip",
		"identity;q=0, gzip;q=0, br;q=0": "", // nothing is wanted: the file is better than a refusal
		"identity;q=0":                   "",
		"br;q=2, gzip;q=0.1":             "gzip", // what is not understood is not wanted
		"br;q=1.001, gzip;q=0.1":         "gzip",
		"br;q=-1, gzip;q=0.1":            "gzip",
		"br;q=0.1234, gzip;q=0.1":        "gzip",
		"br;q=, gzip;q=0.1":              "gzip",
		"br;level=9, gzip;q=0.1":         "gzip",
		"brotli":                         "",
		"b r":                            "",
		",,;q=1,;":                       "",
		"":                               "",
	} {
		r, body := get(t, "GET", "/"+wasm, "Accept-Encoding", accept)
		assert.Equal(t, 200, r.StatusCode, accept)
		assert.Equal(t, want, r.Header.Get("Content-Encoding"), accept)
		assert.Equal(t, bodies[want], body, accept)
		assert.Equal(t, strconv.Itoa(len(body)), r.Header.Get("Content-Length"), accept)
		assert.Equal(t, "application/wasm", r.Header.Get("Content-Type"))
		assert.Equal(t, "Accept-Encoding", r.Header.Get("Vary"))
		assert.Contains(t, r.Header.Get("Cache-Control"), "immutable")
	}
	_, body := get(t, "GET", "/"+wasm, "Accept-Encoding", "br;q=0.1", "Accept-Encoding", "gzip")
	assert.Equal(t, "gzipped", body, "two header lines are one list")
	r, _ := get(t, "GET", "/bundle/manifest.json", "Accept-Encoding", "br")
	assert.Empty(t, r.Header.Get("Vary"), "there is nothing to choose from")
}

// TestConditionsAndRanges: ranges count the bytes of the encoding that is sent,
// and an ETag names one encoding of one content.
func TestConditionsAndRanges(t *testing.T) {
	tags := map[string]string{}
	for _, encoding := range []string{"identity", "gzip", "br"} {
		r, _ := get(t, "HEAD", "/"+wasm, "Accept-Encoding", encoding)
		tags[encoding] = r.Header.Get("ETag")
	}
	assert.NotEqual(t, tags["identity"], tags["gzip"])
	assert.NotEqual(t, tags["gzip"], tags["br"])
	assert.NotEqual(t, tags["br"], tags["identity"])

	for _, c := range []struct {
		encoding string
		header   []string
		status   int
		body     string
		span     string // Content-Range
	}{
		{"identity", []string{"Range", "bytes=6-"}, 206, "wasm", "bytes 6-9/10"},
		{"identity", []string{"Range", "bytes=-4"}, 206, "wasm", "bytes 6-9/10"},
		{"identity", []string{"Range", "bytes=0-4"}, 206, "plain", "bytes 0-4/10"},
		{"identity", []string{"Range", "bytes=0-999"}, 206, "plain wasm", "bytes 0-9/10"},
		{"identity", []string{"Range", "bytes=10-"}, 416, "", "bytes */10"},
		{"br", []string{"Range", "bytes=2-"}, 206, "otli", "bytes 2-5/6"},
		{"br", []string{"Range", "bytes=6-"}, 416, "", "bytes */6"},
		{"gzip", []string{"Range", "bytes=-3"}, 206, "ped", "bytes 4-6/7"},

		{"br", []string{"Range", "bytes=2-", "If-Range", tags["br"]}, 206, "otli", "bytes 2-5/6"},
		{"br", []string{"Range", "bytes=2-", "If-Range", tags["gzip"]}, 200, "brotli", ""},
		{"gzip", []string{"Range", "bytes=2-", "If-Range", tags["identity"]}, 200, "gzipped", ""},
		{"identity", []string{"Range", "bytes=2-", "If-Range", `"another"`}, 200, "plain wasm", ""},
		{"identity", []string{"If-Range", tags["identity"]}, 200, "plain wasm", ""},

		{"identity", []string{"If-None-Match", tags["identity"]}, 304, "", ""},
		{"br", []string{"If-None-Match", `"another", W/` + tags["br"]}, 304, "", ""},
		{"br", []string{"If-None-Match", "*"}, 304, "", ""},
		{"br", []string{"If-None-Match", tags["gzip"]}, 200, "brotli", ""},
		{"br", []string{"If-Match", tags["br"]}, 200, "brotli", ""},
		{"br", []string{"If-Match", tags["gzip"]}, 412, "", ""},
	} {
		header := append([]string{"Accept-Encoding", c.encoding}, c.header...)
		r, body := get(t, "GET", "/"+wasm, header...)
		require.Equal(t, c.status, r.StatusCode, header)
		assert.Equal(t, c.span, r.Header.Get("Content-Range"), header)
		switch c.status {
		case 200, 206:
			assert.Equal(t, c.body, body, header)
			assert.Equal(t, strconv.Itoa(len(body)), r.Header.Get("Content-Length"), header)
			assert.Equal(t, tags[c.encoding], r.Header.Get("ETag"), header)
			assert.Equal(t, map[string]string{"br": "br", "gzip": "gzip"}[c.encoding], r.Header.Get("Content-Encoding"), header)
		case 304, 412:
			assert.Empty(t, body, header)
			assert.Empty(t, r.Header.Get("Content-Length"), header)
			assert.Equal(t, "Accept-Encoding", r.Header.Get("Vary"), header)
		case 416:
			assert.Empty(t, r.Header.Get("Content-Encoding"), header)
		}
		head, body := get(t, "HEAD", "/"+wasm, header...)
		assert.Equal(t, c.status, head.StatusCode, header)
		if c.status < 400 { // net/http drops the body of a refusal
			assert.Empty(t, body, header)
		}
		assert.Equal(t, r.Header, head.Header, "HEAD says what GET would: %v", header)
	}
}

// TestSeveralRanges cannot be made to send more than the file.
func TestSeveralRanges(t *testing.T) {
	_, body := get(t, "GET", "/"+wasm, "Range", "bytes=0-,0-,0-,0-,0-,0-,0-,0-")
	assert.Equal(t, "plain wasm", body)
	r, body := get(t, "GET", "/"+wasm, "Range", "bytes=0-1,8-9")
	assert.Equal(t, 206, r.StatusCode)
	assert.Contains(t, body, "\r\n\r\npl\r\n")
	assert.Contains(t, body, "\r\n\r\nsm\r\n")
}

func TestOnlyGetAndHead(t *testing.T) {
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "get", "PROPFIND"} {
		r, _ := get(t, method, "/")
		assert.Equal(t, 405, r.StatusCode, method)
		assert.Equal(t, "GET, HEAD", r.Header.Get("Allow"))
		assert.Equal(t, Policy, r.Header.Get("Content-Security-Policy"))
	}
}

// TestNothingElseIsServed asks a real server, whose clients write what they
// like on the request line, for what lies around its folder.
func TestNothingElseIsServed(t *testing.T) {
	outer := t.TempDir()
	dir := filepath.Join(outer, "site")
	for name, f := range folder {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, f.Data, 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(outer, "secret"), []byte("secret"), 0o600))
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	h, err := Handler(root.FS())
	require.NoError(t, err)
	server := httptest.NewServer(h)
	defer server.Close()

	ask := func(target string) (int, string) {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		require.NoError(t, err)
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
		_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", target)
		require.NoError(t, err)
		r, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err, target)
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		return r.StatusCode, string(body)
	}
	status, body := ask("/index.html")
	require.Equal(t, 200, status)
	require.Equal(t, "<p>hello", body)
	status, _ = ask("http://elsewhere.example/bundle/manifest.json")
	require.Equal(t, 200, status, "any host and the absolute form are ours")

	for _, target := range []string{
		"/secret", "/../secret", "/../../secret", "/bundle/../../secret", "/./../secret", "/bundle/../index.html",
		"/%2e%2e/secret", "/%2E%2E%2Fsecret", "/..%2fsecret", "/..%5csecret", `/..\secret`, `/bundle\manifest.json`,
		"/%252e%252e/secret", "/%c0%ae%c0%ae/secret", "/%e0%80%ae%e0%80%ae/secret", "/\uff0e\uff0e/secret", "/.%00./secret",
		"/secret%00.html", "/index.html%00", "/index.html/", "/index.html/..", "/index.html%20", "/index.html.", "/index.html::$DATA",
		"//index.html", "/./index.html", "//", "/.", "/..", "/%2f", "//etc/passwd", "/etc/passwd", "/C:/secret", "/file:///etc/passwd",
		"/INDEX.HTML", "/Index.html", "/bundle/MANIFEST.JSON", "/bundle", "/bundle/", "/bundle/.", "/.keep", "/.git/config", "/%2ekeep",
		"/nothing", "/" + wasm + ".br", "/" + wasm + ".gz", "/" + wasm + "%2ebr", "http://localhost/../secret",
	} {
		status, body := ask(target)
		assert.Contains(t, []int{400, 404}, status, target)
		assert.NotEqual(t, "secret", body, target)
		assert.NotContains(t, body, "hello", target)
		assert.NotContains(t, body, "manifest", target)
	}
}

func TestFoldersThatAreRefused(t *testing.T) {
	_, err := Handler(fstest.MapFS{".keep": {}})
	assert.ErrorContains(t, err, "make build")
	_, err = Handler(fstest.MapFS{"index.html": {}, "a.js.gz": {Data: []byte("1")}})
	assert.ErrorContains(t, err, "a.js.gz has no a.js beside it")
	_, err = Handler(fstest.MapFS{"index.html": {}, "pipe": {Mode: os.ModeNamedPipe}})
	assert.ErrorContains(t, err, "pipe is no plain file")
}

// TestLargeAnswers are written in pieces, and are the same.
func TestLargeAnswers(t *testing.T) {
	data := make([]byte, 3*chunk+7)
	for i := range data {
		data[i] = byte(i >> 8)
	}
	h, err := Handler(fstest.MapFS{"index.html": {Data: data}})
	require.NoError(t, err)
	for _, header := range []string{"", "bytes=1-"} {
		r := httptest.NewRequest("GET", "/", nil)
		want := data
		if header != "" {
			r.Header.Set("Range", header)
			want = data[1:]
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		assert.True(t, bytes.Equal(want, w.Body.Bytes()))
	}
}
