package shards

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"slices"
	"strings"
	"time"

	"github.com/mcdm/mcdm/weights/bundle"
)

// Error says why a file is not there and what to do about it.
type Error struct {
	File string // "shard none-0-….safetensors", or bundle.ManifestName
	What string
	Do   string
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s. %s", e.File, e.What, e.Do) }

// file is what is fetched.
type file struct {
	name  string
	label string // for people
	what  string // is in it
	size  int    // bytes; unknown: what comes until the end, and no rest is asked for
	check func(data []byte) error
}

const unknown = -1

func shardFile(h bundle.Shard) file {
	return file{h.Name, "shard " + h.Name, "weights", h.Size, func(data []byte) error {
		if h.Check(data) != nil {
			return errors.New("its SHA-256 is not the manifest's: the file is damaged, or another one")
		}
		return nil
	}}
}

// Manifest fetches the bundle's manifest, by the rules for shards.
func Manifest(ctx context.Context, ask Ask) ([]byte, error) {
	l := newWire(ask)
	return l.manifest(ctx)
}

func (l *wire) manifest(ctx context.Context) ([]byte, error) {
	f := file{bundle.ManifestName, bundle.ManifestName, "the bundle's manifest", unknown, func(data []byte) error {
		if _, err := bundle.ParseManifest(data); err != nil {
			return errors.New(strings.TrimPrefix(err.Error(), bundle.ManifestName+": ")) // the label says so already
		}
		return nil
	}}
	return l.fetch(ctx, f, &part{}, func(int) {})
}

// wire is the way to a server.
type wire struct {
	ask   Ask
	stall time.Duration // without a byte, until a request is given up
	pause time.Duration // before the second try; doubles with every other one
}

func newWire(ask Ask) wire { return wire{ask, 15 * time.Second, 500 * time.Millisecond} }

// part is what has arrived of a file.
type part struct {
	data []byte
	most int // that its length has ever been
	tag  string
}

// room is for what comes next; empty when the file is whole.
func (p *part) room(size int) []byte {
	if size == unknown {
		p.data = slices.Grow(p.data, 32<<10)
		size = min(cap(p.data), bundle.MaxManifest)
	} else if p.data == nil {
		p.data = make([]byte, 0, size)
	}
	return p.data[len(p.data):size]
}

// fault is one try that failed.
type fault struct {
	what, do string
	cost     int // of patience; 0: no other try can help
}

const (
	// patience is what the faults in a row may cost: five, or three stalls.
	patience = 5
	// enough bytes beyond what has ever arrived show that the server is alive:
	// patience starts anew. A file that is too short never comes further.
	enough = 16 << 10
)

const (
	checkConnection = "Check the connection."
	putAgain        = "whoever runs it must put the manifest and all shards there again."
	tellOwner       = "The bundle on the server is not complete: " + putAgain
	reload          = "The server may have newer networks by now: reload the page. If that does not help, " + putAgain
	somethingElse   = "Something between this computer and the server answers in its place, as the sign-in page of a network does: sign in there, or use another network."
)

var errStall = errors.New("stall")

// fetch returns a file, checked. p holds what is there of it, between calls too.
// moved counts bytes that came, or had to be thrown away (n < 0).
func (l *wire) fetch(ctx context.Context, f file, p *part, moved func(n int)) ([]byte, error) {
	spent, tries, damaged := 0, 0, false
	pause := l.pause
	for {
		most := p.most
		bad := l.try(ctx, f, p, moved)
		if bad == nil {
			err := f.check(p.data)
			if err == nil {
				return p.data, nil
			}
			p.restart(moved)
			p.most = 0
			bad = &fault{what: err.Error(), do: tellOwner}
			if !damaged { // on the way, perhaps
				bad.cost = 1
			}
			damaged = true
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		tries++
		if p.most-most >= enough {
			spent, pause = 0, l.pause
		}
		spent += bad.cost
		if bad.cost == 0 || spent >= patience {
			if tries > 1 {
				bad.what += fmt.Sprintf(" (tried %d times)", tries)
			}
			return nil, &Error{File: f.label, What: bad.what, Do: bad.do}
		}
		// Half of it by chance: not all pages at once, where a server comes back.
		wait := time.NewTimer(pause/2 + rand.N(pause/2+1))
		select {
		case <-ctx.Done():
			wait.Stop()
			return nil, ctx.Err()
		case <-wait.C:
		}
		pause *= 2
	}
}

func (p *part) restart(moved func(n int)) {
	moved(-len(p.data))
	p.data, p.tag = p.data[:0], ""
}

// try makes one request for what is missing of a file; nil: all of it is there,
// unchecked.
func (l *wire) try(ctx context.Context, f file, p *part, moved func(n int)) *fault {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(l.stall, func() { cancel(errStall) })
	defer silence.Stop()
	at := func() string {
		if f.size == unknown {
			return fmt.Sprintf("after %d bytes", len(p.data))
		}
		return fmt.Sprintf("after %d of %d bytes", len(p.data), f.size)
	}
	broken := func(err error) *fault {
		if context.Cause(ctx) == errStall {
			return &fault{what: fmt.Sprintf("nothing came for %v %s", l.stall, at()), do: checkConnection, cost: 2}
		}
		return &fault{what: fmt.Sprintf("the connection broke %s (%v)", at(), err), do: checkConnection, cost: 1}
	}

	header := map[string]string{}
	if len(p.data) > 0 && f.size != unknown {
		header["Range"] = fmt.Sprintf("bytes=%d-", len(p.data))
		if p.tag != "" && !strings.HasPrefix(p.tag, "W/") { // a weak one says nothing of bytes
			header["If-Range"] = p.tag
		}
	}
	a, err := l.ask(ctx, f.name, header)
	if final := (*Error)(nil); errors.As(err, &final) {
		return &fault{what: final.What, do: final.Do}
	}
	if err != nil {
		return broken(err)
	}
	defer a.Body.Close()
	kind, _, _ := mime.ParseMediaType(a.Header("Content-Type"))
	switch {
	case a.Redirected:
		return &fault{what: "the request is redirected elsewhere", do: somethingElse}
	case a.Status == 416: // what is here is longer than what the server has
		p.restart(moved)
		return &fault{what: "the server's file is shorter than the manifest says", do: tellOwner, cost: 1}
	case a.Status == 408 || a.Status == 429 || a.Status >= 500:
		return &fault{what: fmt.Sprintf("the server answered %d", a.Status), do: "The server is in trouble: wait a little.", cost: 1}
	case (a.Status == 404 || a.Status == 410) && f.name != bundle.ManifestName:
		return &fault{what: fmt.Sprintf("the server answered %d", a.Status), do: reload}
	case a.Status != 200 && a.Status != 206:
		return &fault{what: fmt.Sprintf("the server answered %d", a.Status), do: tellOwner}
	case kind == "text/html" || strings.HasSuffix(kind, "xml") || strings.HasSuffix(kind, "json") && f.name != bundle.ManifestName:
		// Others pass, the check decides: hosts name files they do not know as they like.
		return &fault{what: kind + " came in place of " + f.what, do: somethingElse}
	case a.Status == 200: // the whole
		p.restart(moved)
	default:
		var from, to int
		var total string
		n, _ := fmt.Sscanf(a.Header("Content-Range"), "bytes %d-%d/%s", &from, &to, &total)
		if n != 3 || from != len(p.data) || total != "*" && total != fmt.Sprint(f.size) {
			p.restart(moved)
			return &fault{what: fmt.Sprintf("the server sent %q, not the part that was asked for", a.Header("Content-Range")), do: tellOwner, cost: 1}
		}
	}
	p.tag = a.Header("ETag")
	for room := p.room(f.size); len(room) > 0; room = p.room(f.size) {
		n, err := a.Body.Read(room)
		if n > 0 {
			silence.Reset(l.stall)
			p.data = p.data[:len(p.data)+n]
			p.most = max(p.most, len(p.data))
			moved(n)
		}
		switch {
		case err == io.EOF && f.size == unknown:
			return nil
		case err == io.EOF && len(p.data) < f.size:
			return &fault{what: "it ended " + at(), do: tellOwner, cost: 1}
		case err != nil && err != io.EOF:
			return broken(err)
		}
	}
	if f.size == unknown {
		return &fault{what: fmt.Sprintf("it has more than %d MiB", bundle.MaxManifest>>20), do: tellOwner}
	}
	_, _ = a.Body.Read(make([]byte, 1)) // its end: the connection can be used again
	return nil
}
