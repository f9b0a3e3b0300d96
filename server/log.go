package main

import (
	"bytes"
	"log"
	"log/slog"
	"net/http"
	"regexp"
	"time"
)

// logRequests writes a line for every answer: what was served and how, never to
// whom. A path that names no file of ours is what somebody typed, so it is left
// out, as are query, address, referrer and user agent.
func logRequests(next http.Handler, logger *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		c := &counter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(c, r)
		file, method := r.URL.Path, r.Method
		if c.status >= 400 {
			file = "-"
		}
		if c.status == http.StatusMethodNotAllowed {
			method = "-"
		}
		logger.Info("request", "method", method, "file", file, "status", c.status, "bytes", c.bytes,
			"encoding", w.Header().Get("Content-Encoding"), "proto", r.Proto, "took", time.Since(start))
	})
}

// counter notes an answer's status and size.
type counter struct {
	http.ResponseWriter
	status, bytes int
}

func (c *counter) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

func (c *counter) Write(data []byte) (int, error) {
	n, err := c.ResponseWriter.Write(data)
	c.bytes += n
	return n, err
}

// Unwrap lets deadlines through (http.ResponseController).
func (c *counter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// anAddress is an IPv4 or IPv6 address, with a port where there is one.
var anAddress = regexp.MustCompile(`\[[0-9a-fA-F:.]+(%[^\]]*)?\](:[0-9]+)?|\b[0-9]{1,3}(\.[0-9]{1,3}){3}(:[0-9]+)?\b`)

// errorLog takes net/http's complaints, which name the client's address.
func errorLog(logger *slog.Logger) *log.Logger { return log.New(scrubber{logger}, "", 0) }

type scrubber struct{ logger *slog.Logger }

func (s scrubber) Write(line []byte) (int, error) {
	s.logger.Warn(string(anAddress.ReplaceAll(bytes.TrimSpace(line), []byte("(client)"))))
	return len(line), nil
}
