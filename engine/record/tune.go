package record

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/mcdm/mcdm/engine/gpu"
	"github.com/mcdm/mcdm/shaders"
)

// tuning is what was found out about an adapter: by shape of launch, the number
// of its fastest form.
type tuning map[string]int

// tuningName is where an adapter's tuning is kept from run to run. Other kernels
// or another adapter begin anew.
func tuningName(d *gpu.Device) string {
	h := sha256.New()
	fmt.Fprintln(h, d.Info().String(), d.Info().Architecture)
	for _, k := range shaders.All() {
		code, _ := k.Code(nil) // no constants: no error
		fmt.Fprintln(h, k.Name, code)
	}
	return "tuning-" + hex.EncodeToString(h.Sum(nil)[:8])
}

// shapeOf names a launch up to its buffers.
func shapeOf(d shaders.Dispatch) string {
	h := sha256.Sum256(fmt.Append(nil, pipelineKey(d.In(d.Forms[0])), d.Params))
	return hex.EncodeToString(h[:8])
}

// Timed runs of a form: so many launches at once, the best of so many times. They
// are repeated until a run takes so long that waiting for it matters little, or
// that often: a fast GPU does 8 launches in less time than it takes to wait. One
// that was idle runs slowly at first.
const (
	tuneLaunches, tuneTimes, tuneRepeats = 8, 3, 32

	tuneLeast, tuneWarm = time.Millisecond, 100 * time.Millisecond
)

// tune puts the launches of a loaded plan into their fastest forms. On a GPU
// each shape that was never seen is timed in every form, on the plan's own
// buffers, before anything is in them. On a software adapter one form is the best
// of all shapes, and compiling takes seconds: it takes the first.
func (m *device) tune(ctx context.Context, p *Plan, l *gpuPlan) error {
	if !m.tunes() {
		return nil
	}
	unseen := map[string]shaders.Dispatch{}
	for _, g := range p.programs {
		for _, d := range g.Dispatches {
			if len(d.Forms) < 2 {
				continue
			}
			if len(m.formsToTry(d)) > 1 {
				unseen[shapeOf(d)] = d
			}
		}
	}
	if len(unseen) > 0 {
		if err := m.time(ctx, l, unseen); err != nil {
			return err
		}
		if data, err := json.Marshal(m.tuned); err == nil {
			m.dev.Remember(tuningName(m.dev), data)
		}
	}
	for _, g := range p.programs {
		for i, d := range g.Dispatches {
			if len(d.Forms) > 1 {
				g.Dispatches[i] = d.In(d.Forms[m.tuned[shapeOf(d)]])
			}
		}
	}
	return nil
}

// tunes tells whether forms are timed on this adapter, and recalls what is known.
func (m *device) tunes() bool {
	if m.dev.Info().Software && !m.tuneSoftware {
		return false
	}
	if m.tuned == nil {
		m.tuned = tuning{}
		// What cannot be read is measured again.
		_ = json.Unmarshal(m.dev.Recall(tuningName(m.dev)), &m.tuned)
	}
	return true
}

// formsToTry are those that a launch may come in: one where the best is known.
func (m *device) formsToTry(d shaders.Dispatch) []shaders.Form {
	if len(d.Forms) < 2 || !m.tunes() {
		return []shaders.Form{{Kernel: d.Kernel, Constants: d.Constants, Groups: d.Groups}}
	}
	if i, ok := m.tuned[shapeOf(d)]; ok && i >= 0 && i < len(d.Forms) {
		return d.Forms[i : i+1]
	}
	return slices.DeleteFunc(slices.Clone(d.Forms), m.passesOver)
}

// passesOver tells of a form that was made for other adapters: an H200 runs
// conv2d_uniform 6 to 70 times as slowly as its fastest form.
func (m *device) passesOver(f shaders.Form) bool { return f.Software && !m.dev.Info().Software }

// time finds the fastest form of each launch.
func (m *device) time(ctx context.Context, l *gpuPlan, launches map[string]shaders.Dispatch) error {
	type candidate struct {
		form int
		run  *Program
	}
	var all Plan
	candidates := map[string][]candidate{}
	for shape, d := range launches {
		for i, f := range d.Forms {
			if m.passesOver(f) {
				continue
			}
			g := all.Program("tuning " + d.Label)
			for range tuneLaunches {
				g.Add(d.Label, d.In(f))
			}
			candidates[shape] = append(candidates[shape], candidate{i, g})
		}
	}
	if err := m.compile(ctx, &all, func(int, int) {}); err != nil {
		return err
	}
	start := time.Now()
	for shape, forms := range candidates {
		best, fastest := time.Duration(0), 0
		for i, c := range forms {
			took, err := l.stopwatch(ctx, c.run)
			for err == nil && time.Since(start) < tuneWarm {
				took, err = l.stopwatch(ctx, c.run)
			}
			if err != nil {
				return fmt.Errorf("record: timing %s: %w", c.run.Name, err)
			}
			if i == 0 || took < best {
				best, fastest = took, c.form
			}
		}
		m.tuned[shape] = fastest // not before all were timed: a stop between two decides nothing
	}
	return nil
}

// stopwatch is the shortest of some runs of a program, after one to warm up and
// one to see how often it is to be repeated in each.
func (l *gpuPlan) stopwatch(ctx context.Context, g *Program) (time.Duration, error) {
	program, params, err := l.build(g)
	if err != nil {
		return 0, err
	}
	defer params.Release()
	defer program.Release()
	repeats, best := 1, time.Duration(0)
	for i := range 2 + tuneTimes {
		start := time.Now()
		if err := l.machine.dev.Run(slices.Repeat([]*gpu.Program{program}, repeats)...); err != nil {
			return 0, err
		}
		if err := l.machine.dev.Wait(ctx); err != nil {
			return 0, err
		}
		took := time.Since(start) / time.Duration(repeats)
		switch {
		case i == 1:
			repeats = int(max(1, min(tuneRepeats, tuneLeast/max(took, 1))))
		case i == 2 || i > 2 && took < best:
			best = took
		}
	}
	return best, nil
}
