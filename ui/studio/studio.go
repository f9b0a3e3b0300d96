//go:build js

// Package studio is the page around the board: it loads the networks, reads
// the controls, runs the sampler and shows what comes out.
package studio

import (
	"context"
	"errors"
	"fmt"
	"syscall/js"

	"github.com/mcdm/mcdm/engine"
	"github.com/mcdm/mcdm/engine/gpu"
	"github.com/mcdm/mcdm/ui/board"
	"github.com/mcdm/mcdm/ui/canvas"
	"github.com/mcdm/mcdm/ui/dom"
	"github.com/mcdm/mcdm/weights/bundle"
)

// The page's states, in <main data-state>, for style sheets and tests.
const (
	loading  = "loading"
	ready    = "ready"
	sampling = "sampling"
	failed   = "failed"
)

// Studio is the page's program.
type Studio struct {
	bundle *bundle.Bundle
	board  *board.Board
	canvas *canvas.Canvas
	model  *engine.Model
	device *gpu.Device

	cards       []*card // one for each modality
	sizes       map[board.Tool]float64
	nextExample int
	stop        context.CancelFunc // of the run in progress
}

// Run drives the page until it is closed.
func Run() error {
	s := &Studio{}
	ctx := context.Background()
	s.state(loading)
	manifest, err := dom.Fetch(ctx, "bundle/"+bundle.ManifestName)
	if err == nil {
		s.bundle, err = bundle.Parse(manifest)
	}
	if err != nil {
		s.fail(fmt.Errorf("The networks could not be loaded: %w. Check the connection and reload the page.", err))
		return err
	}
	s.board = board.New(labelsOf(s.bundle.Manifest))
	s.canvas = canvas.Attach(s.board, dom.Get("board"), s.drawn)
	s.controls()
	go s.load(ctx)
	return s.canvas.Run()
}

// labelsOf lists the parts that the bundle's mask network knows.
func labelsOf(m *bundle.Manifest) []board.Label {
	var out []board.Label
	for _, n := range m.Networks {
		for _, l := range n.Labels {
			c := board.Label{Name: l.Name}
			fmt.Sscanf(l.Color, "#%02x%02x%02x", &c.Color.R, &c.Color.G, &c.Color.B)
			c.Color.A = 255
			out = append(out, c)
		}
	}
	return out
}

// load fetches the weights and opens the graphics device, side by side.
func (s *Studio) load(ctx context.Context) {
	opened := make(chan error, 1)
	go func() {
		d, err := gpu.Open(ctx, gpu.Options{})
		s.device = d
		opened <- err
	}()
	err := s.fetch(ctx)
	if e := <-opened; e != nil {
		s.fail(explain(e))
		return
	}
	if err != nil {
		s.fail(fmt.Errorf("%w. Check the connection and reload the page.", err))
		return
	}
	s.showDevice()
	if err := s.build(ctx); err != nil {
		s.fail(explain(err))
		return
	}
	s.ready("Ready. Draw, paint or type, then press Generate. Or start from an example.")
}

// parallel is how many shards are fetched at once.
const parallel = 4

// fetch reads all shards and shows how far it is.
func (s *Studio) fetch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	shards := s.bundle.Shards()
	total := 0
	for _, h := range shards {
		total += h.Size
	}
	errs := make(chan error)
	slots := make(chan struct{}, parallel)
	sizes := make(chan int)
	for _, h := range shards {
		go func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			data, err := dom.Fetch(ctx, "bundle/"+h.Name)
			if err == nil {
				err = s.bundle.AddShard(h.Name, data)
			}
			if err != nil {
				errs <- err
				return
			}
			sizes <- h.Size
		}()
	}
	var first error
	got := 0
	for range shards {
		select {
		case err := <-errs:
			if first == nil {
				first = err
				cancel()
			}
		case n := <-sizes:
			got += n
			s.progress(got, total, fmt.Sprintf("Loading the networks: %.1f of %.1f MB", float64(got)/1e6, float64(total)/1e6))
		}
	}
	return first
}

// build uploads the networks to the device.
func (s *Studio) build(ctx context.Context) error {
	m, err := engine.OnGPU(ctx, s.device, s.bundle, func(done, total int) {
		s.progress(done, total, fmt.Sprintf("Preparing the graphics card: %d of %d", done, total))
	})
	if err != nil {
		return err
	}
	s.model = m
	return nil
}

// revive opens the device again after it was lost.
func (s *Studio) revive(ctx context.Context) error {
	s.model = nil
	d, err := gpu.Open(ctx, gpu.Options{})
	if err != nil {
		return err
	}
	s.device = d
	s.showDevice()
	return s.build(ctx)
}

func (s *Studio) showDevice() {
	i := s.device.Info()
	pill := dom.Get("device")
	dom.Text(pill, "%s", i.Name)
	dom.Show(pill, true)
	if i.Software {
		s.notice("This browser draws on the processor (%s), not on a graphics card. Everything works, but a picture takes a minute or more. "+
			"In Chrome, look under Settings, System, for graphics acceleration.", i.Name)
	}
}

// explain puts an error into words with a next step.
func explain(err error) error {
	switch {
	case errors.Is(err, gpu.ErrNoWebGPU):
		return errors.New("This browser has no WebGPU, which makes the picture on your graphics card. " +
			"Use a current Chrome or Edge, and open the page over https:// or from localhost.")
	case errors.Is(err, gpu.ErrNoAdapter):
		return fmt.Errorf("The browser found no graphics card that it may use (%w). "+
			"Switch on graphics acceleration in the browser's settings, update the graphics driver, or try another computer.", err)
	case errors.Is(err, gpu.ErrLost):
		return fmt.Errorf("The graphics card went away for a moment (%w). Your drawing is safe: press Generate again.", err)
	}
	return fmt.Errorf("%w. Your drawing is safe; reload the page if it happens again.", err)
}

func (s *Studio) state(name string) {
	dom.Get("studio").Get("dataset").Set("state", name)
	dom.Get("generate").Set("disabled", name != ready)
	dom.Show(dom.Get("generate"), name != sampling)
	dom.Show(dom.Get("stop"), name == sampling)
}

func (s *Studio) ready(status string) {
	s.state(ready)
	s.progress(0, 1, status)
}

func (s *Studio) progress(done, total int, status string) {
	bar := dom.Get("progress")
	bar.Set("max", total)
	bar.Set("value", done)
	dom.Text(dom.Get("status"), "%s", status)
}

func (s *Studio) notice(format string, args ...any) {
	n := dom.Get("notice")
	dom.Text(n, format, args...)
	dom.Show(n, true)
}

// fail shows an error that ends the page's use.
func (s *Studio) fail(err error) {
	s.state(failed)
	s.notice("%v", err)
	dom.Text(dom.Get("status"), "Not ready.")
	js.Global().Get("console").Call("warn", err.Error())
}
