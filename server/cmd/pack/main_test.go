package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
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
	"github.com/mcdm/mcdm/weights/golden"
	"github.com/mcdm/mcdm/weights/pack"
)

func write(t *testing.T, dir string, files map[string]string) {
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
}

// tiny makes a bundle in dir, with what a killed import may have left, and returns
// its files.
func tiny(t *testing.T, dir string) pack.Files {
	files, err := golden.Bundle(16)
	require.NoError(t, err)
	require.NoError(t, pack.Write(filepath.Join(dir, "bundle"), files))
	write(t, dir, map[string]string{"bundle/.none-0-0123456789abcdef.safetensors.123": "a half"})
	return files
}

func TestPack(t *testing.T) {
	dir := t.TempDir()
	style := strings.Repeat("p { margin: 0 }\n", 200)
	write(t, dir, map[string]string{
		"index.html":  `<link href="style.css"><script src="boot.js">`,
		"style.css":   style,
		"boot.js":     "1",
		"sw.js":       "2",
		"dist/.keep":  "",
		"dist/old.js": "of an earlier build",
	})
	bundle := tiny(t, dir)
	p := packer{out: filepath.Join(dir, "dist"), cache: filepath.Join(dir, "cache"), plain: []string{filepath.Join(dir, "sw.js")}}
	run := func() error {
		list := []string{filepath.Join(dir, "style.css"), filepath.Join(dir, "boot.js")}
		return p.run(filepath.Join(dir, "index.html"), list, filepath.Join(dir, "bundle"))
	}
	require.NoError(t, run())
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

	for name, data := range bundle {
		assert.Equal(t, data, read("bundle/"+name))
	}
	entries, err := os.ReadDir(filepath.Join(p.out, "bundle"))
	require.NoError(t, err)
	assert.Len(t, entries, len(bundle)+2, "the bundle, and two compressed copies of its manifest alone")
	assert.FileExists(t, filepath.Join(p.out, "bundle/manifest.json.br"))
	assert.NoFileExists(t, filepath.Join(p.out, "old.js"))
	assert.FileExists(t, filepath.Join(p.out, ".keep"))
	assert.Equal(t, "2", string(read("sw.js")), "which keeps its name")

	_, err = site.Handler(os.DirFS(p.out))
	assert.NoError(t, err)

	// The second time from the cache.
	cached, err := filepath.Glob(filepath.Join(p.cache, "*.br"))
	require.NoError(t, err)
	for _, path := range cached {
		require.NoError(t, os.WriteFile(path, []byte("of the cache"), 0o644))
	}
	require.NoError(t, run())
	assert.Equal(t, "of the cache", string(read(hashed[1]+".br")))

	// What cannot be read leaves the old site; what cannot be written leaves none.
	require.NoError(t, os.Remove(p.plain[0]))
	assert.ErrorContains(t, run(), "sw.js")
	_, err = site.Handler(os.DirFS(p.out))
	assert.NoError(t, err)
	p.plain = nil
	require.NoError(t, os.RemoveAll(p.cache))
	sum := sha256.Sum256(bundle["manifest.json"])
	write(t, dir, map[string]string{"cache/" + hex.EncodeToString(sum[:]) + ".br.part/x": "in the way"})
	assert.ErrorContains(t, run(), ".br.part")
	_, err = site.Handler(os.DirFS(p.out))
	assert.ErrorContains(t, err, "no index.html")
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
	write(t, dir, map[string]string{"main.wasm": "1", "wasm_exec.js": "2"})
	tiny(t, dir)
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
