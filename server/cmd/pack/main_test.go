package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/server/site"
)

func write(t *testing.T, dir string, files map[string]string) {
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
}

func TestPack(t *testing.T) {
	dir := t.TempDir()
	style := strings.Repeat("p { margin: 0 }\n", 200)
	write(t, dir, map[string]string{
		"index.html":           `<link href="style.css"><script src="boot.js">`,
		"style.css":            style,
		"boot.js":              "1",
		"sw.js":                "2",
		"bundle/manifest.json": strings.Repeat(`{"a": 1}`, 99),
		"bundle/a.safetensors": strings.Repeat("0", 999),
		"dist/.keep":           "",
		"dist/old.js":          "of an earlier build",
	})
	p := packer{out: filepath.Join(dir, "dist"), cache: filepath.Join(dir, "cache"), plain: []string{filepath.Join(dir, "sw.js")}}
	list := []string{filepath.Join(dir, "style.css"), filepath.Join(dir, "boot.js")}
	for range 2 { // the second time from the cache
		require.NoError(t, p.run(filepath.Join(dir, "index.html"), list, filepath.Join(dir, "bundle")))
	}
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(p.out, name))
		require.NoError(t, err)
		return data
	}
	page := string(read("index.html"))
	hashed := regexp.MustCompile(`href="(style\.[0-9a-f]{16}\.css)"><script src="boot\.[0-9a-f]{16}\.js"`).FindStringSubmatch(page)
	require.NotNil(t, hashed, page)
	assert.Equal(t, style, string(read(hashed[1])))

	br, err := io.ReadAll(brotli.NewReader(bytes.NewReader(read(hashed[1] + ".br"))))
	require.NoError(t, err)
	assert.Equal(t, style, string(br))
	z, err := gzip.NewReader(bytes.NewReader(read(hashed[1] + ".gz")))
	require.NoError(t, err)
	gz, err := io.ReadAll(z)
	require.NoError(t, err)
	assert.Equal(t, style, string(gz))

	assert.FileExists(t, filepath.Join(p.out, "bundle/manifest.json.br"))
	assert.NoFileExists(t, filepath.Join(p.out, "bundle/a.safetensors.br"), "shards are not compressed")
	assert.NoFileExists(t, filepath.Join(p.out, "old.js"))
	assert.FileExists(t, filepath.Join(p.out, ".keep"))
	assert.Equal(t, "2", string(read("sw.js")), "which keeps its name")

	_, err = site.Handler(os.DirFS(p.out))
	assert.NoError(t, err)
}

func TestChangedContentHasAnotherName(t *testing.T) {
	assert.NotEqual(t, hashedName("boot.js", []byte("1")), hashedName("boot.js", []byte("2")))
	assert.Equal(t, hashedName("boot.js", []byte("1")), hashedName("boot.js", []byte("1")))
}

func TestForgottenReferenceIsRefused(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"index.html": "<p>", "boot.js": "1"})
	p := packer{out: filepath.Join(dir, "dist"), cache: filepath.Join(dir, "cache")}
	assert.ErrorContains(t, p.run(filepath.Join(dir, "index.html"), []string{filepath.Join(dir, "boot.js")}, dir), "does not refer to boot.js")
}

// TestStatic packs the page itself.
func TestStatic(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"bundle/manifest.json": strings.Repeat(`{"a": 1}`, 99), "main.wasm": "1", "wasm_exec.js": "2"})
	p := packer{out: filepath.Join(dir, "out"), cache: filepath.Join(dir, "cache"), static: true}
	page := "../../../wasm/"
	list := []string{filepath.Join(dir, "main.wasm"), filepath.Join(dir, "wasm_exec.js"), page + "style.css", page + "boot.js", page + "icon.svg", "../../../engine/gpu/replay.js"}
	require.NoError(t, p.run(page+"index.html", list, filepath.Join(dir, "bundle")))
	data, err := os.ReadFile(filepath.Join(p.out, "index.html"))
	require.NoError(t, err)
	policy := strings.Index(string(data), `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; `)
	require.Positive(t, policy)
	assert.Less(t, policy, strings.Index(string(data), "<script"))
	assert.Less(t, policy, strings.Index(string(data), "<link"))
	assert.NotContains(t, string(data), "frame-ancestors", "which a page cannot say")
	compressed, err := filepath.Glob(filepath.Join(p.out, "*", "*.br"))
	require.NoError(t, err)
	assert.Empty(t, compressed)

	for _, address := range []string{`<script src="/a.js">`, `<link href="https://elsewhere.example/">`, `<img src="data:,">`} {
		_, err := stateless([]byte(`<meta charset="utf-8">` + address))
		assert.ErrorContains(t, err, "not relative", address)
	}
	_, err = stateless([]byte("<p>"))
	assert.ErrorContains(t, err, "policy")
}
