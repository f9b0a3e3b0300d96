package site

import (
	"bufio"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// twins are two servers of one folder: one with Quick before it, one without.
type twins struct {
	quick, plain string
	noted        *atomic.Int64 // answers that Quick gave
}

func startTwins(t testing.TB) twins {
	s, err := Handler(folder)
	require.NoError(t, err)
	start := func(wrap func(net.Listener) net.Listener) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		server := &http.Server{Handler: s, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: HeaderTimeout, ReadTimeout: ReadTimeout}
		go server.Serve(wrap(l))
		t.Cleanup(func() { server.Close() })
		return l.Addr().String()
	}
	noted := new(atomic.Int64)
	return twins{
		quick: start(func(l net.Listener) net.Listener { return s.Quick(l, func(Note) { noted.Add(1) }) }),
		plain: start(func(l net.Listener) net.Listener { return l }),
		noted: noted,
	}
}

// answers sends bytes and returns the lines and bodies that come back, without
// what may differ: the date and the order of headers.
func answers(t testing.TB, address, requests string) (list []string) {
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	_, err = io.WriteString(conn, requests)
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	all, err := io.ReadAll(conn)
	if err != nil {
		return []string{"reset"} // by a server that closes with bytes unread
	}
	for answer := range strings.SplitSeq(string(all), "HTTP/1.1 ") {
		head, body, _ := strings.Cut(answer, "\r\n\r\n")
		lines := strings.Split(head, "\r\n")
		slices.Sort(lines)
		for _, line := range lines {
			if at, ok := strings.CutPrefix(line, "Date: "); ok {
				_, err := http.ParseTime(at)
				require.NoError(t, err)
				line = "Date"
			}
			list = append(list, line)
		}
		list = append(list, body)
	}
	return list
}

// TestQuickIsTheSame sends the same bytes to both twins.
func TestQuickIsTheSame(t *testing.T) {
	s := startTwins(t)
	r, _ := get(t, "GET", "/"+wasm, "Accept-Encoding", "br")
	tag := r.Header.Get("ETag")
	const end = " HTTP/1.1\r\nHost: localhost\r\n\r\n"
	with := func(lines string) string { return "GET /" + wasm + " HTTP/1.1\r\nHost: localhost\r\n" + lines + "\r\n" }
	for _, c := range []struct {
		request string
		quick   int64 // answers that do not go through net/http
	}{
		{"GET /" + end, 1},
		{"GET /index.html" + end, 1},
		{"GET /bundle/manifest.json" + end, 1},
		{with("Accept-Encoding: gzip, br\r\nUser-Agent: x\r\nAccept: */*\r\nConnection: Keep-Alive\r\n"), 1},
		{with("accept-encoding:gzip\r\n"), 1},
		{with("Accept-Encoding: br;q=0\r\nAccept-Encoding:\tgzip\t\r\n"), 1},
		{with("Accept-Encoding: br\r\nIf-None-Match: " + tag + "\r\n"), 1},
		{"GET /" + end + "GET /index.html" + end, 2},
		{"GET /" + end + "HEAD /" + end + "GET /" + end, 1},
		{"GET /" + end + "GET /nothing" + end + "GET /" + end, 1},

		{with("Accept-Encoding: gzip\r\nIf-None-Match: " + tag + "\r\n"), 0},
		{with("Accept-Encoding: br\r\nIf-None-Match: W/" + tag + "\r\n"), 0},
		{with("Accept-Encoding: br\r\nIf-None-Match: \"x\", " + tag + "\r\n"), 0},
		{with("Accept-Encoding: br\r\nIf-None-Match: " + tag + "\r\nIf-None-Match: \"x\"\r\n"), 0},
		{with("If-None-Match: *\r\n"), 0},
		{with("If-None-Match:\r\n"), 1},
		{with("If-Match: \"x\"\r\n"), 0},
		{with("Range: bytes=1-2\r\n"), 0},
		{with("Connection: close\r\n"), 0},
		{with("Connection: keep-alive, close\r\n"), 0},
		{with("Connection: upgrade\r\nUpgrade: websocket\r\n"), 0},
		{with("Host: elsewhere\r\n"), 0},
		{with("Content-Length: 5\r\n") + "hello" + "GET /" + end, 0},
		{with("Transfer-Encoding: chunked\r\n") + "0\r\n\r\n", 0},
		{with("Expect: 100-continue\r\n"), 0},
		{with("X-Another: 1\r\n"), 0},
		{with("User-Agent : x\r\n"), 0},
		{with(" folded: x\r\n"), 0},
		{with("User-Agent: a\x00b\r\n"), 0},
		{with("User-Agent: a\rb\r\n"), 0},
		{with("User-Agent: a\nRange: bytes=1-2\r\n"), 0},
		{with("User-Agent\r\n"), 0},
		{with(": x\r\n"), 0},
		{with("User-Agent: " + strings.Repeat("x", 9000) + "\r\n"), 0},
		{"GET / HTTP/1.1\r\n\r\n", 0},
		{"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 0},
		{"GET / HTTP/1.1\nHost: localhost\n\n", 0},
		{"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n", 0},
		{"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 0},
		{"GET  /" + end, 0},
		{"get /" + end, 0},
		{"GET /?q" + end, 0},
		{"GET //" + end, 0},
		{"GET /%69ndex.html" + end, 0},
		{"GET http://localhost/" + end, 0},
		{"GET /../index.html" + end, 0},
		{"HEAD /" + end, 0},
		{"POST /" + end, 0},
		{"OPTIONS *" + end, 0},
		{"GET / HTTP/1.1\r\nHost: local", 0},
		{"\r\nGET /" + end, 0},
		{"\x16\x03\x01\x02\x00", 0},
		{"", 0},
	} {
		before := s.noted.Load()
		got := answers(t, s.quick, c.request)
		assert.Equal(t, c.quick, s.noted.Load()-before, "answers by Quick: %.200q", c.request)
		assert.Equal(t, answers(t, s.plain, c.request), got, "%.200q", c.request)
	}
}

// FuzzQuick looks for requests on which the twins differ.
func FuzzQuick(f *testing.F) {
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /" + wasm + " HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip;q=0.5, br;q=0.1\r\nIf-None-Match: *\r\n\r\n",
		"GET / HTTP/1.1\r\nhost: a\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nRange: bytes=1-\r\n\r\n",
	} {
		f.Add(request)
	}
	s := startTwins(f)
	f.Fuzz(func(t *testing.T, request string) {
		assert.Equal(t, answers(t, s.plain, request), answers(t, s.quick, request))
	})
}

// TestQuickInPieces: a request that arrives in two parts is answered too, and so
// are those after it.
func TestQuickInPieces(t *testing.T) {
	s := startTwins(t)
	conn, err := net.Dial("tcp", s.quick)
	require.NoError(t, err)
	defer conn.Close()
	r := bufio.NewReader(conn)
	for _, piece := range []string{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTT", "P/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"} {
		_, err := io.WriteString(conn, piece)
		require.NoError(t, err)
		if !strings.HasSuffix(piece, "\r\n\r\n") {
			time.Sleep(20 * time.Millisecond) // most often, two reads
			continue
		}
		answer, err := http.ReadResponse(r, nil)
		require.NoError(t, err)
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		assert.Equal(t, "<p>hello", string(body))
	}
}
