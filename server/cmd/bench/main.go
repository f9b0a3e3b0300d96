// Command bench compares this server with nginx and Caddy, which serve the same
// precompressed files on loopback. Each is loaded alone and in turn, many short
// rounds of it, so that what else the machine does falls on all alike.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ours := flag.String("server", "", "this server's binary")
	site := flag.String("dir", "server/dist", "folder that all serve")
	rounds := flag.Int("rounds", 5, "rounds of every measurement, 1 to 20")
	length := flag.Duration("round", time.Second, "length of a round, 1s to 5s, whole seconds")
	soak := flag.Duration("soak", 0, "load this server alone for so long instead, at most 1h, and see whether its memory grows")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := check(*rounds, *length, *soak, flag.Args())
	if err == nil {
		limit, cancel := context.WithTimeout(ctx, longest(*rounds, *length, *soak))
		defer cancel()
		err = run(limit, *ours, *site, *rounds, *length, *soak, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// check refuses what cannot be measured.
func check(rounds int, length, soak time.Duration, rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("%q is no option: see -help", rest)
	case rounds < 1 || rounds > 20:
		return fmt.Errorf("-rounds %d: want 1 to 20", rounds)
	case length < time.Second || length > 5*time.Second || length%time.Second != 0:
		return fmt.Errorf("-round %v: want 1s to 5s, whole seconds", length)
	case soak < 0 || soak > time.Hour:
		return fmt.Errorf("-soak %v: want at most 1h", soak)
	}
	return nil
}

// longest is the most that all of it may take: of three servers a round of every
// load, and one with slow readers and one without, each with a second to begin;
// and some minutes for all else.
func longest(rounds int, length, soak time.Duration) time.Duration {
	return time.Duration(3*rounds*(len(loads)+2))*(length+time.Second) + soak + 5*time.Minute
}

// load is one thing to ask for, again and again.
type load struct {
	name     string
	pattern  string // of the file's path in the folder
	encoding string // "gzip": the file has a .gz copy, and that is what must come
	cached   bool   // the client has it already
}

var loads = []load{
	{"page, gzip", "index.html", "gzip", false},
	{"page, unchanged", "index.html", "gzip", true},
	{"program, gzip", "main.*.wasm", "gzip", false},
	{"shard", "bundle/none-0-*.safetensors", "", false},
}

// rate is what one round measured: requests and bytes per second, and processor
// time for a request in microseconds, which tells more than the clock where the
// machine has other work. both is the server's and the client's: on loopback the
// client's grows where the server's shrinks, by how much of a file is left in the
// socket's buffer.
type rate struct{ requests, bytes, cpu, both float64 }

func run(ctx context.Context, ours, site string, rounds int, length, soaking time.Duration, out io.Writer) error {
	site, err := filepath.Abs(site)
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "bench-server")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	ctx, cancel := context.WithCancel(ctx)
	servers, err := start(ctx, ours, site, temp, soaking > 0)
	defer func() {
		cancel()
		for _, s := range servers {
			<-s.ended
		}
	}()
	if err != nil {
		return err
	}
	if soaking > 0 {
		return soak(ctx, servers[0], site, soaking, out)
	}
	fmt.Fprintf(out, "%d rounds of %v, 32 connections; medians, and medians of the rounds' ratios\n", rounds, length)
	fmt.Fprintf(out, "%-16s %-6s %12s %10s %12s %12s %12s %12s %12s\n", "", "", "requests/s", "MB/s", "us/request", "with client", "ours to it", "in us", "with client")
	for _, l := range loads {
		measured := make([][]rate, len(servers))
		for range rounds {
			for i, s := range servers {
				r, err := s.measure(ctx, l, site, length)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", s.name, l.name, err)
				}
				measured[i] = append(measured[i], r)
			}
		}
		for i, s := range servers {
			var requests, bytes, cpu, both, ratio, cost, costBoth []float64
			for k, r := range measured[i] {
				requests, bytes = append(requests, r.requests), append(bytes, r.bytes)
				cpu, both = append(cpu, r.cpu), append(both, r.both)
				ratio = append(ratio, measured[0][k].requests/r.requests)
				cost = append(cost, measured[0][k].cpu/r.cpu)
				costBoth = append(costBoth, measured[0][k].both/r.both)
			}
			fmt.Fprintf(out, "%-16s %-6s %12.0f %10.1f %12.1f %12.1f %12.2f %12.2f %12.2f\n", l.name, s.name,
				median(requests), median(bytes)/1e6, median(cpu), median(both), median(ratio), median(cost), median(costBoth))
		}
	}
	return beside(ctx, servers, site, rounds, length, out)
}

func median(v []float64) float64 {
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// server is one that runs.
type server struct {
	name, url string
	pid       int
	ended     chan struct{}
}

// cpu is the processor time that a server and its workers have used; 0 where
// the system is not Linux.
func (s server) cpu() time.Duration {
	const tick = time.Second / 100 // USER_HZ
	var ticks int
	for _, pid := range s.processes() {
		text, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
		if err != nil {
			continue
		}
		f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		user, _ := strconv.Atoi(f[11])
		system, _ := strconv.Atoi(f[12])
		ticks += user + system
	}
	return time.Duration(ticks) * tick
}

// start runs all three, or ours alone, on free ports of loopback, until ctx is
// done.
func start(ctx context.Context, ours, site, temp string, alone bool) ([]server, error) {
	nginx, caddy := filepath.Join(temp, "nginx.conf"), filepath.Join(temp, "Caddyfile")
	var servers []server
	for _, s := range []struct {
		name    string
		command []string
		file    string // the configuration
		text    string // with address, folder
	}{
		{"ours", []string{ours, "-quiet", "-dir", site, "-addr"}, "", ""},
		{"nginx", []string{"nginx", "-p", temp, "-e", "stderr", "-c", nginx}, nginx, nginxConf},
		{"caddy", []string{"caddy", "run", "--adapter", "caddyfile", "--config", caddy}, caddy, caddyfile},
	} {
		if alone && len(servers) == 1 {
			break
		}
		address, err := freeAddress()
		if err != nil {
			return servers, err
		}
		if s.file == "" {
			s.command = append(s.command, address)
		} else if err := os.WriteFile(s.file, fmt.Appendf(nil, s.text, address, site), 0o600); err != nil {
			return servers, err
		}
		c := exec.CommandContext(ctx, s.command[0], s.command[1:]...)
		c.Env = append(os.Environ(), "HOME="+temp, "XDG_DATA_HOME="+temp, "XDG_CONFIG_HOME="+temp)
		c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
		c.WaitDelay = 10 * time.Second
		var log bytes.Buffer
		c.Stdout, c.Stderr = &log, &log
		if err := c.Start(); err != nil {
			return servers, fmt.Errorf("%s: %w", s.name, err)
		}
		ended := make(chan struct{})
		go func() { c.Wait(); close(ended) }()
		servers = append(servers, server{s.name, "http://" + address + "/", c.Process.Pid, ended})
		if err := wait(ctx, address, ended); err != nil {
			if errors.Is(err, errEnded) {
				err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(log.Bytes()))
			}
			return servers, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return servers, nil
}

// nginxConf is nginx at its best for this: nothing logged, files kept open,
// connections kept.
const nginxConf = `daemon off;
worker_processes auto;
pid nginx.pid;
events { worker_connections 4096; }
http {
	types { text/html html; application/wasm wasm; }
	default_type application/octet-stream;
	access_log off;
	sendfile on;
	tcp_nopush on;
	keepalive_requests 100000000;
	gzip_static on;
	open_file_cache max=1000;
	client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
	server { listen %s; root %s; }
}
`

const caddyfile = `{
	admin off
	auto_https off
}
http://%s {
	root * %s
	file_server {
		precompressed gzip
	}
}
`

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

var errEnded = errors.New("it has ended")

func wait(ctx context.Context, address string, ended <-chan struct{}) error {
	for range 100 {
		if c, err := net.Dial("tcp", address); err == nil {
			return c.Close()
		}
		select {
		case <-ended:
			return errEnded
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return errors.New("does not answer within 10 s")
}

var (
	perSecond = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	failures  = regexp.MustCompile(`(?m)^\s*(Socket errors|Non-2xx).*$`)
)

// measure checks that the right bytes come and then has wrk ask for them.
func (s server) measure(ctx context.Context, l load, site string, length time.Duration) (rate, error) {
	found, err := filepath.Glob(filepath.Join(site, l.pattern))
	if err != nil || len(found) != 1 {
		return rate{}, fmt.Errorf("%s holds %d files %s: run \"make build\" first", site, len(found), l.pattern)
	}
	path, err := filepath.Rel(site, found[0])
	if err != nil {
		return rate{}, err
	}
	header := http.Header{"Accept-Encoding": {"identity"}}
	if l.encoding != "" {
		header.Set("Accept-Encoding", l.encoding)
		found[0] += ".gz"
	}
	want, err := os.ReadFile(found[0])
	if err != nil {
		return rate{}, err
	}
	url := s.url + strings.TrimPrefix(filepath.ToSlash(path), "index.html")
	status, body, etag, err := get(ctx, url, header)
	if err != nil || status != 200 || !bytes.Equal(body, want) {
		return rate{}, fmt.Errorf("%s: status %d, %d bytes, %v: want the %d bytes of %s", url, status, len(body), err, len(want), found[0])
	}
	if l.cached {
		header.Set("If-None-Match", etag)
		if status, _, _, err := get(ctx, url, header); err != nil || status != 304 {
			return rate{}, fmt.Errorf("%s: status %d, %v: want 304 for ETag %s", url, status, err, etag)
		}
	}
	args := []string{"-t1", "-c32", "--timeout", "30s", "-d" + strconv.Itoa(int(length/time.Second)) + "s", url}
	for key, values := range header {
		args = append(args, "-H", key+": "+values[0])
	}
	used := s.cpu()
	wrk := exec.CommandContext(ctx, "wrk", args...)
	text, err := wrk.Output()
	used = s.cpu() - used
	if err != nil {
		return rate{}, fmt.Errorf("wrk: %w", err)
	}
	if bad := failures.Find(text); bad != nil {
		return rate{}, fmt.Errorf("wrk: %s", bytes.TrimSpace(bad))
	}
	match := perSecond.FindSubmatch(text)
	if match == nil {
		return rate{}, fmt.Errorf("wrk says %q", text)
	}
	requests, err := strconv.ParseFloat(string(match[1]), 64)
	if err != nil {
		return rate{}, fmt.Errorf("wrk says %q", text)
	}
	total := regexp.MustCompile(`([0-9]+) requests in`).FindSubmatch(text)
	if total == nil {
		return rate{}, fmt.Errorf("wrk says %q", text)
	}
	count, err := strconv.Atoi(string(total[1]))
	if l.cached {
		want = nil
	}
	both := used + wrk.ProcessState.UserTime() + wrk.ProcessState.SystemTime()
	return rate{requests, requests * float64(len(want)), float64(used.Microseconds()) / float64(count), float64(both.Microseconds()) / float64(count)}, err
}

// get asks once; bodies stay as they come.
func get(ctx context.Context, url string, header http.Header) (status int, body []byte, etag string, err error) {
	r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return 0, nil, "", err
	}
	r.Header = header
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, "", err
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(answer.Body)
	return answer.StatusCode, body, answer.Header.Get("ETag"), err
}
