// Package shards brings a bundle's weights into the page, from a server that may
// be slow, far away or broken, and keeps them in the browser. A shard is used
// only when its SHA-256 is the manifest's. No more than a few are in memory at a
// time: who uses them need not keep them. It knows no browser.
package shards

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

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

// Use takes shard i, whose SHA-256 has been checked. It need not keep the bytes:
// the next Load brings them again.
type Use func(i int, data []byte) error

// Loader loads a bundle's shards, as often as they are needed. One that has come
// over the network is kept by the store or, where the store does not take it, in
// memory: it is not asked for again.
type Loader struct {
	wire
	store  Store // nil: nothing outlives the page
	shards []bundle.Shard

	mu     sync.Mutex
	got    int // bytes, of all shards
	show   func(got int)
	parts  map[string]*part  // begun
	unkept map[string][]byte // the store did not take them
	why    error             // of the last of these
}

// New returns a loader. store may be nil.
func New(shards []bundle.Shard, ask Ask, store Store) *Loader {
	return &Loader{
		wire: newWire(ask), shards: shards, store: store,
		parts: map[string]*part{}, unkept: map[string][]byte{},
	}
}

// parallel is how many shards are loaded at once.
const parallel = 4

// Load brings all shards to use, in any order and several at a time, and shows
// how many bytes there are. The first that cannot be had ends it, by an *Error.
// After an error of use, which is returned, the others are still fetched to be
// kept, but no longer used.
func (l *Loader) Load(ctx context.Context, use Use, show func(got int)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.show, l.got = show, 0
	for _, p := range l.parts {
		l.got += len(p.data)
	}
	l.moved(0)
	errs := make(chan error)
	slots := make(chan struct{}, parallel)
	var refused error
	var using sync.Mutex
	for i, h := range l.shards {
		go func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			data, err := l.load(ctx, h)
			if err == nil {
				using.Lock()
				if refused == nil {
					refused = use(i, data)
				}
				using.Unlock()
			}
			errs <- err
		}()
	}
	var first error
	for range l.shards {
		if err := <-errs; err != nil && first == nil {
			first = err
			cancel()
		}
	}
	return cmp.Or(first, refused)
}

// moved counts bytes that came, or had to be thrown away (n < 0).
func (l *Loader) moved(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got += n
	l.show(l.got)
}

func (l *Loader) load(ctx context.Context, h bundle.Shard) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if data := l.kept(h); data != nil {
		return data, nil
	}
	l.mu.Lock()
	p := l.parts[h.Name]
	if p == nil {
		p = &part{}
		l.parts[h.Name] = p
	}
	l.mu.Unlock()
	data, err := l.fetch(ctx, shardFile(h), p, l.moved)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	delete(l.parts, h.Name)
	l.mu.Unlock()
	l.keep(h.Name, data)
	return data, nil
}

// kept returns a shard that is there already, or nil. One that is damaged or cannot
// be read is thrown away.
func (l *Loader) kept(h bundle.Shard) []byte {
	l.mu.Lock()
	data := l.unkept[h.Name]
	l.mu.Unlock()
	if data == nil && l.store != nil {
		var err error
		if data, err = l.store.Get(h.Name); err == nil && data != nil {
			err = h.Check(data)
		}
		if err != nil {
			_ = l.store.Delete(h.Name) // the fetched one replaces it anyway
			return nil
		}
	}
	if data == nil {
		return nil
	}
	l.mu.Lock()
	begun := l.parts[h.Name]
	delete(l.parts, h.Name)
	l.mu.Unlock()
	if begun != nil {
		l.moved(-len(begun.data))
	}
	l.moved(h.Size)
	return data
}

func (l *Loader) keep(name string, data []byte) {
	var err error
	if l.store != nil {
		err = l.store.Put(name, data)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.unkept, name)
	if err != nil || l.store == nil {
		l.unkept[name], l.why = data, err
	}
}

// Tidy is called when all shards have been loaded. It frees what the store keeps
// of other bundles and keeps what it had no room for before; an *Error says that
// there is none still. The page works without.
func (l *Loader) Tidy() error {
	if l.store == nil {
		return nil
	}
	names, _ := l.store.Names() // what cannot be listed or freed leaves less room
	for _, name := range names {
		if !slices.ContainsFunc(l.shards, func(h bundle.Shard) bool { return h.Name == name }) {
			_ = l.store.Delete(name)
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
		File: "shard " + first,
		What: what,
		Do:   "Free room on this computer, or allow this page to store data.",
	}
}
