package shards

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"strings"
	"time"

	"github.com/mcdm/mcdm/weights/bundle"
)

// Error says why a shard is not there and what to do about it.
type Error struct {
	Shard string
	What  string
	Do    string
}

func (e *Error) Error() string { return fmt.Sprintf("shard %s: %s. %s", e.Shard, e.What, e.Do) }

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
	tellOwner       = "The bundle on the server is not complete: whoever runs it must put the manifest and all shards there again."
	somethingElse   = "Something between this computer and the server answers in its place, as the sign-in page of a network does: sign in there, or use another network."
)

var errStall = errors.New("stall")

// fetch returns a shard that add has taken.
func (l *Loader) fetch(ctx context.Context, h bundle.Shard) ([]byte, error) {
	l.mu.Lock()
	p := l.parts[h.Name]
	if p == nil {
		p = &part{data: make([]byte, h.Size)}
		l.parts[h.Name] = p
	}
	l.mu.Unlock()
	spent, tries, damaged := 0, 0, false
	pause := l.pause
	for {
		most := p.most
		f := l.try(ctx, h, p)
		if f == nil {
			err := l.add(h.Name, p.data)
			if err == nil {
				l.mu.Lock()
				delete(l.parts, h.Name)
				l.mu.Unlock()
				return p.data, nil
			}
			l.restart(p)
			p.most = 0
			f = &fault{what: "its SHA-256 is not the manifest's: the file is damaged, or another one", do: tellOwner}
			if !damaged { // on the way, perhaps
				f.cost = 1
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
		spent += f.cost
		if f.cost == 0 || spent >= patience {
			if tries > 1 {
				f.what += fmt.Sprintf(" (tried %d times)", tries)
			}
			return nil, &Error{Shard: h.Name, What: f.what, Do: f.do}
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

func (l *Loader) restart(p *part) {
	got := p.got
	p.got, p.tag = 0, ""
	l.moved(-got)
}

// try makes one request for what is missing of a shard; nil: all of it is there,
// unchecked.
func (l *Loader) try(ctx context.Context, h bundle.Shard, p *part) *fault {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(l.stall, func() { cancel(errStall) })
	defer silence.Stop()
	broken := func(err error) *fault {
		at := fmt.Sprintf(" after %d of %d bytes", p.got, h.Size)
		if context.Cause(ctx) == errStall {
			return &fault{what: fmt.Sprintf("nothing came for %v%s", l.stall, at), do: checkConnection, cost: 2}
		}
		return &fault{what: fmt.Sprintf("the connection broke%s (%v)", at, err), do: checkConnection, cost: 1}
	}

	header := map[string]string{}
	if p.got > 0 {
		header["Range"] = fmt.Sprintf("bytes=%d-", p.got)
		if p.tag != "" && !strings.HasPrefix(p.tag, "W/") { // a weak one says nothing of bytes
			header["If-Range"] = p.tag
		}
	}
	a, err := l.ask(ctx, h.Name, header)
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
		l.restart(p)
		return &fault{what: "the server's file is shorter than the manifest says", do: tellOwner, cost: 1}
	case a.Status == 408 || a.Status == 429 || a.Status >= 500:
		return &fault{what: fmt.Sprintf("the server answered %d", a.Status), do: "The server is in trouble: wait a little.", cost: 1}
	case a.Status != 200 && a.Status != 206:
		return &fault{what: fmt.Sprintf("the server answered %d", a.Status), do: tellOwner}
	case kind == "text/html" || strings.HasSuffix(kind, "json") || strings.HasSuffix(kind, "xml"):
		// Others pass, the hash decides: hosts name files they do not know as they like.
		return &fault{what: fmt.Sprintf("%s came in place of weights", kind), do: somethingElse}
	case a.Status == 200: // the whole
		l.restart(p)
	default:
		var from, to int
		var total string
		n, _ := fmt.Sscanf(a.Header("Content-Range"), "bytes %d-%d/%s", &from, &to, &total)
		if n != 3 || from != p.got || total != "*" && total != fmt.Sprint(h.Size) {
			l.restart(p)
			return &fault{what: fmt.Sprintf("the server sent %q, not the part that was asked for", a.Header("Content-Range")), do: tellOwner, cost: 1}
		}
	}
	p.tag = a.Header("ETag")
	for p.got < h.Size {
		n, err := a.Body.Read(p.data[p.got:])
		if n > 0 {
			silence.Reset(l.stall)
			p.got += n
			p.most = max(p.most, p.got)
			l.moved(n)
		}
		if err == io.EOF && p.got < h.Size {
			return &fault{what: fmt.Sprintf("it ended after %d of %d bytes", p.got, h.Size), do: tellOwner, cost: 1}
		}
		if err != nil && err != io.EOF {
			return broken(err)
		}
	}
	_, _ = a.Body.Read(make([]byte, 1)) // its end: the connection can be used again
	return nil
}
