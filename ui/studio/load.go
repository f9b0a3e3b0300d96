//go:build js

package studio

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"syscall/js"

	"github.com/mcdm/mcdm/engine"
	"github.com/mcdm/mcdm/engine/gpu"
	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/ui/dom"
	"github.com/mcdm/mcdm/ui/shards"
	"github.com/mcdm/mcdm/weights/bundle"
)

// fetchManifest reads what the networks are; their weights come with load.
func (s *Studio) fetchManifest(ctx context.Context) error {
	ask := askServer
	if dom.OneFile() {
		ask = askFile
	}
	data, err := shards.Manifest(ctx, ask)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	s.bundleHash = hex.EncodeToString(sum[:])
	s.bundle, err = bundle.ParseManifest(data)
	return err
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

// load is the page's Loader: it opens the device and fetches the weights side by
// side. Each shard is copied to the device when it has come and is not kept in
// the program's memory. Kernels are compiled meanwhile; the first run waits for
// what is still missing.
func (s *Studio) load(ctx context.Context, progress func(done, total int, text string)) (_ Sampler, err error) {
	fetching, useless := context.WithCancel(ctx)
	defer useless()
	compiling, abandon := context.WithCancel(ctx)
	var model onDevice
	var failed error
	opened := make(chan struct{}) // model or failed is there
	defer func() {
		<-opened
		if err != nil {
			abandon()
			if model.device != nil {
				model.device.Close()
			}
		}
	}()
	go func() {
		defer close(opened)
		if model, failed = s.room(ctx, progress); failed != nil {
			useless() // megabytes that nothing could use
			return
		}
		go func() {
			// An error comes again, and is told, where the kernels are needed.
			_ = model.Prepare(compiling, func(done, total int) {
				if s.run.Starting() {
					progress(done, total, preparing(done, total))
				}
			})
		}()
	}()
	err = s.fetch(fetching, progress, func(i int, data []byte) error {
		<-opened
		if failed != nil {
			return failed
		}
		defer runtime.GC() // of the shard before: WebAssembly never gives memory back
		return model.Add(i, data)
	})
	<-opened
	if failed != nil {
		return nil, failed
	}
	if lost := model.Err(); lost != nil { // meanwhile
		return nil, errors.Join(lost, err)
	}
	if err != nil {
		return nil, err
	}
	progress(0, 0, "Nearly there…")
	s.tidy()
	s.showDevice(model.device.Info()) // its notice leaves the alarm of tidy; an alarm leaves no notice
	return model, nil
}

// room opens the device and makes room on it for the networks.
func (s *Studio) room(ctx context.Context, progress func(done, total int, text string)) (onDevice, error) {
	d, err := gpu.Open(ctx, gpu.Options{})
	if errors.Is(err, gpu.ErrNoWebGPU) && js.Global().Get("location").Get("protocol").String() == "file:" {
		err = errInFile
	}
	if err != nil {
		return onDevice{}, err
	}
	m, err := engine.New(record.GPU(d), s.bundle, func(done, total int) {
		if done == total {
			progress(0, 0, "Nearly there…")
			return
		}
		progress(done, total, preparing(done, total))
	})
	if err != nil {
		err = errors.Join(d.Err(), err)
		d.Close()
		return onDevice{}, err
	}
	return onDevice{m, d}, nil
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
	steps, usual := dom.Get("steps"), any(stepsOnGPU)
	if i.Software {
		usual = steps.Get("defaultValue")
		s.notice(fmt.Sprintf("No graphics card in use (%s): everything works, but slowly: a minute or so a picture. "+
			"In Chrome, see Settings, System, graphics acceleration.", i.Name))
	}
	if s.untouched {
		steps.Set("value", usual)
	}
}

// stepsOnGPU is the number of steps where they cost little. The page's own
// number is for software adapters.
const stepsOnGPU = 50
