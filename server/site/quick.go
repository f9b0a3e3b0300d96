package site

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Quick answers the plainest of requests right where a connection is read, and
// leaves all else to net/http, which costs more than twice as much for a small
// file: it makes maps of headers and starts a goroutine for every request. Plain
// is a GET of a small file by its exact name, or of one that the client has,
// with headers that change nothing else. At the first byte that is not plain the
// connection is net/http's for good, as if nobody had looked at it before.
//
// note is told of every answer; it may be nil.
func (s *Site) Quick(l net.Listener, note func(Note)) net.Listener {
	return quickListener{l, s, note}
}

// Note is what a log may know of an answer.
type Note struct {
	File, Encoding string
	Status, Bytes  int
	Took           time.Duration
}

type quickListener struct {
	net.Listener
	site *Site
	note func(Note)
}

func (l quickListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &quickConn{Conn: c, site: l.site, note: l.note}, nil
}

// Limits of a connection.
const (
	HeaderTimeout = 10 * time.Second // for a request's header
	ReadTimeout   = 30 * time.Second // for a whole request
	IdleTimeout   = 2 * time.Minute  // for the next request to begin
	small         = 32 << 10         // bytes that one write hands to the kernel
)

type quickConn struct {
	net.Conn
	site   *Site
	note   func(Note)
	passed bool // to net/http
}

// Read is called by net/http when it wants a request.
func (c *quickConn) Read(p []byte) (int, error) {
	for first := true; !c.passed; first = false {
		n, err := c.Conn.Read(p)
		for rest := p[:n]; len(rest) > 0; first = false {
			used, failed := c.answer(rest)
			if failed != nil {
				return 0, failed
			}
			if used == 0 {
				c.passed = true
				if !first { // net/http's own deadline was for the first request
					if err := c.Conn.SetReadDeadline(time.Now().Add(HeaderTimeout)); err != nil {
						return 0, err
					}
				}
				return copy(p, rest), err
			}
			rest = rest[used:]
		}
		if err != nil {
			return 0, err
		}
		if err := c.Conn.SetReadDeadline(time.Now().Add(IdleTimeout)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Read(p)
}

// SetReadDeadline gives a request that net/http got late, after others that it
// has not seen, its time anew. What is long past is how net/http interrupts.
func (c *quickConn) SetReadDeadline(t time.Time) error {
	if now := time.Now(); t.Before(now) && t.After(time.Unix(1e9, 0)) {
		t = now.Add(ReadTimeout)
	}
	return c.Conn.SetReadDeadline(t)
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// answer answers the request that data begins with and returns its length; 0
// where it is not plain, or not whole.
func (c *quickConn) answer(data []byte) (used int, err error) {
	rep, file, cached, used := c.site.plain(data)
	if used == 0 {
		return 0, nil
	}
	start := time.Now()
	status, head, body := http.StatusOK, rep.head200, rep.data
	if cached {
		status, head, body = http.StatusNotModified, rep.head304, nil
	}
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	*buffer = append((*buffer)[:0], head...)
	*buffer = append(*buffer, date(start)...)
	*buffer = append(*buffer, body...)
	if err := c.Conn.SetWriteDeadline(start.Add(Patience)); err != nil {
		return 0, err
	}
	if _, err := c.Conn.Write(*buffer); err != nil {
		return 0, err
	}
	if c.note != nil {
		c.note(Note{file, rep.encoding, status, len(body), time.Since(start)})
	}
	return used, nil
}

// What a header of a plain request means to us.
const (
	ignored = iota + 1 // changes nothing
	host
	acceptEncoding
	ifNoneMatch
	connection
)

var headers = map[string]int{
	"host": host, "accept-encoding": acceptEncoding, "if-none-match": ifNoneMatch, "connection": connection,
	"accept": ignored, "accept-language": ignored, "user-agent": ignored, "referer": ignored, "origin": ignored,
	"cache-control": ignored, "pragma": ignored, "priority": ignored, "dnt": ignored, "sec-gpc": ignored, "cookie": ignored,
	"upgrade-insecure-requests": ignored, "sec-fetch-dest": ignored, "sec-fetch-mode": ignored, "sec-fetch-site": ignored,
	"sec-fetch-user": ignored, "sec-ch-ua": ignored, "sec-ch-ua-mobile": ignored, "sec-ch-ua-platform": ignored,
}

// plain reads the request that data begins with. used is its length, 0 where
// there is the least doubt.
func (s *Site) plain(data []byte) (rep *representation, name string, cached bool, used int) {
	line, rest, ok := bytes.Cut(data, []byte("\r\n"))
	line, get := bytes.CutPrefix(line, []byte("GET "))
	line, version := bytes.CutSuffix(line, []byte(" HTTP/1.1"))
	name = s.names[string(line)]
	if !ok || !get || !version || name == "" {
		return nil, "", false, 0
	}
	var accept []string
	var tag []byte
	var lower [32]byte
	seen := [connection + 1]int{}
	for {
		if line, rest, ok = bytes.Cut(rest, []byte("\r\n")); !ok {
			return nil, "", false, 0
		}
		if len(line) == 0 {
			break
		}
		key, value, ok := bytes.Cut(line, []byte(":"))
		if !ok || len(key) > len(lower) || bytes.ContainsFunc(value, control) {
			return nil, "", false, 0
		}
		for i, b := range key {
			if 'A' <= b && b <= 'Z' {
				b += 'a' - 'A'
			}
			lower[i] = b
		}
		kind := headers[string(lower[:len(key)])]
		value = bytes.Trim(value, " \t")
		switch seen[kind]++; kind {
		case 0: // a range, a body, another protocol, ...
			return nil, "", false, 0
		case host:
			if len(value) == 0 || bytes.ContainsFunc(value, notOfHost) {
				return nil, "", false, 0
			}
		case acceptEncoding:
			accept = append(accept, string(value))
		case ifNoneMatch:
			tag = value
		case connection:
			if !bytes.EqualFold(value, []byte("keep-alive")) {
				return nil, "", false, 0
			}
		}
	}
	f := s.files[name]
	rep = f[choose(f, accept)]
	if seen[host] != 1 || seen[ifNoneMatch] > 1 || len(rep.data) > small && tag == nil {
		return nil, "", false, 0
	}
	if tag != nil && string(tag) != rep.header["Etag"][0] {
		return nil, "", false, 0 // a list, another, "*"
	}
	return rep, name, tag != nil, len(data) - len(rest)
}

func control(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

func notOfHost(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '.' || r == ':' || r == '-' || r == '[' || r == ']')
}

// heads are the answers' headers in bytes, but for the date.
func (r *representation) heads() {
	head := func(status string, header http.Header) []byte {
		var b bytes.Buffer
		fmt.Fprintf(&b, "HTTP/1.1 %s\r\n", status)
		header.Write(&b) // a buffer takes all
		return b.Bytes()
	}
	r.head200 = head("200 OK", r.header)
	unchanged := r.header.Clone()
	for _, key := range []string{"Content-Length", "Content-Type", "Content-Encoding"} {
		unchanged.Del(key)
	}
	r.head304 = head("304 Not Modified", unchanged)
}

type dated struct {
	second int64
	text   string
}

var today atomic.Pointer[dated]

// date is the last header and the header's end, made once a second.
func date(now time.Time) string {
	d := today.Load()
	if d == nil || d.second != now.Unix() {
		d = &dated{now.Unix(), "Date: " + now.UTC().Format(http.TimeFormat) + "\r\n\r\n"}
		today.Store(d)
	}
	return d.text
}
