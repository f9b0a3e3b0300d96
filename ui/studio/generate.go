//go:build js

package studio

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"syscall/js"
	"time"

	"github.com/mcdm/mcdm/engine"
	"github.com/mcdm/mcdm/engine/gpu"
	"github.com/mcdm/mcdm/ui/dom"
)

// request reads the controls.
func (s *Studio) request() (engine.Request, []string, error) {
	q := engine.Request{Weights: map[string]float64{}}
	var using []string
	for _, c := range s.cards {
		if !c.on() {
			continue
		}
		switch {
		case c.modality == engine.Sketch && s.board.HasSketch():
			q.Conditions.Sketch = s.board.Sketch()
		case c.modality == engine.Mask && s.board.HasMask():
			q.Conditions.Mask = s.board.Mask()
		case c.modality == engine.Text && strings.TrimSpace(promptText()) != "":
			q.Conditions.Text = promptText()
		default:
			continue
		}
		q.Weights[c.network] = c.weight()
		using = append(using, c.modality)
	}
	q.Sampler.Name = dom.Get("sampler").Get("value").String()
	var err error
	if q.Sampler.Steps, err = number("steps", 1, 1000); err != nil {
		return q, nil, err
	}
	if q.Sampler.Eta, err = strconv.ParseFloat(dom.Get("eta").Get("value").String(), 64); err != nil || q.Sampler.Eta < 0 || q.Sampler.Eta > 1 {
		return q, nil, errors.New("Eta is a number from 0 to 1.")
	}
	seed, err := number("seed", 0, 1<<53)
	q.Seed = uint64(seed)
	return q, using, err
}

func promptText() string { return dom.Get("prompt").Get("value").String() }

func number(id string, least, most int) (int, error) {
	n, err := strconv.Atoi(dom.Get(id).Get("value").String())
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%s is a whole number from %d to %d.", strings.ToUpper(id[:1])+id[1:], least, most)
	}
	return n, nil
}

// generate samples one picture from what is drawn, painted and typed.
func (s *Studio) generate() {
	q, using, err := s.request()
	if err != nil {
		dom.Text(dom.Get("status"), "%v", err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	defer stop()
	s.state(sampling)
	s.progress(0, 1, "Starting…")

	if s.device.Err() != nil {
		if err := s.revive(ctx); err != nil {
			s.ready(explain(err).Error())
			return
		}
	}
	started := time.Now()
	pictures, err := s.model.Sample(ctx, q, func(p engine.Progress) {
		if p.Preview != nil {
			dom.Paint(dom.Get("picture"), p.Preview[0])
		}
		left := time.Duration(float64(time.Since(started)) / float64(p.Step) * float64(p.Steps-p.Step))
		s.progress(p.Step, p.Steps, fmt.Sprintf("Step %d of %d, %s left", p.Step, p.Steps, seconds(left)))
	})
	switch {
	case errors.Is(err, context.Canceled):
		s.ready("Stopped. The picture is as far as it came.")
	case errors.Is(err, gpu.ErrLost) || s.device.Err() != nil:
		s.ready(explain(errors.Join(gpu.ErrLost, err)).Error())
	case err != nil:
		s.ready(explain(err).Error())
	default:
		dom.Paint(dom.Get("picture"), pictures[0])
		what := "nothing but chance"
		if len(using) > 0 {
			what = strings.Join(using, ", ")
		}
		s.ready(fmt.Sprintf("Done in %s, from %s. Seed %d.", seconds(time.Since(started)), what, q.Seed))
		dom.Get("progress").Set("value", 1)
		dom.Get("picture").Call("setAttribute", "aria-label", fmt.Sprintf("The picture made from %s with seed %d", what, q.Seed))
		dom.Get("save").Set("disabled", false)
	}
}

func seconds(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f s", math.Ceil(d.Seconds()))
}

// save offers the picture as a file.
func save() {
	picture := dom.Get("picture")
	var done js.Func
	done = js.FuncOf(func(_ js.Value, args []js.Value) any {
		defer done.Release()
		url := js.Global().Get("URL").Call("createObjectURL", args[0])
		a := dom.New("a", "")
		a.Set("href", url)
		a.Set("download", fmt.Sprintf("mcdm-%s.png", dom.Get("seed").Get("value").String()))
		a.Call("click")
		js.Global().Get("URL").Call("revokeObjectURL", url)
		return nil
	})
	picture.Call("toBlob", done, "image/png")
}
