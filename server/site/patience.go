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

// patientWriter writes large answers in pieces, each with a deadline of its
// own. It works on HTTP/2 too, where the deadline is the stream's.
type patientWriter struct {
	http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
}

func (w *patientWriter) Write(data []byte) (n int, err error) {
	for n < len(data) && err == nil {
		// A recorder in a test has no deadline to set.
		_ = w.control.SetWriteDeadline(time.Now().Add(w.patience))
		wrote := 0
		wrote, err = w.ResponseWriter.Write(data[n:min(n+chunk, len(data))])
		n += wrote
	}
	return n, err
}
