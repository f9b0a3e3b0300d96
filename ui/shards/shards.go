// Package shards brings a bundle's weights into the page, from a server that may
// be slow, far away or broken, and keeps them in the browser. A shard is used
// only when its SHA-256 is the manifest's. It knows no browser.
package shards

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/mcdm/mcdm/weights/bundle"
)

// Answer is what a server says to a request.
type Answer struct {
	Status     int
	Redirected bool // it points elsewhere
	Header     func(name string) string
	Body       io.ReadCloser
}

// Ask requests a file of the bundle. An end of ctx ends the body too. An *Error
// says that no other try can help.
type Ask func(ctx context.Context, name string, header map[string]string) (*Answer, error)

// Store keeps files from one visit to the next.
type Store interface {
	Get(name string) ([]byte, error) // nil: it has none of that name
	Put(name string, data []byte) error
	Delete(name string) error
	Names() ([]string, error)
}

// Loader loads shards. Load may be called again after it failed, and fetches
// only what is missing then.
type Loader struct {
	ask   Ask
	store Store // nil: nothing is kept
	add   func(name string, data []byte) error

	stall time.Duration // without a byte, until a request is given up
	pause time.Duration // before the second try; doubles with every other one

	mu     sync.Mutex
	got    int // bytes, of all shards
	show   func(got int)
	loaded map[string]bool
	parts  map[string]*part  // begun
	unkept map[string][]byte // loaded, but the store did not take them
	why    error             // of the last of these
}

// part is what has arrived of a shard.
type part struct {
	data []byte // as long as the whole
	got  int
	most int // that got has ever been
	tag  string
}

// New returns a loader. add takes a shard's bytes, or refuses them where they
// are not what the manifest says. store may be nil.
func New(ask Ask, store Store, add func(name string, data []byte) error) *Loader {
	return &Loader{
		ask: ask, store: store, add: add, stall: 15 * time.Second, pause: 500 * time.Millisecond,
		loaded: map[string]bool{}, parts: map[string]*part{}, unkept: map[string][]byte{},
	}
}

// parallel is how many shards are loaded at once.
const parallel = 4

// Load brings those of a bundle's shards that have not been loaded yet and shows
// how many bytes there are. The first that cannot be had ends it, by an *Error.
func (l *Loader) Load(ctx context.Context, shards []bundle.Shard, show func(got int)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.show = show
	l.moved(0)
	errs := make(chan error)
	slots := make(chan struct{}, parallel)
	for _, h := range shards {
		go func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			errs <- l.load(ctx, h)
		}()
	}
	var first error
	for range shards {
		if err := <-errs; err != nil && first == nil {
			first = err
			cancel()
		}
	}
	return first
}

// moved counts bytes that came, or had to be thrown away (n < 0).
func (l *Loader) moved(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got += n
	l.show(l.got)
}

func (l *Loader) load(ctx context.Context, h bundle.Shard) error {
	l.mu.Lock()
	done := l.loaded[h.Name]
	l.mu.Unlock()
	if done {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if !l.fromStore(h) {
		data, err := l.fetch(ctx, h)
		if err != nil {
			return err
		}
		l.keep(h.Name, data)
	}
	l.mu.Lock()
	l.loaded[h.Name] = true
	l.mu.Unlock()
	return nil
}

// fromStore takes a kept shard. A damaged one is thrown away.
func (l *Loader) fromStore(h bundle.Shard) bool {
	if l.store == nil {
		return false
	}
	data, err := l.store.Get(h.Name)
	if err != nil || data == nil {
		return false
	}
	if l.add(h.Name, data) != nil {
		_ = l.store.Delete(h.Name) // the fetched one replaces it anyway
		return false
	}
	l.mu.Lock()
	begun := l.parts[h.Name]
	delete(l.parts, h.Name)
	l.mu.Unlock()
	if begun != nil {
		l.moved(-begun.got)
	}
	l.moved(h.Size)
	return true
}

func (l *Loader) keep(name string, data []byte) {
	if l.store == nil {
		return
	}
	err := l.store.Put(name, data)
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.unkept, name)
	if err != nil {
		l.unkept[name], l.why = data, err
	}
}

// Tidy is called when all shards have been loaded. It frees what the store keeps
// of other bundles and keeps what it had no room for before; an *Error says that
// there is none still. The page works without.
func (l *Loader) Tidy(shards []bundle.Shard) error {
	if l.store == nil {
		return nil
	}
	names, err := l.store.Names()
	if err != nil {
		l.why = err
	}
	for _, name := range names {
		if !slices.ContainsFunc(shards, func(h bundle.Shard) bool { return h.Name == name }) {
			if err := l.store.Delete(name); err != nil {
				l.why = err
			}
		}
	}
	l.mu.Lock()
	again := maps.Clone(l.unkept)
	l.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(again)) {
		l.keep(name, again[name])
	}
	if len(l.unkept) == 0 {
		return nil
	}
	first := slices.Sorted(maps.Keys(l.unkept))[0]
	what := fmt.Sprintf("the browser did not keep it (%v)", l.why)
	if n := len(l.unkept) - 1; n > 0 {
		what += fmt.Sprintf(", nor %d more", n)
	}
	return &Error{
		Shard: first,
		What:  what,
		Do:    "Free room on this computer, or allow this page to store data.",
	}
}
