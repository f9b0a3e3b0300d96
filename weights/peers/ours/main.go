//go:build js

// Command ours puts package engine into the page as one of the peers: it loads
// the shipped bundle as the studio does and evaluates the merged prediction.
package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall/js"
	"unsafe"

	"github.com/mcdm/mcdm/engine"
	"github.com/mcdm/mcdm/engine/gpu"
	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/ui/dom"
	"github.com/mcdm/mcdm/weights/bundle"
	"github.com/mcdm/mcdm/weights/safetensors"
)

func main() {
	var p peer
	js.Global().Set("ours", map[string]any{
		"load": promise(func() (any, error) { return p.load(context.Background()) }),
		"step": promise(func() (any, error) { return p.step(context.Background()) }),
	})
	select {} // the page calls
}

// promise makes a JavaScript function of f, which may wait for the browser.
func promise(f func() (any, error)) js.Func {
	return js.FuncOf(func(js.Value, []js.Value) any {
		executor := js.FuncOf(func(_ js.Value, args []js.Value) any {
			resolve, reject := args[0], args[1]
			go func() {
				if v, err := f(); err != nil {
					reject.Invoke(js.Global().Get("Error").New(err.Error()))
				} else {
					resolve.Invoke(v)
				}
			}()
			return nil
		})
		defer executor.Release()
		return js.Global().Get("Promise").New(executor)
	})
}

type peer struct {
	model *engine.Model
	input engine.EpsInput
}

// load brings the networks onto the graphics device; it tells which that is.
func (p *peer) load(ctx context.Context) (string, error) {
	data, err := fetch(ctx, "/step.safetensors")
	if err != nil {
		return "", err
	}
	if p.input, err = inputs(data); err != nil {
		return "", fmt.Errorf("step.safetensors: %w", err)
	}
	d, err := gpu.Open(ctx, gpu.Options{})
	if err != nil {
		return "", err
	}
	if p.model, err = p.fetch(ctx, record.GPU(d)); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, %.1f MB of weights on it", d.Info(), float64(p.model.Bytes())/1e6), nil
}

// fetch reads a file of the page's server.
func fetch(ctx context.Context, url string) ([]byte, error) {
	r, err := dom.Ask(ctx, url, nil, "default")
	if err != nil {
		return nil, fmt.Errorf("fetching %s: %w", url, err)
	}
	defer r.Close()
	if r.Status() != 200 {
		return nil, fmt.Errorf("fetching %s: the server answered %d", url, r.Status())
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("fetching %s: %w", url, err)
	}
	return data, nil
}

func (p *peer) fetch(ctx context.Context, m record.Machine) (*engine.Model, error) {
	data, err := fetch(ctx, "bundle/"+bundle.ManifestName)
	if err != nil {
		return nil, err
	}
	b, err := bundle.ParseManifest(data)
	if err != nil {
		return nil, err
	}
	b.Networks = slices.DeleteFunc(b.Networks, func(n bundle.Network) bool {
		return n.Modality != bundle.Unconditional && p.input.Cond[n.Name] == nil && p.input.Context[n.Name] == nil
	}) // the peers have those of the step alone
	b.Upscaler = nil
	needed := b.ShardsOf(b.All()...)
	model, err := engine.New(m, b, nil)
	if err != nil {
		return nil, err
	}
	errs := make(chan error)
	for _, i := range needed {
		s := b.Shards[i]
		go func() {
			data, err := fetch(ctx, "bundle/"+s.Name)
			if err == nil {
				err = s.Check(data)
			}
			if err == nil {
				err = model.Add(i, data)
			}
			errs <- err
		}()
	}
	for range needed {
		if e := <-errs; err == nil {
			err = e
		}
	}
	return model, err
}

// inputs reads what the networks are given; the file holds PyTorch's answer too.
func inputs(data []byte) (engine.EpsInput, error) {
	in := engine.EpsInput{MergedOnly: true, Cond: map[string][]float32{}, Context: map[string][]float32{}}
	f, err := safetensors.Parse(data)
	if err != nil {
		return in, err
	}
	for _, name := range f.Names() {
		v, shape, err := f.Float32(name)
		if err != nil {
			return in, err
		}
		switch kind, network, _ := strings.Cut(name, "."); kind {
		case "sample":
			in.Sample, in.Batch, in.Height, in.Width = v, shape[0], shape[2], shape[3]
		case "timestep":
			in.Timestep = v
		case "cond":
			in.Cond[network] = v
		case "encoder_hidden_states":
			in.Context[network], in.ContextLength = v, shape[1]
		}
	}
	return in, nil
}

// step gives the merged prediction as a Float32Array.
func (p *peer) step(ctx context.Context) (js.Value, error) {
	_, eps, err := p.model.Eps(ctx, p.input)
	if err != nil {
		return js.Undefined(), err
	}
	bytes := js.Global().Get("Uint8Array").New(4 * len(eps))
	js.CopyBytesToJS(bytes, unsafe.Slice((*byte)(unsafe.Pointer(&eps[0])), 4*len(eps)))
	return js.Global().Get("Float32Array").New(bytes.Get("buffer")), nil
}
