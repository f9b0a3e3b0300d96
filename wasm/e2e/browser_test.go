package e2e

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/server/site"
	"github.com/mcdm/mcdm/wasm/e2e/headless"
)

// page is the built page in a headless Chromium, and what went on in it.
type page struct {
	t   testing.TB
	ctx context.Context
	url string

	mu       sync.Mutex
	problems []string // console errors, exceptions, blocked requests
	requests []string
}

// open serves the built page and opens it. wait bounds the whole test.
func open(t testing.TB, width, height int, wait time.Duration, more ...chromedp.ExecAllocatorOption) *page {
	t.Helper()
	return openAt(t, serve(t, os.DirFS(dist)), width, height, wait, more...)
}

// dist is what "make build" made.
const dist = "../../server/dist"

// serve is the page's server.
func serve(t testing.TB, files fs.FS) http.Handler {
	t.Helper()
	handler, err := site.Handler(files)
	require.NoError(t, err)
	return handler
}

// openAt opens the page that a server of one's own serves.
func openAt(t testing.TB, handler http.Handler, width, height int, wait time.Duration, more ...chromedp.ExecAllocatorOption) *page {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return visit(t, strings.Replace(server.URL, "127.0.0.1", "localhost", 1), width, height, wait, more...)
}

// visit opens the page of an address.
func visit(t testing.TB, url string, width, height int, wait time.Duration, more ...chromedp.ExecAllocatorOption) *page {
	t.Helper()
	p, end := launch(t, url, width, height, more...)
	t.Cleanup(end)
	p.lend(t, wait)
	return p
}

// launch starts a browser and opens the page of an address; end ends the browser.
func launch(t testing.TB, url string, width, height int, more ...chromedp.ExecAllocatorOption) (p *page, end func()) {
	t.Helper()
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Fatal(`chromium is not installed: run "make deps"`)
	}
	options := append(headless.Flags(), chromedp.WindowSize(width, height))
	ctx, stop := chromedp.NewExecAllocator(context.Background(), append(options, more...)...)
	ctx, leave := chromedp.NewContext(ctx)
	p = &page{t: t, ctx: ctx, url: url}
	require.NoError(t, chromedp.Listen(ctx, p.listen))
	_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	require.NoError(t, err)
	_, err = chromedp.Call(ctx, cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: watch})
	require.NoError(t, err)
	p.run(chromedp.EmulateViewport(int64(width), int64(height)), chromedp.Navigate(p.url))
	return p, func() { leave(); stop() }
}

// lend gives the page to a test for some time.
func (p *page) lend(t testing.TB, wait time.Duration) {
	ctx, cancel := context.WithTimeout(p.ctx, wait)
	t.Cleanup(cancel)
	p.t, p.ctx = t, ctx
	t.Cleanup(func() {
		if t.Failed() {
			p.screenshot("failed-" + t.Name())
			t.Logf("the page said: %s; %s; %v", p.text("#status"), p.text("#notice-text"), p.problems)
		}
	})
}

// watch runs before the page does: what its policy blocks is a console error,
// which fails a quiet test, also where the browser itself reports nothing.
const watch = `document.addEventListener("securitypolicyviolation", (e) => console.error("policy: " + e.violatedDirective + " blocked " + e.blockedURI))`

func (p *page) listen(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeAssert {
			var words []string
			for _, a := range e.Args {
				words = append(words, string(a.Value)+a.Description)
			}
			p.problems = append(p.problems, "console: "+strings.Join(words, " "))
		}
	case *runtime.EventExceptionThrown:
		p.problems = append(p.problems, "exception: "+e.ExceptionDetails.Text)
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, e.Request.URL)
	}
}

func (p *page) run(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	require.NoError(p.t, chromedp.Do(p.ctx, actions...))
}

// eval runs JavaScript and returns its value.
func eval[T any](p *page, format string, args ...any) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](fmt.Sprintf(format, args...)))
	require.NoError(p.t, err)
	return v
}

func (p *page) text(selector string) string {
	s, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](fmt.Sprintf("document.querySelector(%q)?.textContent ?? ''", selector)))
	if err != nil {
		return err.Error()
	}
	return s
}

// state is what the page is doing.
func (p *page) state() string {
	return eval[string](p, `document.getElementById("studio").dataset.state`)
}

// until waits for the page's state.
func (p *page) until(state string, wait time.Duration) {
	p.t.Helper()
	for end := time.Now().Add(wait); ; time.Sleep(100 * time.Millisecond) {
		now := p.state()
		if now == state {
			return
		}
		if now == "failed" || time.Now().After(end) {
			p.t.Fatalf("the page is %q, want %q: %s; %s", now, state, p.text("#status"), p.text("#notice"))
		}
	}
}

// screenshot writes a picture of the page into the folder of SCREENSHOTS, if set.
func (p *page) screenshot(name string) {
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		p.t.Log(err)
		return
	}
	name = strings.ReplaceAll(name, "/", " ") // of a test in a test
	if err := os.WriteFile(fmt.Sprintf("%s/%s.png", dir, name), png, 0o644); err != nil {
		p.t.Log(err)
	}
}
