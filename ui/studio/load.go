//go:build js

package studio

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/mcdm/mcdm/engine"
	"github.com/mcdm/mcdm/engine/gpu"
	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/ui/dom"
	"github.com/mcdm/mcdm/weights/bundle"
)

// fetchManifest reads what the networks are; their weights come with load.
func (s *Studio) fetchManifest(ctx context.Context) error {
	data, err := dom.Fetch(ctx, "bundle/"+bundle.ManifestName)
	if err == nil {
		s.bundle, err = bundle.Parse(data)
		sum := sha256.Sum256(data)
		s.bundleHash = hex.EncodeToString(sum[:])
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDownload, err)
	}
	return nil
}

// onDevice is a model with the device that it lies on.
type onDevice struct {
	*engine.Model
	device *gpu.Device
}

func (o onDevice) Err() error { return o.device.Err() }

func (o onDevice) Release() {
	o.Model.Release()
	o.device.Close()
}

// load is the page's Loader: it opens the device and fetches the weights side
// by side, then puts the ones on the other. Kernels are compiled meanwhile; the
// first run waits for what is still missing.
func (s *Studio) load(ctx context.Context, progress func(done, total int, text string)) (_ Sampler, err error) {
	type opened struct {
		device  *gpu.Device
		machine record.Machine
		err     error
	}
	device := make(chan opened, 1)
	fetching, useless := context.WithCancel(ctx)
	defer useless()
	compiling, abandon := context.WithCancel(ctx)
	defer func() {
		if err != nil {
			abandon()
		}
	}()
	go func() {
		d, err := gpu.Open(ctx, gpu.Options{})
		if err != nil {
			useless() // megabytes that nothing could use
			device <- opened{err: err}
			return
		}
		machine := record.GPU(d)
		device <- opened{d, machine, nil}
		// An error comes again, and is told, where the kernels are needed.
		_ = engine.Prepare(compiling, machine, s.bundle, func(done, total int) {
			if s.run.Starting() {
				progress(done, total, preparing(done, total))
			}
		})
	}()
	failed := s.fetch(fetching, progress)
	d := <-device
	if d.err != nil {
		return nil, d.err
	}
	if failed == nil {
		failed = d.device.Err() // it may have been lost meanwhile
	}
	if failed != nil {
		d.device.Close()
		return nil, failed
	}
	s.showDevice(d.device.Info())
	m, err := engine.Load(ctx, d.machine, s.bundle, func(done, total int) {
		if done == total {
			progress(0, 0, "Nearly there…")
			return
		}
		progress(done, total, preparing(done, total))
	})
	if err != nil {
		d.device.Close()
		return nil, errors.Join(d.device.Err(), err)
	}
	s.tidy()
	return onDevice{m, d.device}, nil
}

func preparing(done, total int) string {
	return fmt.Sprintf("Preparing the graphics card: %d of %d", done, total)
}

// showDevice names the graphics card, and warns when there is none.
func (s *Studio) showDevice(i gpu.Info) {
	pill := dom.Get("device")
	dom.Text(pill, "%s", i.Name)
	dom.Show(pill, true)
	s.quick = !i.Software
	steps := dom.Get("steps")
	if same := steps.Get("value").String() == steps.Get("defaultValue").String(); same && s.untouched && !i.Software {
		steps.Set("value", stepsOnGPU)
	}
	if i.Software {
		s.notice(fmt.Sprintf("No graphics card in use (%s): all works, but a picture takes minutes. "+
			"In Chrome, see Settings, System, graphics acceleration.", i.Name))
	}
}

// stepsOnGPU is the number of steps where they cost little. The page's own
// number is for software adapters.
const stepsOnGPU = 50
