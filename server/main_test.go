package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var page = fstest.MapFS{"index.html": {Data: []byte("<p>hello")}}

func TestServesUntilStopped(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- serve(ctx, "127.0.0.1:0", page, in)
		in.Close()
	}()
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	url, ok := strings.CutPrefix(lines.Text(), "mcdm is at ")
	require.True(t, ok, lines.Text())

	r, err := http.Get(url)
	require.NoError(t, err)
	body, err := io.ReadAll(r.Body)
	r.Body.Close()
	require.NoError(t, err)
	assert.Equal(t, "<p>hello", string(body))

	stop()
	require.True(t, lines.Scan())
	assert.Equal(t, "stopping", lines.Text())
	select {
	case err := <-done:
		assert.NoError(t, err)
	case <-time.After(10 * time.Second):
		t.Fatal("the server does not stop")
	}
	_, err = http.Get(url)
	assert.Error(t, err)
}

func TestProblemsAreNamed(t *testing.T) {
	assert.ErrorContains(t, serve(t.Context(), "127.0.0.1:0", fstest.MapFS{}, io.Discard), "make build")
	assert.ErrorContains(t, serve(t.Context(), "127.0.0.1:99999", page, io.Discard), "-addr")
}
