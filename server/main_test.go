package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const big4M = 4 << 20

var page = fstest.MapFS{
	"index.html": {Data: []byte("<p>hello")},
	"big.bin":    {Data: bytes.Repeat([]byte{7}, big4M)},
}

// logs is what the server logs, from its goroutines.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// started is a server with its address; stop ends it and waits.
type started struct {
	url  string
	log  *logs
	stop func()
}

func start(t *testing.T, o options, folder fs.FS) started {
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	log := new(logs)
	done := make(chan error, 1)
	go func() {
		done <- serve(ctx, o, folder, in, log)
		in.Close()
	}()
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		cancel()
		t.Fatal(<-done)
	}
	url, ok := strings.CutPrefix(lines.Text(), "mcdm is at ")
	require.True(t, ok, lines.Text())
	stop := sync.OnceFunc(func() {
		cancel()
		assert.True(t, lines.Scan())
		assert.Equal(t, "stopping", lines.Text())
		select {
		case err := <-done:
			assert.NoError(t, err)
		case <-time.After(time.Minute):
			t.Error("the server does not stop")
		}
	})
	t.Cleanup(stop)
	return started{url, log, stop}
}

func read(t *testing.T, client *http.Client, url string) (*http.Response, string) {
	r, err := client.Get(url)
	require.NoError(t, err)
	body, err := io.ReadAll(r.Body)
	r.Body.Close()
	require.NoError(t, err)
	return r, string(body)
}

func TestServesUntilStopped(t *testing.T) {
	s := start(t, options{addr: "127.0.0.1:0"}, page)
	_, body := read(t, http.DefaultClient, s.url)
	assert.Equal(t, "<p>hello", body)
	s.stop()
	_, err := http.Get(s.url)
	assert.Error(t, err)
}

func TestRunningAnswersEndAfterStop(t *testing.T) {
	s := start(t, options{addr: "127.0.0.1:0"}, page)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(16<<10))
	_, err = io.WriteString(conn, "GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	stopped := make(chan struct{})
	go func() { s.stop(); close(stopped) }()
	// New clients are refused while this one is still reading.
	for deadline := time.Now().Add(10 * time.Second); ; {
		probe, err := net.Dial("tcp", conn.RemoteAddr().String())
		if err != nil {
			break
		}
		probe.Close()
		if time.Now().After(deadline) {
			t.Fatal("10 s after the stop new clients are still let in")
		}
	}
	n, err := io.Copy(io.Discard, r.Body)
	assert.NoError(t, err)
	assert.EqualValues(t, big4M, n)
	<-stopped
}

func TestTLS(t *testing.T) {
	cert, key := certificate(t)
	s := start(t, options{addr: "127.0.0.1:0", cert: cert, key: key}, page)
	require.True(t, strings.HasPrefix(s.url, "https://"), s.url)
	pem, err := os.ReadFile(cert)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(pem))
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer transport.CloseIdleConnections()
	r, body := read(t, &http.Client{Transport: transport}, s.url+"/big.bin")
	assert.Equal(t, "HTTP/2.0", r.Proto)
	assert.Len(t, body, big4M)

	// Without trust the handshake fails, and the complaint names nobody.
	_, err = http.Get(s.url)
	require.Error(t, err)
	transport.CloseIdleConnections()
	s.stop()
	assert.Contains(t, s.log.String(), "TLS handshake error from (client): ")
	assert.NotContains(t, s.log.String(), "127.0.0.1")
}

// certificate makes a pair for 127.0.0.1.
func certificate(t *testing.T) (cert, key string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	return cert, key
}

func TestProblemsAreNamed(t *testing.T) {
	fails := func(o options, folder fs.FS) string {
		err := serve(t.Context(), o, folder, io.Discard, io.Discard)
		require.Error(t, err)
		return err.Error()
	}
	assert.Contains(t, fails(options{addr: "127.0.0.1:0"}, fstest.MapFS{}), "make build")
	assert.Contains(t, fails(options{addr: "127.0.0.1:99999"}, page), "-addr")
	assert.Contains(t, fails(options{addr: "127.0.0.1:0", cert: "a.pem"}, page), "-tls-key")
	assert.Contains(t, fails(options{addr: "127.0.0.1:0", cert: "a.pem", key: "b.pem"}, page), "a.pem")
	err := run(t.Context(), options{dir: filepath.Join(t.TempDir(), "gone")}, io.Discard, io.Discard)
	assert.ErrorContains(t, err, "-dir")
}

func TestWarnsWhenOpenToOthers(t *testing.T) {
	s := start(t, options{addr: ":0"}, page)
	assert.Contains(t, s.log.String(), "open to other computers")
	assert.Contains(t, s.url, "http://localhost:")
	s = start(t, options{addr: "127.0.0.1:0"}, page)
	assert.Empty(t, s.log.String())
}

// What is printed is where a browser on this computer finds the page, and is given WebGPU.
func TestAddress(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	for addr, want := range map[string]string{
		"localhost:0": "http://localhost:", "127.0.0.1:0": "http://127.0.0.1:", "[::1]:0": "http://[::1]:", "box.example:0": "http://box.example:",
		":0": "http://localhost:", "0.0.0.0:0": "http://localhost:", "[::]:0": "http://localhost:",
	} {
		assert.Equal(t, want+port, address(addr, listener, false), addr)
	}
}

func TestLogNamesNobody(t *testing.T) {
	s := start(t, options{addr: "127.0.0.1:0"}, page)
	for _, path := range []string{"/?q=secret-query", "/secret-path", "/healthz"} {
		r, err := http.NewRequest("GET", s.url+path, nil)
		require.NoError(t, err)
		r.Header.Set("User-Agent", "secret-agent")
		r.Header.Set("Referer", "http://secret.example/")
		answer, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		answer.Body.Close()
	}
	r, err := http.NewRequest("SECRET", s.url, nil)
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	answer.Body.Close()
	s.stop()
	text := s.log.String()
	assert.Contains(t, text, "msg=request method=GET file=/ status=200 bytes=8 ")
	assert.Contains(t, text, "method=GET file=- status=404 ")
	assert.Contains(t, text, "method=- file=- status=405 ")
	assert.Contains(t, text, "file=/healthz status=200 ")
	assert.NotContains(t, strings.ToLower(text), "secret")
	assert.NotContains(t, text, "127.0.0.1")

	s = start(t, options{addr: "127.0.0.1:0", quiet: true}, page)
	read(t, http.DefaultClient, s.url)
	s.stop()
	assert.Empty(t, s.log.String())
}

func TestAddressesAreScrubbed(t *testing.T) {
	for line, want := range map[string]string{
		"http: TLS handshake error from 10.1.2.3:4567: EOF":                              "http: TLS handshake error from (client): EOF",
		"http: panic serving [fe80::1%eth0]:80: broken":                                  "http: panic serving (client): broken",
		"http2: read tcp 127.0.0.1:8080->[2001:db8::7]:5678: connection reset by peer":   "http2: read tcp (client)->(client): connection reset by peer",
		"http: Accept error: accept tcp [::]:8080: too many open files; retrying in 5ms": "http: Accept error: accept tcp (client): too many open files; retrying in 5ms",
	} {
		log := new(logs)
		errorLog(slog.New(slog.NewTextHandler(log, nil))).Print(line)
		assert.Contains(t, log.String(), want)
	}
}

func TestDirIsNotLeft(t *testing.T) {
	outside := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600))
	runs := func(prepare func(dir string)) error {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "index.html"), []byte("from a folder"), 0o600))
		prepare(dir)
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // what can be served is, and stops at once
		return run(ctx, options{addr: "127.0.0.1:0", dir: dir}, io.Discard, io.Discard)
	}
	assert.NoError(t, runs(func(dir string) {
		require.NoError(t, os.Symlink("index.html", filepath.Join(dir, "inside.html")))
	}))
	for _, target := range []string{filepath.Join(outside, "secret"), "../" + filepath.Base(outside) + "/secret", "gone", "/dev/zero"} {
		err := runs(func(dir string) { require.NoError(t, os.Symlink(target, filepath.Join(dir, "link.html"))) })
		require.Error(t, err, target)
		assert.Contains(t, err.Error(), "link.html")
	}
	err := runs(func(dir string) { require.NoError(t, os.Symlink(outside, filepath.Join(dir, "folder"))) })
	require.Error(t, err)
	assert.Contains(t, err.Error(), "folder")
}
