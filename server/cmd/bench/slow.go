package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// slowReaders is how many clients ask for a shard and then read nothing of it.
const slowReaders = 1000

// beside measures how many requests for the page each server answers with a
// thousand slow readers and without, and what memory they cost it.
func beside(ctx context.Context, servers []server, site string, rounds int, length time.Duration, out io.Writer) error {
	shard, err := filepath.Glob(filepath.Join(site, loads[len(loads)-1].pattern))
	if err != nil || len(shard) != 1 {
		return fmt.Errorf("%s holds %d shards that begin so", site, len(shard))
	}
	fmt.Fprintf(out, "\n%d slow readers of a shard beside 32 connections that ask for the page\n", slowReaders)
	fmt.Fprintf(out, "%-6s %14s %14s %14s %14s %16s\n", "", "requests/s", "with them", "us/request", "with them", "MB more for them")
	for _, s := range servers {
		alone, err := s.several(ctx, site, rounds, length)
		if err != nil {
			return err
		}
		before := s.memory()
		stop, err := s.slow(ctx, "/bundle/"+filepath.Base(shard[0]))
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		busy, err := s.several(ctx, site, rounds, length)
		after := s.memory()
		stop()
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%-6s %14.0f %14.0f %14.1f %14.1f %16.1f\n", s.name, alone.requests, busy.requests, alone.cpu, busy.cpu, float64(after-before)/1e6)
	}
	return nil
}

// several is the median of some rounds for the page.
func (s server) several(ctx context.Context, site string, rounds int, length time.Duration) (rate, error) {
	var requests, cpu []float64
	for range rounds {
		r, err := s.measure(ctx, loads[0], site, length)
		if err != nil {
			return rate{}, fmt.Errorf("%s: %w", s.name, err)
		}
		requests, cpu = append(requests, r.requests), append(cpu, r.cpu)
	}
	return rate{requests: median(requests), cpu: median(cpu)}, nil
}

// slow connects the slow readers. They are there when it returns: each has got
// its answer's first byte. stop ends them.
func (s server) slow(ctx context.Context, path string) (stop func(), err error) {
	at, err := url.Parse(s.url)
	if err != nil {
		return nil, err
	}
	var conns []net.Conn
	stop = func() {
		for _, c := range conns {
			c.Close()
		}
	}
	for range slowReaders {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", at.Host)
		if err != nil {
			stop()
			return nil, err
		}
		conns = append(conns, c)
		if err := c.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
			stop()
			return nil, err
		}
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, at.Host)
		if err = c.SetReadDeadline(time.Now().Add(10 * time.Second)); err == nil {
			_, err = io.ReadFull(c, make([]byte, 1))
		}
		if err != nil {
			stop()
			return nil, fmt.Errorf("slow reader %d: %w", len(conns), err)
		}
	}
	return stop, nil
}

var resident = regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB`)

// memory is what a server and its workers have in RAM, in bytes; 0 where the
// system is not Linux.
func (s server) memory() (total int) {
	for _, pid := range s.processes() {
		text, _ := os.ReadFile(filepath.Join("/proc", pid, "status"))
		if m := resident.FindSubmatch(text); m != nil {
			n, _ := strconv.Atoi(string(m[1]))
			total += n << 10
		}
	}
	return total
}

// soak loads our server with everything in turn, slow readers among them who
// come and go, and prints its memory. It must not grow: its peak in the last
// third may be a tenth above that of the third before.
func soak(ctx context.Context, s server, site string, length time.Duration, out io.Writer) error {
	shard, err := filepath.Glob(filepath.Join(site, loads[len(loads)-1].pattern))
	if err != nil || len(shard) != 1 {
		return fmt.Errorf("%s holds %d shards that begin so", site, len(shard))
	}
	fmt.Fprintf(out, "\n%v of all loads in turn, and of %d slow readers who come and go\n%8s %10s %12s\n", length, slowReaders, "s", "MB", "requests")
	var thirds [3][]int
	total := 0.0
	for start, turn := time.Now(), 0; time.Since(start) < length; turn++ {
		stop, err := s.slow(ctx, "/bundle/"+filepath.Base(shard[0]))
		if err != nil {
			return err
		}
		for _, l := range loads {
			r, err := s.measure(ctx, l, site, 2*time.Second)
			if err != nil {
				stop()
				return err
			}
			total += 2 * r.requests
			third := min(2, int(3*time.Since(start)/length))
			thirds[third] = append(thirds[third], s.memory())
		}
		stop()
		if turn%4 == 0 {
			fmt.Fprintf(out, "%8.0f %10.1f %12.0f\n", time.Since(start).Seconds(), float64(s.memory())/1e6, total)
		}
	}
	if len(thirds[1]) == 0 || len(thirds[2]) == 0 {
		return fmt.Errorf("%v is too short to tell", length)
	}
	first, last := slices.Max(thirds[1]), slices.Max(thirds[2])
	fmt.Fprintf(out, "at most %.1f MB in the second third, %.1f MB in the last; %.0f requests\n", float64(first)/1e6, float64(last)/1e6, total)
	if last > first+first/10 {
		return fmt.Errorf("memory grows")
	}
	return nil
}

// processes are a server's and its workers'.
func (s server) processes() (pids []string) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path) // pid (name) state ppid ...
		if err != nil {
			continue
		}
		f := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		pid := filepath.Base(filepath.Dir(path))
		if own := strconv.Itoa(s.pid); pid == own || string(f[1]) == own {
			pids = append(pids, pid)
		}
	}
	return pids
}
