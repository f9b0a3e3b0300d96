package shards

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/weights/bundle"
)

// world is a bundle, a server of it that a test can break, and a page's memory.
type world struct {
	shards []bundle.Shard
	files  map[string][]byte
	url    string

	mu     sync.Mutex
	broken func(w http.ResponseWriter, r *http.Request) bool // true: it has answered
	asked  []string                                          // name and Range
	sent   int                                               // bytes
	taken  map[string][]byte
	back   bool // the bar has gone back
}

func newWorld(t *testing.T, sizes ...int) *world {
	v := &world{files: map[string][]byte{}, taken: map[string][]byte{}}
	chance := rand.New(rand.NewPCG(1, 2))
	for i, size := range sizes {
		data := make([]byte, size)
		for k := range data {
			data[k] = byte(chance.Uint32())
		}
		sum := sha256.Sum256(data)
		h := bundle.Shard{Name: fmt.Sprintf("part-%d.safetensors", i), Size: size, SHA256: hex.EncodeToString(sum[:])}
		v.shards, v.files[h.Name] = append(v.shards, h), data
	}
	server := httptest.NewServer(http.HandlerFunc(v.serve))
	t.Cleanup(server.Close)
	v.url = server.URL + "/"
	return v
}

func (v *world) serve(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Path[1:]
	v.mu.Lock()
	v.asked = append(v.asked, strings.TrimSpace(name+" "+r.Header.Get("Range")))
	broken := v.broken
	v.mu.Unlock()
	if broken != nil && broken(w, r) {
		return
	}
	w.Header().Set("ETag", `"`+name+`"`)
	http.ServeContent(&counted{w, v}, r, name, time.Time{}, bytes.NewReader(v.files[name]))
}

type counted struct {
	http.ResponseWriter
	v *world
}

func (c *counted) Write(p []byte) (int, error) {
	c.v.mu.Lock()
	c.v.sent += len(p)
	c.v.mu.Unlock()
	return c.ResponseWriter.Write(p)
}

func (v *world) ask(ctx context.Context, name string, header map[string]string) (*Answer, error) {
	q, err := http.NewRequestWithContext(ctx, "GET", v.url+name, nil)
	if err != nil {
		return nil, err
	}
	for k, s := range header {
		q.Header.Set(k, s)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := client.Do(q)
	if err != nil {
		return nil, err
	}
	return &Answer{Status: r.StatusCode, Redirected: r.StatusCode/100 == 3, Header: r.Header.Get, Body: r.Body}, nil
}

// use is what a graphics card does.
func (v *world) use(i int, data []byte) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	name := v.shards[i].Name
	if v.taken[name] != nil {
		return fmt.Errorf("%s comes twice", name)
	}
	v.taken[name] = bytes.Clone(data)
	return nil
}

func (v *world) loader(store Store) *Loader {
	l := New(v.shards, v.ask, store)
	l.pause, l.stall = time.Microsecond, 20*time.Second
	return l
}

// load is a visit: what was used before is forgotten.
func (v *world) load(l *Loader) (got int, err error) {
	v.mu.Lock()
	v.taken = map[string][]byte{}
	v.mu.Unlock()
	last := 0
	err = l.Load(context.Background(), v.use, func(n int) { v.back, got, last = v.back || n < last, n, n })
	return got, err
}

func (v *world) whole(t *testing.T, got int) {
	t.Helper()
	total := 0
	for _, h := range v.shards {
		total += h.Size
		require.True(t, bytes.Equal(v.files[h.Name], v.taken[h.Name]), "%s has other bytes", h.Name)
	}
	assert.Equal(t, total, got, "what the bar shows")
}

// cutter ends the connection when so many bytes have gone.
type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(p []byte) (int, error) {
	if len(p) <= c.left {
		c.left -= len(p)
		return c.ResponseWriter.Write(p)
	}
	_, _ = c.ResponseWriter.Write(p[:c.left])
	_ = http.NewResponseController(c.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

// The connection is cut 100 times, anywhere: in the end the weights are the very
// bytes, or there is an error and another try goes on from there.
func TestCuts(t *testing.T) {
	for seed := range uint64(8) {
		v := newWorld(t, 700_001, 900_000, 300_007, 1_200_000)
		chance := rand.New(rand.NewPCG(seed, 0))
		longest := []int{50_000, 4_000}[seed%2] // short ones use up all patience
		cuts := 0
		v.broken = func(w http.ResponseWriter, r *http.Request) bool {
			v.mu.Lock()
			again, left := cuts < 100, chance.IntN(longest)
			if again {
				cuts++
			}
			v.mu.Unlock()
			if !again {
				return false
			}
			w.Header().Set("ETag", `"`+r.URL.Path[1:]+`"`)
			http.ServeContent(&cutter{&counted{w, v}, left}, r, r.URL.Path, time.Time{}, bytes.NewReader(v.files[r.URL.Path[1:]]))
			return true
		}
		l := v.loader(nil)
		got, err := v.load(l)
		retries := 0
		for ; err != nil; retries++ {
			var shard *Error
			require.ErrorAs(t, err, &shard)
			require.Contains(t, shard.What, "the connection broke after")
			require.Less(t, retries, 100)
			got, err = v.load(l)
		}
		require.Equal(t, 100, cuts)
		v.whole(t, got)
		assert.False(t, v.back, "seed %d: bytes thrown away instead of resumed", seed)
		t.Logf("seed %d: %d requests, %d presses of retry, %d bytes sent for 3100008", seed, len(v.asked), retries, v.sent)
	}
}

// faults are what a server can do, and the words for it.
var faults = []struct {
	name, words string
	do          func(w http.ResponseWriter, r *http.Request, data []byte)
}{
	{"404", "the server answered 404. The server may have newer networks by now: reload the page.", func(w http.ResponseWriter, r *http.Request, _ []byte) { http.NotFound(w, r) }},
	{"410", "the server answered 410. The server may have newer networks by now: reload the page.", func(w http.ResponseWriter, _ *http.Request, _ []byte) { w.WriteHeader(410) }},
	{"429", "the server answered 429 (tried 5 times)", func(w http.ResponseWriter, _ *http.Request, _ []byte) { w.WriteHeader(429) }},
	{"500", "the server answered 500 (tried 5 times)", func(w http.ResponseWriter, _ *http.Request, _ []byte) { w.WriteHeader(500) }},
	{"redirect", "redirected elsewhere", func(w http.ResponseWriter, r *http.Request, _ []byte) {
		http.Redirect(w, r, "https://example.com/", 302)
	}},
	{"wrong type", "text/html came in place of weights", func(w http.ResponseWriter, _ *http.Request, data []byte) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(data)
	}},
	{"error as XML", "application/xml came in place of weights", func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		w.Header().Set("Content-Type", "application/xml")
	}},
	{"error as JSON", "application/problem+json came in place of weights", func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		w.Header().Set("Content-Type", "application/problem+json")
	}},
	{"wrong hash", "its SHA-256 is not the manifest's: the file is damaged, or another one (tried 2 times)", func(w http.ResponseWriter, _ *http.Request, data []byte) {
		data = bytes.Clone(data)
		data[len(data)/2] ^= 1
		_, _ = w.Write(data)
	}},
	{"short", "it ended after", func(w http.ResponseWriter, r *http.Request, data []byte) {
		w.Header().Set("Content-Length", fmt.Sprint(len(data)-1))
		_, _ = w.Write(data[:len(data)-1])
	}},
	{"short, with ranges", "(tried 5 times). The bundle on the server is not complete", func(w http.ResponseWriter, r *http.Request, data []byte) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data[:len(data)/2]))
	}},
	{"stall", "nothing came for 100ms after 1000 of", func(w http.ResponseWriter, r *http.Request, data []byte) {
		if r.Header.Get("Range") == "" {
			_, _ = w.Write(data[:1000])
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	}},
	{"another part", "not the part that was asked for", func(w http.ResponseWriter, r *http.Request, data []byte) {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes 7-%d/%d", len(data)-1, len(data)))
		w.WriteHeader(206)
		_, _ = w.Write(data[7:])
	}},
	{"part of a longer file", "not the part that was asked for", func(w http.ResponseWriter, r *http.Request, data []byte) {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", len(data)-1, len(data)+1))
		w.WriteHeader(206)
		_, _ = w.Write(data)
	}},
}

// Every fault of every shard ends in words that name it. When the server is well
// again, another try fetches what is missing and no more.
func TestFaults(t *testing.T) {
	for _, f := range faults {
		for _, bad := range []int{0, 2, 5} {
			t.Run(fmt.Sprintf("%s of shard %d", f.name, bad), func(t *testing.T) {
				v := newWorld(t, 40_000, 50_000, 60_000, 40_001, 50_001, 60_001)
				name := v.shards[bad].Name
				v.broken = func(w http.ResponseWriter, r *http.Request) bool {
					if r.URL.Path[1:] == name {
						f.do(w, r, v.files[name])
					}
					return r.URL.Path[1:] == name
				}
				l := v.loader(nil)
				l.stall = 20 * time.Second
				if f.name == "stall" {
					l.stall = 100 * time.Millisecond
				}
				_, err := v.load(l)
				var shard *Error
				require.ErrorAs(t, err, &shard)
				assert.Equal(t, "shard "+name, shard.File)
				assert.Contains(t, err.Error(), f.words)
				require.NotContains(t, v.taken, name)
				had := len(v.taken)
				v.mu.Lock()
				v.broken, v.asked = nil, nil
				v.mu.Unlock()
				l.stall = 20 * time.Second
				got, err := v.load(l)
				require.NoError(t, err)
				v.whole(t, got)
				again := map[string]bool{} // a request that was given up may arrive late
				for _, a := range v.asked {
					again[strings.Fields(a)[0]] = true
				}
				assert.Len(t, again, len(v.shards)-had)
			})
		}
	}
}

// The manifest comes by the same rules: it is had in spite of one fault, and
// where there is no end of them the words say what and where.
func TestManifest(t *testing.T) {
	good, err := os.ReadFile("../../weights/bundles/avatars/manifest.json")
	require.NoError(t, err)
	v := newWorld(t)
	v.files[bundle.ManifestName] = good
	for _, test := range []struct {
		name, words string
		passes      bool // once
		do          func(w http.ResponseWriter, r *http.Request)
	}{
		{"404", "the server answered 404. The bundle on the server is not complete", false, http.NotFound},
		{"500", "the server answered 500 (tried 5 times)", true, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }},
		{"redirect", "redirected elsewhere", false, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "https://example.com/", 302) }},
		{"wrong type", "text/html came in place of the bundle's manifest", false, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write(good)
		}},
		{"torn", "the file is torn", true, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(good[:len(good)/2]) }},
		{"another version", "manifest.json: version is 7 and this program reads version 1", true, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(bytes.Replace(good, []byte(`"version":1`), []byte(`"version":7`), 1))
		}},
		{"endless", "it has more than 16 MiB", false, func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = w.Write(good)
			}
		}},
		{"cut", "the connection broke after 1000 bytes", true, func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(&cutter{w, 1000}, r, "", time.Time{}, bytes.NewReader(good))
		}},
		{"stall", "nothing came for 100ms after 1000 bytes (tried 3 times)", true, func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write(good[:1000])
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}},
		{"a part", "not the part that was asked for", true, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 7-%d/%d", len(good)-1, len(good)))
			w.WriteHeader(206)
			_, _ = w.Write(good[7:])
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			left := 0
			v.broken = func(w http.ResponseWriter, r *http.Request) bool {
				v.mu.Lock()
				left--
				now := left >= 0
				v.mu.Unlock()
				if now {
					test.do(w, r)
				}
				return now
			}
			l := newWire(v.ask)
			l.pause, l.stall = time.Microsecond, 20*time.Second
			if test.name == "stall" {
				l.stall = 100 * time.Millisecond
			}
			left = 99
			_, err := l.manifest(context.Background())
			var file *Error
			require.ErrorAs(t, err, &file)
			assert.Equal(t, bundle.ManifestName, file.File)
			assert.Contains(t, err.Error(), test.words)
			v.mu.Lock()
			left = 1
			v.mu.Unlock()
			data, err := l.manifest(context.Background())
			if test.passes {
				require.NoError(t, err)
				assert.Equal(t, good, data)
			} else {
				require.Error(t, err)
			}
		})
	}
}

// The server's file changes between a cut and the next request: pieces of two
// files are never one.
func TestChangedMeanwhile(t *testing.T) {
	v := newWorld(t, 300_000)
	first := true
	v.broken = func(w http.ResponseWriter, r *http.Request) bool {
		if !first {
			return false
		}
		first = false
		w.Header().Set("ETag", `"of before"`)
		http.ServeContent(&cutter{w, 100_000}, r, "", time.Time{}, bytes.NewReader(make([]byte, 300_000)))
		return true
	}
	got, err := v.load(v.loader(nil))
	require.NoError(t, err)
	v.whole(t, got)
	require.Len(t, v.asked, 2)
	assert.Contains(t, v.asked[1], "bytes=")
}

// Servers that compress mark their tags as weak: the rest is asked for all the same.
func TestWeakTag(t *testing.T) {
	v := newWorld(t, 300_000)
	first := true
	v.broken = func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("ETag", `W/"1"`)
		if first {
			w = &cutter{w, 100_000}
		}
		first = false
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(v.files[v.shards[0].Name]))
		return true
	}
	got, err := v.load(v.loader(nil))
	require.NoError(t, err)
	v.whole(t, got)
	assert.Len(t, v.asked, 2)
	assert.False(t, v.back, "begun anew")
}

// A server that is slow, but sends, is not given up.
func TestSlow(t *testing.T) {
	v := newWorld(t, 12)
	v.broken = func(w http.ResponseWriter, r *http.Request) bool {
		for _, c := range v.files[v.shards[0].Name] {
			time.Sleep(60 * time.Millisecond)
			_, _ = w.Write([]byte{c})
			_ = http.NewResponseController(w).Flush()
		}
		return true
	}
	l := v.loader(nil)
	l.stall = 500 * time.Millisecond
	got, err := v.load(l)
	require.NoError(t, err)
	v.whole(t, got)
	assert.Len(t, v.asked, 1)
}

// The first shard that cannot be had ends the others, and no other try is made where
// none can help.
func TestTheFirstErrorEnds(t *testing.T) {
	v := newWorld(t, 10_000, 10_000, 10_000)
	asked := 0
	l := New(v.shards, func(ctx context.Context, name string, _ map[string]string) (*Answer, error) {
		if name == v.shards[1].Name {
			asked++
			return nil, &Error{What: "it is torn", Do: "Save it again."}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(10 * time.Second):
			return nil, errors.New("it was not ended")
		}
	}, nil)
	begun := time.Now()
	_, err := v.load(l)
	assert.EqualError(t, err, "shard part-1.safetensors: it is torn. Save it again.")
	assert.Less(t, time.Since(begun), 10*time.Second)
	assert.Equal(t, 1, asked)
}

// A stop ends at once.
func TestStopped(t *testing.T) {
	v := newWorld(t, 300_000)
	begun := make(chan struct{}, 9)
	v.broken = func(w http.ResponseWriter, r *http.Request) bool {
		begun <- struct{}{}
		<-r.Context().Done()
		return true
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() { <-begun; stop() }()
	err := v.loader(nil).Load(ctx, v.use, func(int) {})
	assert.ErrorIs(t, err, context.Canceled)
	assert.Len(t, v.asked, 1)
}

// memory is a store with room for so many files.
type memory struct {
	mu    sync.Mutex
	files map[string][]byte
	room  int
	torn  string // cannot be read
}

func (m *memory) Get(name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if name == m.torn {
		return nil, errors.New("NotReadableError")
	}
	return bytes.Clone(m.files[name]), nil
}

func (m *memory) Put(name string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.files) >= m.room {
		return errors.New("QuotaExceededError")
	}
	m.files[name] = bytes.Clone(data)
	return nil
}

func (m *memory) Delete(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, name)
	if name == m.torn {
		m.torn = ""
	}
	return nil
}

func (m *memory) Names() (names []string, _ error) {
	for name := range m.files {
		names = append(names, name)
	}
	return names, nil
}

// A visit keeps what it loads, the next asks for nothing; a damaged file is
// fetched again, one of an earlier bundle makes room.
func TestKept(t *testing.T) {
	v := newWorld(t, 40_000, 50_000, 60_000)
	m := &memory{files: map[string][]byte{"older.safetensors": {1}}, room: 3}
	l := v.loader(m)
	_, err := v.load(l)
	require.NoError(t, err)
	require.Contains(t, m.files, "older.safetensors", "deleted before the new one is complete")
	require.NoError(t, l.Tidy(), "there is room without the older one")
	assert.Equal(t, v.files, m.files)

	v.asked = nil
	got, err := v.load(v.loader(m))
	require.NoError(t, err)
	v.whole(t, got)
	assert.Empty(t, v.asked, "kept, but asked for")

	m.files["part-1.safetensors"][77] ^= 1
	got, err = v.load(v.loader(m))
	require.NoError(t, err)
	v.whole(t, got)
	assert.Equal(t, []string{"part-1.safetensors"}, v.asked)
	assert.Equal(t, v.files, m.files, "the damaged one is replaced")

	m.torn = "part-2.safetensors"
	got, err = v.load(v.loader(m))
	require.NoError(t, err)
	v.whole(t, got)
	assert.Empty(t, m.torn, "nobody could ever read it")
	assert.Equal(t, v.files, m.files)
}

// A shard that was begun here is there when another tab has kept it: its bytes count
// once.
func TestKeptMeanwhile(t *testing.T) {
	v := newWorld(t, 300_000)
	name := v.shards[0].Name
	v.broken = func(w http.ResponseWriter, r *http.Request) bool {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(v.files[name][:100_000]))
		return true
	}
	m := &memory{files: map[string][]byte{}, room: 1}
	l := v.loader(m)
	_, err := v.load(l)
	require.Error(t, err)
	require.NotEmpty(t, l.parts[name].data)
	m.files[name] = v.files[name]
	got, err := v.load(l)
	require.NoError(t, err)
	v.whole(t, got)
}

// A full store is told, and filled when there is room again.
func TestFullStore(t *testing.T) {
	v := newWorld(t, 40_000, 50_000, 60_000)
	m := &memory{files: map[string][]byte{}, room: 1}
	l := v.loader(m)
	got, err := v.load(l)
	require.NoError(t, err)
	v.whole(t, got)
	var shard *Error
	require.ErrorAs(t, l.Tidy(), &shard)
	assert.Contains(t, shard.What, "the browser did not keep it (QuotaExceededError), nor 1 more")
	assert.NotContains(t, m.files, strings.TrimPrefix(shard.File, "shard "))
	m.room = 3
	require.NoError(t, l.Tidy())
	assert.Equal(t, v.files, m.files)
	assert.Len(t, v.asked, 3)
}

// Who uses the shards fails: the rest is fetched all the same and no longer
// used, and then nothing is fetched twice, with a store or without.
func TestUseFails(t *testing.T) {
	for _, room := range []int{0, 1, 9} {
		v := newWorld(t, 40_000, 50_000, 60_000, 40_001, 50_001, 60_001)
		l := v.loader(&memory{files: map[string][]byte{}, room: room})
		uses := 0
		err := l.Load(context.Background(), func(int, []byte) error {
			if uses++; uses == 2 {
				return io.ErrClosedPipe
			}
			return nil
		}, func(int) {})
		require.ErrorIs(t, err, io.ErrClosedPipe)
		assert.Equal(t, 2, uses)
		got, err := v.load(l)
		require.NoError(t, err)
		v.whole(t, got)
		assert.Len(t, v.asked, 6)
	}
	v := newWorld(t, 40_000, 50_000)
	l := v.loader(nil)
	for range 3 {
		got, err := v.load(l)
		require.NoError(t, err)
		v.whole(t, got)
	}
	assert.Len(t, v.asked, 2)
}
