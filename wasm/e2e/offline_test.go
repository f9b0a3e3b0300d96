package e2e

import (
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
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

// With its server gone the page opens all the same, and makes a picture, even if
// the server had a newer build before the page was kept.
func TestServerGone(t *testing.T) {
	whole := serve(t, small(t))
	var gone atomic.Bool
	var asked sync.Map
	p := openAt(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if gone.Load() {
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
	p.run(chromedp.Navigate("about:blank"), chromedp.Navigate(p.url))
	p.until("ready", 3*time.Minute)
	p.alone("")
	p.set("steps", "1")
	p.generate()
	p.screenshot("server-gone")
}
