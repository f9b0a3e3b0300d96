package site

import (
	"net/http"
	"time"
)

// Patience is how long a client may take for chunk bytes. A limit on a whole
// answer would cut off slow lines, or let idle ones stay; this one moves on as
// bytes leave, and asks for 4 KiB a second.
const (
	Patience = time.Minute
	chunk    = 256 << 10
)

// patientWriter writes answers in chunks, each with a deadline of its own (but the
// first, which has the server's WriteTimeout: setting one costs a thirtieth of a
// small answer), in however small pieces they come. It works on HTTP/2 too, where the
// deadline is the stream's.
type patientWriter struct {
	http.ResponseWriter
	patience time.Duration
	begun    bool
	left     int // of the chunk that is being written
}

func (w *patientWriter) Write(data []byte) (n int, err error) {
	for n < len(data) && err == nil {
		if w.left == 0 {
			if w.begun {
				// A recorder in a test has no deadline to set.
				_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(w.patience))
			}
			w.begun, w.left = true, chunk
		}
		wrote := 0
		wrote, err = w.ResponseWriter.Write(data[n:min(n+w.left, len(data))])
		n, w.left = n+wrote, w.left-wrote
	}
	return n, err
}
