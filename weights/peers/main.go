// Command peers times one composed step of the shipped bundle's four networks
// in a headless Chromium: by package engine, and by what a person would
// otherwise use in a browser, with the same weights, inputs and adapter: a software
// one, or with MCDM_GPU=1 in the environment the machine's graphics card.
//
// Every peer's merged prediction must agree with PyTorch's before anything is
// timed, and does so in every timed step. The last lines are
//
//	ratio NAME MEDIAN MIN MAX
//
// over rounds: the peer's time by ours. A peer that cannot run is a last line
// too, with its error.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/mcdm/mcdm/wasm/e2e/headless"
)

// peers are named by their file in web, with its option.
var peers = []string{ours, "ort-webgpu", "ort-wasm", "tfjs"}

const ours = "ours"

// tolerance is the largest root mean square of a merged prediction's difference
// from PyTorch's, relative to that of PyTorch's. All compute in f32 with the
// same weights; sums in another order differ by some 1e-6.
const tolerance = 1e-4

// stepLimit ends a step that hangs. The first one of a peer may compile for
// minutes on a busy software adapter.
const stepLimit = time.Hour

func main() {
	dir := flag.String("dir", "weights/peers", "folder with node_modules and cache")
	rounds := flag.Int("rounds", 5, "interleaved rounds")
	warm := flag.Int("warm", 2, "untimed steps of each peer, the first one included")
	only := flag.String("only", strings.Join(peers, ","), "peers to run; ours always is")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	names := strings.Split(*only, ",")
	err := check(*rounds, names, flag.Args())
	if err == nil {
		err = run(ctx, *dir, names, *rounds, *warm)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// check refuses what cannot be run.
func check(rounds int, only, rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("%q is no option: see -help", rest)
	}
	if rounds < 1 {
		return fmt.Errorf("-rounds %d: want 1 or more", rounds)
	}
	for _, name := range only {
		if !slices.Contains(peers, name) {
			return fmt.Errorf("-only %s: want some of %s", name, strings.Join(peers, ", "))
		}
	}
	return nil
}

// peer is one of them and what is known of it.
type peer struct {
	name    string
	note    string
	load    float64 // seconds until the first step can start
	first   float64 // seconds of the first step
	error   float64 // the largest
	peak    int     // bytes in GPU buffers
	seconds []float64
	failed  error
}

func run(ctx context.Context, dir string, only []string, rounds, warm int) error {
	files := newServer(dir)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: files}
	go server.Serve(listener)
	defer server.Close()

	ctx, cancel := chromedp.NewExecAllocator(ctx, headless.Flags()...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	url := fmt.Sprintf("http://localhost:%d/", listener.Addr().(*net.TCPAddr).Port)
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		return err
	}
	about, err := call[string](ctx, `[await adapter(), navigator.userAgent.match(/Chrome\/\S+/)[0]].join(", ")`)
	if err != nil {
		return err
	}
	fmt.Printf("adapter: %s, %d processors\n", about, runtime.NumCPU())
	if headless.OnCard() {
		if software, err := call[bool](ctx, `(await navigator.gpu.requestAdapter()).info.isFallbackAdapter`); err != nil || software {
			return errors.Join(err, errors.New("MCDM_GPU=1 asks for a graphics card, and the browser offers none: see chrome://gpu, or leave it out"))
		}
	}

	var all []*peer
	for _, name := range peers {
		if name != ours && !slices.Contains(only, name) {
			continue
		}
		p := &peer{name: name}
		all = append(all, p)
		if p.failed = p.start(ctx, warm); p.failed != nil {
			if name == ours || errors.As(p.failed, new(disagreement)) || ctx.Err() != nil {
				return fmt.Errorf("%s: %w", name, p.failed)
			}
			call[bool](ctx, "drop(%q)", name)
		}
		p.describe(files.bytes(name))
	}
	for r := range rounds {
		fmt.Printf("round %d:", r+1)
		for _, p := range all {
			if p.failed != nil {
				continue
			}
			s, err := p.step(ctx)
			if err != nil {
				return fmt.Errorf("%s: round %d: %w", p.name, r+1, err)
			}
			p.seconds = append(p.seconds, s)
			fmt.Printf(" %s %.3f s", p.name, s)
		}
		fmt.Println()
	}
	report(all)
	return nil
}

// call runs JavaScript in the page and waits for its promise.
func call[T any](ctx context.Context, format string, args ...any) (T, error) {
	return chromedp.Run(ctx, chromedp.Evaluate[T](fmt.Sprintf("(async () => "+format+")()", args...), chromedp.EvalAwaitPromise))
}

// start loads a peer, and makes its first steps.
func (p *peer) start(ctx context.Context, warm int) error {
	loaded, err := call[struct {
		Seconds float64
		Note    string
	}](ctx, "use(%q)", p.name)
	if err != nil {
		return err
	}
	p.load, p.note = loaded.Seconds, loaded.Note
	for i := range max(warm, 1) {
		s, err := p.step(ctx)
		if err != nil {
			return err
		}
		if i == 0 {
			p.first = s
		}
	}
	return nil
}

// disagreement is a prediction that is not PyTorch's.
type disagreement float64

func (d disagreement) Error() string {
	return fmt.Sprintf("the merged prediction is %.2g away from PyTorch's (relative root mean square): want at most %.2g", float64(d), tolerance)
}

// step makes one, checks it, and returns its time.
func (p *peer) step(ctx context.Context) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	made, err := call[struct {
		Seconds, Error float64
		Peak           int
	}](ctx, "step(%q)", p.name)
	if err != nil {
		return 0, err
	}
	p.error, p.peak = max(p.error, made.Error), max(p.peak, made.Peak)
	if !(made.Error <= tolerance) {
		return 0, disagreement(made.Error)
	}
	return made.Seconds, nil
}

func (p *peer) describe(downloaded int) {
	if p.failed != nil {
		fmt.Printf("%s cannot run: %v\n", p.name, p.failed)
		return
	}
	fmt.Printf("%s: loaded in %.1f s, first step %.1f s, %.1f MB downloaded, %.1f MB in GPU buffers at most, %.1g from PyTorch (%s)\n",
		p.name, p.load, p.first, float64(downloaded)/1e6, float64(p.peak)/1e6, p.error, p.note)
}

// report prints the times and, last, the ratios.
func report(all []*peer) {
	for _, p := range all {
		if p.failed == nil {
			m, least, most := spread(p.seconds)
			fmt.Printf("seconds %s %.4f %.4f %.4f\n", p.name, m, least, most)
		}
	}
	for _, p := range all[1:] {
		if p.failed != nil {
			fmt.Printf("ratio %s cannot run: %v\n", p.name, p.failed)
			continue
		}
		var ratios []float64
		for i, s := range p.seconds {
			ratios = append(ratios, s/all[0].seconds[i])
		}
		m, least, most := spread(ratios)
		fmt.Printf("ratio %s %.3f %.3f %.3f\n", p.name, m, least, most)
	}
}

// spread gives median, least and most.
func spread(v []float64) (median, least, most float64) {
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2, v[0], v[n-1]
}
