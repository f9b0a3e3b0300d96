package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/weights/golden"
	"github.com/mcdm/mcdm/weights/pack"
)

// real packs the page itself with a small program and bundle.
func real(t *testing.T, extra ...string) (string, error) {
	dir := t.TempDir()
	bundle, err := golden.Bundle(16)
	require.NoError(t, err)
	require.NoError(t, pack.Write(filepath.Join(dir, "bundle"), bundle))
	for name, text := range map[string]string{"main.wasm": "the program", "wasm_exec.js": "1", "bundle/.manifest.json.123": "a half"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	page := "../../../wasm/"
	list := append([]string{filepath.Join(dir, "main.wasm"), filepath.Join(dir, "wasm_exec.js"), page + "style.css", page + "boot.js", page + "icon.svg"}, extra...)
	data, err := build(page+"index.html", list, filepath.Join(dir, "bundle"))
	return string(data), err
}

func TestOneFile(t *testing.T) {
	page, err := real(t, "../../../engine/gpu/replay.js")
	require.NoError(t, err)
	again, err := real(t, "../../../engine/gpu/replay.js")
	require.NoError(t, err)
	assert.Equal(t, page, again)

	policy := regexp.MustCompile(`<meta http-equiv="Content-Security-Policy" content="([^"]*)">`).FindStringSubmatchIndex(page)
	require.NotNil(t, policy)
	assert.Less(t, policy[0], strings.Index(page, "<style"))
	text := page[policy[2]:policy[3]]
	assert.Contains(t, text, "connect-src 'none'")
	assert.NotContains(t, text, "'self'")
	assert.NotContains(t, text, "'unsafe-inline'")

	// Every script and style that browsers use is allowed by its hash, no other is.
	used := regexp.MustCompile(`(?s)<(?:script|style)>(.*?)</(?:script|style)>`).FindAllStringSubmatch(page, -1)
	require.Len(t, used, 4)
	for _, m := range used {
		sum := sha256.Sum256([]byte(m[1]))
		assert.Contains(t, text, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	}
	assert.Equal(t, 4, strings.Count(text, "sha256-"))

	inside := map[string]string{"main.wasm": "the program"}
	bundle, err := golden.Bundle(16)
	require.NoError(t, err)
	for name, data := range bundle {
		inside["bundle/"+name] = string(data)
	}
	assert.Equal(t, len(inside), strings.Count(page, "application/gzip"))
	for id, want := range inside {
		m := regexp.MustCompile(`<script type="application/gzip" id="` + regexp.QuoteMeta(id) + `">([^<]*)</script>`).FindStringSubmatch(page)
		require.NotNil(t, m, id)
		packed, err := base64.StdEncoding.DecodeString(m[1])
		require.NoError(t, err)
		z, err := gzip.NewReader(bytes.NewReader(packed))
		require.NoError(t, err)
		data, err := io.ReadAll(z)
		require.NoError(t, err)
		assert.Equal(t, want, string(data))
	}
	assert.Less(t, strings.LastIndex(page, "<script>"), strings.Index(page, "application/gzip"), "a file that was cut off could not say so")
	assert.NotContains(t, page, "webmanifest")
}

func TestRefused(t *testing.T) {
	_, err := real(t)
	require.ErrorContains(t, err, "refers to replay.js")
	dir := t.TempDir()
	path := filepath.Join(dir, "replay.js")
	require.NoError(t, os.WriteFile(path, []byte(`"</SCRIPT>"`), 0o644))
	_, err = real(t, path)
	require.ErrorContains(t, err, "cannot stand inside a page")
	_, err = real(t, "../../../engine/gpu/replay.js", filepath.Join(dir, "missing.js"))
	require.Error(t, err)
}
