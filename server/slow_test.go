package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/server/site"
)

// pipes is a listener whose connections are pipes, so that a test's clock can
// be the bubble's.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error   { close(p.done); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// logged is the server as it runs unless told to be quiet: the log must not
// hide from the handler what deadlines need.
func logged(handler http.Handler) *http.Server {
	logger := slog.New(slog.DiscardHandler)
	return newServer(logRequests(handler, logger), logger)
}

// inBubble runs a client against the server's limits, in the bubble's time.
func inBubble(t *testing.T, client func(t *testing.T, conn net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		handler, err := site.Handler(page)
		require.NoError(t, err)
		server := logged(handler)
		p := pipes{make(chan net.Conn), make(chan struct{})}
		go server.Serve(p)
		defer server.Close()
		here, there := net.Pipe()
		defer here.Close()
		p.conns <- there
		client(t, here)
	})
}

// ask requests the 4 MiB file and returns its body.
func ask(t *testing.T, conn net.Conn, status int, headers ...string) io.Reader {
	_, err := io.WriteString(conn, strings.Join(append([]string{"GET /big.bin HTTP/1.1", "Host: x"}, headers...), "\r\n")+"\r\n\r\n")
	require.NoError(t, err)
	r, err := http.ReadResponse(bufio.NewReaderSize(conn, 16), nil)
	require.NoError(t, err)
	require.Equal(t, status, r.StatusCode)
	return r.Body
}

// A part of a file is copied in smaller pieces, and has no more time for each.
func TestReaderOfAPartIsCutOff(t *testing.T) {
	inBubble(t, func(t *testing.T, conn net.Conn) {
		body := ask(t, conn, 206, "Range: bytes=0-")
		got, start := int64(0), time.Now()
		for got < big4M { // 1 KiB a second, a quarter of what is asked for
			n, err := io.CopyN(io.Discard, body, 1<<10)
			got += n
			if err != nil {
				assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
				break
			}
			time.Sleep(time.Second)
		}
		assert.Less(t, got, int64(1<<20))
		assert.Less(t, time.Since(start), 20*site.Patience)
	})
}

// TestSlowReaderIsServed takes 17 minutes, of which nobody waits for one.
func TestSlowReaderIsServed(t *testing.T) {
	inBubble(t, func(t *testing.T, conn net.Conn) {
		body := ask(t, conn, 200)
		for got := 0; got < big4M; got += 5 << 10 {
			_, err := io.ReadFull(body, make([]byte, min(5<<10, big4M-got)))
			require.NoError(t, err, "after %d bytes", got)
			time.Sleep(time.Second)
		}
	})
}

func TestReaderThatStopsIsCutOff(t *testing.T) {
	inBubble(t, func(t *testing.T, conn net.Conn) {
		body := ask(t, conn, 200)
		_, err := io.ReadFull(body, make([]byte, 1<<20))
		require.NoError(t, err)
		time.Sleep(2 * site.Patience)
		n, err := io.Copy(io.Discard, body)
		assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
		assert.Less(t, n, int64(1<<20))
	})
}

// On HTTP/2, where the deadline is the stream's and the client's window is 4 MiB.
func TestStreamThatStopsIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler, err := site.Handler(fstest.MapFS{"index.html": {Data: make([]byte, 4*big4M)}})
		require.NoError(t, err)
		server := logged(handler)
		cert, key := certificate(t) // of the bubble's time
		server.TLSConfig, err = loadTLS(options{cert: cert, key: key})
		require.NoError(t, err)
		p := pipes{make(chan net.Conn), make(chan struct{})}
		go server.ServeTLS(p, "", "")
		defer server.Close()
		here, there := net.Pipe()
		defer here.Close()
		p.conns <- there
		transport := &http.Transport{
			DialContext:       func(context.Context, string, string) (net.Conn, error) { return here, nil },
			ForceAttemptHTTP2: true,
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		}
		r, err := (&http.Client{Transport: transport}).Get("https://x/")
		require.NoError(t, err)
		defer r.Body.Close()
		require.Equal(t, "HTTP/2.0", r.Proto)
		for range 8 { // slow, and served for longer than the server's WriteTimeout
			_, err = io.CopyN(io.Discard, r.Body, 1<<20)
			require.NoError(t, err)
			time.Sleep(site.Patience / 2)
		}
		time.Sleep(2 * site.Patience)
		n, err := io.Copy(io.Discard, r.Body)
		assert.ErrorContains(t, err, "stream error")
		assert.Less(t, n, int64(2*big4M))
	})
}

func TestHeaderThatNeverEndsIsCutOff(t *testing.T) {
	inBubble(t, func(t *testing.T, conn net.Conn) {
		_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost:")
		require.NoError(t, err)
		time.Sleep(time.Minute)
		_, err = io.WriteString(conn, " x\r\n\r\n")
		assert.ErrorIs(t, err, io.ErrClosedPipe)
	})
}

func TestIdleConnectionIsClosed(t *testing.T) {
	inBubble(t, func(t *testing.T, conn net.Conn) {
		_, err := io.Copy(io.Discard, ask(t, conn, 200))
		require.NoError(t, err)
		time.Sleep(10 * time.Minute)
		_, err = conn.Read(make([]byte, 1))
		assert.ErrorIs(t, err, io.EOF)
	})
}

func TestLongHeaderIsRefused(t *testing.T) {
	s := start(t, options{addr: "127.0.0.1:0"}, page)
	r, err := http.NewRequest("GET", s.url, nil)
	require.NoError(t, err)
	r.Header.Set("X-Long", strings.Repeat("x", 64<<10))
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	answer.Body.Close()
	assert.Equal(t, http.StatusRequestHeaderFieldsTooLarge, answer.StatusCode)
}

// TestThousandSlowReaders holds a thousand clients that have asked for 4 MiB
// and read none of it; others are served as if they were not there, and what
// each costs is far less than what it has asked for.
func TestThousandSlowReaders(t *testing.T) {
	s := start(t, options{addr: "127.0.0.1:0", quiet: true}, page)
	host := strings.TrimPrefix(s.url, "http://")
	before, kernel := memory(), tcpMemory(t)
	const slow = 1000
	for range slow {
		conn, err := net.Dial("tcp", host)
		if err != nil && strings.Contains(err.Error(), "too many open files") {
			t.Skipf("this system allows too few open files: %v", err)
		}
		require.NoError(t, err)
		defer conn.Close()
		require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(4<<10))
		_, err = io.WriteString(conn, "GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
		// The first byte says that the answer is under way.
		_, err = io.ReadFull(conn, make([]byte, 1))
		require.NoError(t, err)
	}
	for range 50 {
		_, body := read(t, http.DefaultClient, s.url+"/big.bin")
		require.Len(t, body, big4M)
		_, body = read(t, http.DefaultClient, s.url)
		require.Equal(t, "<p>hello", body)
	}
	each := (memory() - before) / slow
	kernel = (tcpMemory(t) - kernel) / slow
	t.Logf("each slow reader takes %d bytes of the program and %d of the kernel", each, kernel)
	assert.Less(t, each, 64<<10)
	assert.Less(t, kernel, 1<<20)
}

// memory is what lives in the heap and on stacks, both sides of the test's
// connections included.
func memory() int {
	http.DefaultClient.CloseIdleConnections()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

// tcpMemory is what Linux holds in the buffers of all connections; 0 elsewhere.
func tcpMemory(t *testing.T) int {
	text, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		return 0
	}
	mem := regexp.MustCompile(`(?m)^TCP:.* mem (\d+)`).FindSubmatch(text)
	require.NotNil(t, mem, "%s", text)
	pages, err := strconv.Atoi(string(mem[1]))
	require.NoError(t, err)
	return pages * os.Getpagesize()
}
