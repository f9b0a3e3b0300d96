// Command server serves the page, its program and the networks, all embedded
// in this one binary.
package main

import (
	"context"
	"crypto/tls"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/mcdm/mcdm/server/site"
)

//go:embed all:dist
var dist embed.FS

// options are the command line.
type options struct {
	addr      string
	dir       string
	cert, key string
	quiet     bool
}

func main() {
	var o options
	flag.StringVar(&o.addr, "addr", "localhost:8080", "address to listen on; \":8080\" opens it to other computers")
	flag.StringVar(&o.dir, "dir", "", "folder to serve in place of the embedded one; it is read once, at the start")
	flag.StringVar(&o.cert, "tls-cert", "", "certificate chain, a PEM file: serve https:// and HTTP/2")
	flag.StringVar(&o.key, "tls-key", "", "key of the certificate, a PEM file")
	flag.BoolVar(&o.quiet, "quiet", false, "log no requests")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := fmt.Errorf("%q is no option: see -help", flag.Args())
	if flag.NArg() == 0 {
		err = run(ctx, o, os.Stdout, os.Stderr)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

// run serves what o asks for.
func run(ctx context.Context, o options, out, log io.Writer) error {
	if o.dir == "" {
		folder, err := fs.Sub(dist, "dist")
		if err != nil {
			return err
		}
		return serve(ctx, o, folder, out, log)
	}
	// The root is left neither by ".." nor by links.
	root, err := os.OpenRoot(o.dir)
	if err != nil {
		return fmt.Errorf("-dir: %w", err)
	}
	defer root.Close()
	return serve(ctx, o, root.FS(), out, log)
}

// serve answers until ctx is done, then lets running answers end.
func serve(ctx context.Context, o options, folder fs.FS, out, log io.Writer) error {
	handler, err := site.Handler(folder)
	if err != nil {
		return err
	}
	certificates, err := loadTLS(o)
	if err != nil {
		return err
	}
	listen := net.ListenConfig{Control: unsent}
	listen.SetMultipathTCP(false) // its connections would not inherit what unsent sets
	listener, err := listen.Listen(ctx, "tcp", o.addr)
	if err != nil {
		return fmt.Errorf("%w (choose another with -addr)", err)
	}
	logger := slog.New(slog.NewTextHandler(log, nil))
	if ip := listener.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() {
		hint := ""
		if certificates == nil {
			hint = "; browsers give WebGPU to https:// and localhost only: see -tls-cert"
		}
		logger.Warn("open to other computers"+hint, "addr", o.addr)
	}
	if !o.quiet {
		handler = logRequests(handler, logger)
	}
	server := newServer(handler, logger)
	server.TLSConfig = certificates
	fmt.Fprintf(out, "mcdm is at %s\n", address(o.addr, listener, certificates != nil))
	done := make(chan error, 1)
	go func() {
		if certificates != nil {
			done <- server.ServeTLS(listener, "", "")
		} else {
			done <- server.Serve(listener)
		}
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	fmt.Fprintln(out, "stopping")
	late, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(late); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return server.Close()
}

// newServer has a limit for everything that a client can drag out.
func newServer(handler http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:                      handler,
		DisableGeneralOptionsHandler: true, // OPTIONS is refused like all others
		ReadHeaderTimeout:            10 * time.Second,
		ReadTimeout:                  30 * time.Second,
		WriteTimeout:                 site.Patience, // moved on by the handler as bytes leave
		IdleTimeout:                  2 * time.Minute,
		MaxHeaderBytes:               16 << 10,
		ErrorLog:                     errorLog(logger),
	}
}

// loadTLS is nil where no certificate is given.
func loadTLS(o options) (*tls.Config, error) {
	if o.cert == "" && o.key == "" {
		return nil, nil
	}
	if o.cert == "" || o.key == "" {
		return nil, errors.New("-tls-cert and -tls-key need each other")
	}
	pair, err := tls.LoadX509KeyPair(o.cert, o.key)
	if err != nil {
		return nil, fmt.Errorf("-tls-cert %s, -tls-key %s: %w", o.cert, o.key, err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}

// address names the host as it was asked for, this computer where that was all of
// its addresses, with the port that was given.
func address(addr string, listener net.Listener, secure bool) string {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	host, _, _ := net.SplitHostPort(addr)
	if host == "" || net.ParseIP(host).IsUnspecified() {
		host = "localhost"
	}
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	return scheme + "://" + net.JoinHostPort(host, port)
}
