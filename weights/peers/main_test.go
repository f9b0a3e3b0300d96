package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want [3]float64
	}{
		{[]float64{2}, [3]float64{2, 2, 2}},
		{[]float64{3, 1}, [3]float64{2, 1, 3}},
		{[]float64{9, 1, 2}, [3]float64{2, 1, 9}},
		{[]float64{4, 1, 3, 2}, [3]float64{2.5, 1, 4}},
	} {
		m, least, most := spread(c.in)
		assert.Equal(t, c.want, [3]float64{m, least, most}, "%v", c.in)
	}
}

func TestCheck(t *testing.T) {
	assert.NoError(t, check(1, []string{"tfjs", "ours"}, nil))
	for _, c := range []struct {
		rounds     int
		only, rest []string
		want       string
	}{
		{0, peers, nil, "-rounds 0: want 1 or more"},
		{5, []string{"ort-wasm", "ort"}, nil, "-only ort: want some of ours, ort-webgpu, ort-wasm, tfjs"},
		{5, peers, []string{"gpu"}, `["gpu"] is no option`},
	} {
		assert.ErrorContains(t, check(c.rounds, c.only, c.rest), c.want)
	}
}

// Peers get the same files, each on its own account, and the page may use threads.
func TestServerCounts(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "cache"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "cache", "step.onnx"), make([]byte, 1000), 0o644))
	s := newServer(dir)
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w
	}
	w := get("/ort-wasm/step.onnx")
	assert.Equal(t, 1000, w.Body.Len())
	assert.Equal(t, "require-corp", w.Header().Get("Cross-Origin-Embedder-Policy"))
	assert.Equal(t, "same-origin", w.Header().Get("Cross-Origin-Opener-Policy"))
	get("/ort-webgpu/step.onnx")
	get("/ort-webgpu/step.onnx")
	get("/step.onnx")
	assert.Equal(t, map[string]int{"": 1000, "ort-wasm": 1000, "ort-webgpu": 2000}, s.sent)

	w = get("/tfjs/frame.js")
	assert.Equal(t, "gzip", w.Header().Get("Content-Encoding"))
	assert.Equal(t, w.Body.Len(), s.bytes("tfjs"))
	assert.Equal(t, 404, get("/tfjs/none.js").Code)
}
