package e2e

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/weights/bundle"
)

// oneFile is the address of the page of one file.
func oneFile(t *testing.T) string {
	t.Helper()
	file, err := filepath.Abs("../../server/offline/mcdm.html")
	require.NoError(t, err)
	if _, err := os.Stat(file); err != nil {
		t.Fatalf("%v: run \"make offline\" first", err)
	}
	return "file://" + file
}

// A file that was cut off says so, wherever that was.
func TestTornFile(t *testing.T) {
	whole, err := os.ReadFile(strings.TrimPrefix(oneFile(t), "file://"))
	require.NoError(t, err)
	program := bytes.Index(whole, []byte(`<script type="application/gzip" id="main.`))
	manifest := bytes.Index(whole, []byte(`id="bundle/manifest.json"`))
	require.Less(t, program, manifest)
	torn := filepath.Join(t.TempDir(), "torn.html")
	var p *page
	for _, cut := range []struct {
		at    int
		words string
	}{
		{program, "This file is not whole: save it again."},
		{program + 1<<20, "This file is not whole: save it again."},
		{manifest + 1000, "manifest.json: it is damaged in this file. Save the file again."},
		{len(whole) - 1<<20, "it is damaged in this file. Save the file again."},
	} {
		require.NoError(t, os.WriteFile(torn, whole[:cut.at], 0o644))
		if p == nil {
			p = visit(t, "file://"+torn, 1280, 860, 2*time.Minute)
		} else {
			p.run(chromedp.Reload())
		}
		require.Eventually(t, func() bool { return strings.Contains(p.text("#notice-text"), cut.words) }, 30*time.Second, 100*time.Millisecond,
			"cut off at %d: %s", cut.at, p.text("#notice-text"))
		assert.Equal(t, "failed", p.state())
	}
}

// With its server gone the page opens all the same, and makes a picture, even if
// the server had a newer build before the page was kept.
func TestServerGone(t *testing.T) {
	t.Parallel()
	whole := serve(t, small(t))
	var gone atomic.Bool
	var asked sync.Map
	p := openAt(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case gone.Load() && r.URL.Path == "/":
			w.WriteHeader(502) // what stands before the server is there
			return
		case gone.Load():
			panic(http.ErrAbortHandler) // as if nobody were there
		}
		if name := r.URL.Path; name == "/" || path.Base(name) == bundle.ManifestName {
			if _, again := asked.LoadOrStore(name, true); again {
				_, _ = io.WriteString(w, "of a newer build")
				return
			}
		}
		whole.ServeHTTP(w, r)
	}), 1280, 860, 8*time.Minute)
	p.until("ready", 3*time.Minute)
	require.Eventually(t, func() bool { return !eval[bool](p, `document.getElementById("kept").hidden`) }, time.Minute, 100*time.Millisecond, "nothing is kept")
	installable, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](`fetch(document.querySelector("link[rel=manifest]").href).then((r) => r.json()).then((m) => m.icons[0].src + " " + m.display)`, chromedp.EvalAwaitPromise))
	require.NoError(t, err)
	assert.Equal(t, "icon.svg standalone", installable)
	gone.Store(true)
	for _, name := range []string{"/", "/index.html?from=elsewhere"} {
		p.run(chromedp.Navigate("about:blank"), chromedp.Navigate(p.url+name))
		p.until("ready", 3*time.Minute)
	}
	p.alone("")
	p.set("steps", "1")
	p.generate()
	p.screenshot("server-gone")
}
