// Package e2e drives the built page, with the shipped bundle, in a headless
// Chromium: real strokes, real paint, a typed sentence, a sampled picture. Tests that
// mostly wait, in browsers of their own, run beside each other, after the others.
package e2e

import (
	"context"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// shared is one page with the shipped networks for all tests that need none of
// their own: to load it takes as long as most of them do.
var shared struct {
	page  *page
	ctx   context.Context // of its browser
	end   func()
	first string // what its controls hold at first, in JSON
}

func TestMain(m *testing.M) {
	code := m.Run()
	endShared()
	os.Exit(code)
}

func endShared() {
	if shared.page != nil {
		shared.end()
		shared.page = nil
	}
}

// studio is the shared page as a new visitor finds it, but for the history, the last
// picture and the next example.
func studio(t *testing.T, width, height int, wait time.Duration) *page {
	t.Helper()
	if shared.page == nil {
		server := httptest.NewServer(serve(t, os.DirFS(dist)))
		p, end := launch(t, strings.Replace(server.URL, "127.0.0.1", "localhost", 1), width, height)
		shared.page, shared.ctx, shared.first = p, p.ctx, ""
		shared.end = func() { end(); server.Close() }
	}
	p := shared.page
	p.ctx = shared.ctx
	t.Cleanup(func() {
		if t.Failed() { // who knows how it was left
			endShared()
		}
	})
	p.lend(t, wait)
	p.run(chromedp.EmulateViewport(int64(width), int64(height)))
	p.until("ready", 3*time.Minute)
	if shared.first == "" {
		p.screenshot("ready")
		shared.first = eval[string](p, `(() => {%s return JSON.stringify(state()) })()`, controls)
	} else {
		eval[bool](p, `(() => {%s return anew(%s) })()`, controls, shared.first)
	}
	p.mu.Lock()
	p.problems = nil
	p.mu.Unlock()
	return p
}

// controls are what a person sets on the page: state gives what they hold, and anew
// brings that back, and an empty board.
const controls = `
const get = (id) => document.getElementById(id);
const tools = () => [...document.querySelectorAll(".tools button:not([hidden])")];
const fields = () => [...document.querySelectorAll("input:not([type=file], [type=radio], #size), select, textarea")];
const read = (e) => e.type === "checkbox" ? e.checked : e.value;
const set = (e, value) => {
	if (read(e) === value) return;
	if (e.type === "checkbox") return e.click();
	e.value = value;
	for (const kind of ["input", "change"]) e.dispatchEvent(new Event(kind, {bubbles: true}));
};
const state = () => {
	const sizes = tools().map((tool) => (tool.click(), get("size").value));
	get("tool-pencil").click();
	return {sizes, fields: Object.fromEntries(fields().map((e) => [e.id, read(e)]))};
};
const anew = (first) => {
	for (const id of ["live", "lock", "mirror"]) if (get(id).ariaPressed === "true") get(id).click();
	for (const id of ["import-cancel", "start-remove", "notice-close"]) if (get(id).checkVisibility()) get(id).click();
	for (const e of fields()) set(e, first.fields[e.id]);
	tools().forEach((tool, i) => (tool.click(), set(get("size"), first.sizes[i])));
	for (const id of ["tool-pencil", "fit", "clear"]) get(id).click();
	for (const e of document.querySelectorAll("details, dialog")) e.open = false;
	scrollTo(0, 0);
	return true;
};`
