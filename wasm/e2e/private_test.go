package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// session does what a person does in one visit.
func (p *page) session() {
	p.t.Helper()
	p.until("ready", 3*time.Minute)
	p.click("#example")
	p.draw(spot{.3, .3}, spot{.7, .3})
	p.click("#undo")
	p.run(chromedp.SendKeys("#prompt", " and red ha"))
	p.click("#prompt-offers li")
	p.alone("text")
	p.click("#card-text summary")
	p.click("#map-text")
	p.set("end-text", "90")
	p.set("steps", "1")
	p.set("count", "2")
	p.sample(2 * time.Minute)
	p.click("#grid button")
	file := p.saved()
	p.click("#favourite")
	p.click("#compare")
	p.click("#comparing-close")
	p.click("#strip button:last-child")
	p.click("#delete")
	p.give("drop", "again.png", "image/png", file)
	require.Eventually(p.t, func() bool { return strings.HasPrefix(p.text("#announce"), "Opened") }, 10*time.Second, 50*time.Millisecond, p.text("#notice-text"))
	live := func() { // chromedp finds no element any more after a file's page was dropped on
		eval[bool](p, `(document.getElementById("live").click(), true)`)
	}
	live()
	p.draw(spot{.2, .2}, spot{.3, .2})
	require.Eventually(p.t, func() bool { return strings.HasPrefix(p.text("#status"), "Done") }, 2*time.Minute, 50*time.Millisecond)
	live()
	time.Sleep(time.Second) // for what comes late
}

// asks tells whether closing the page would be asked about.
func (p *page) asks() bool {
	p.t.Helper()
	return eval[bool](p, `!dispatchEvent(new Event("beforeunload", {cancelable: true}))`)
}

// forbidden checks that the page's policy lets nothing out, not even what is asked for.
func (p *page) forbidden() {
	p.t.Helper()
	eval[bool](p, `(fetch("https://policy.example/x").catch(() => 0), true)`)
	require.Eventually(p.t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return strings.Contains(strings.Join(p.problems, "\n"), "connect-src blocked https://policy.example")
	}, 10*time.Second, 50*time.Millisecond, "the policy let the page ask another server")
}

// asked is what a net log tells of one request.
type asked struct {
	Params struct {
		URL       string `json:"url"`
		Initiator string `json:"initiator"` // the origin that asks; the browser itself is none
	} `json:"params"`
}

// private reads a visit's net log: how much page and worker asked for, and what of
// it does not begin with own. (Chromium asks its maker for things of its own, in
// any page.)
func private(t *testing.T, log, own string) (all int, foreign []string) {
	t.Helper()
	f, err := os.Open(log)
	require.NoError(t, err)
	defer f.Close()
	lines := bufio.NewScanner(f) // one event a line
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var a asked
		line := bytes.TrimSuffix(bytes.TrimRight(lines.Bytes(), ", "), []byte("]}"))
		if json.Unmarshal(line, &a) != nil || a.Params.URL == "" || a.Params.Initiator == "" || a.Params.Initiator == "not an origin" {
			continue
		}
		all++
		if own == "" || !strings.HasPrefix(a.Params.URL, own+"/") {
			foreign = append(foreign, a.Params.Initiator+" asked for "+a.Params.URL)
		}
	}
	require.NoError(t, lines.Err())
	return all, foreign
}

// The reader of net logs must see what it is there for.
func TestForeignRequestIsSeen(t *testing.T) {
	log := filepath.Join(t.TempDir(), "net.json")
	require.NoError(t, os.WriteFile(log, []byte(`{"constants":{},
"events": [
{"params":{"initiator":"http://localhost:1","url":"http://localhost:1/main.wasm"},"time":"1"},
{"params":{"initiator":"not an origin","url":"https://maker.example/"},"time":"2"},
{"params":{"initiator":"http://localhost:1","url":"http://localhost:12/x"},"time":"3"},
{"params":{"initiator":"null","url":"https://elsewhere.example/x"},"time":"4"}]}
`), 0o644))
	all, foreign := private(t, log, "http://localhost:1")
	assert.Equal(t, 3, all)
	assert.Len(t, foreign, 2)
	_, foreign = private(t, log, "")
	assert.Len(t, foreign, 3)
}

// TestPrivate records every request of a whole visit, by the browser's debugger
// and by its net log, which has those of the worker too: on http all go
// to the page's own server, and from the one file, opened from the disk, none is made at
// all. What the policy blocks fails the test, too.
func TestPrivate(t *testing.T) {
	for _, kind := range []string{"http", "file"} {
		t.Run(kind, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "net.json")
			flag := chromedp.Flag("log-net-log", log)
			var p *page
			own := ""
			if kind == "http" {
				p = open(t, 1280, 1000, 8*time.Minute, flag)
				own = p.url
			} else {
				p = visit(t, oneFile(t), 1280, 1000, 4*time.Minute, flag)
			}
			p.until("ready", 3*time.Minute)
			p.draw(spot{.2, .3}, spot{.4, .3})
			p.click("#example")
			assert.Equal(t, kind == "file", p.asks(), "the line, which Bring mine back would bring")
			p.session()
			p.quiet()
			assert.Equal(t, kind == "file", p.asks(), "the browser asks before something is lost, and only then")
			assert.Equal(t, kind == "http", eval[int](p, "localStorage.length") > 0, "all local pages share a storage: the one file keeps nothing there")
			p.forbidden()
			require.NoError(t, chromedp.Cancel(p.ctx)) // only a browser that ends writes all of its log
			n, foreign := private(t, log, own)
			assert.Empty(t, foreign)
			if kind == "http" {
				assert.Greater(t, n, 10, "the log misses the page's own requests")
			}
		})
	}
}
