package record

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
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

// shapeOf names a launch up to where its data lie: the same layer of other networks
// is as fast.
func shapeOf(d shaders.Dispatch) string {
	h := sha256.New()
	for _, f := range d.Forms {
		fmt.Fprintln(h, pipelineKey(d.In(f)), f.Groups)
	}
	params := slices.Clone(d.Params)
	for i, f := range d.Kernel.Fields {
		if f.Name == "nets" || strings.Contains(f.Name, "offset") {
			clear(params[4*i:][:4])
		}
	}
	h.Write(params)
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Timed runs of a form: a launch, the best of so many times. Where that takes less time
// than this, or than waiting for it, it is repeated until a run does, or that often: a
// fast GPU does many in less time than a browser takes to tell that they are done. One
// that was idle runs slowly at first.
const (
	tuneTimes, tuneRepeats = 3, 512

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
			if len(m.formsToTry(d)) > 1 {
				unseen[shapeOf(d)] = d
			}
		}
	}
	if len(unseen) > 0 {
		if err := m.time(ctx, l, unseen); err != nil {
			return err
		}
		m.remember()
	}
	for _, g := range p.programs {
		for i, d := range g.Dispatches {
			if len(d.Forms) > 1 {
				g.Dispatches[i] = d.In(m.formsToTry(d)[0])
			}
		}
	}
	return nil
}

// tunes tells whether forms are timed on this adapter, and recalls what is known.
func (m *device) tunes() bool {
	if !m.card {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tuned == nil {
		// What cannot be read is measured again.
		if json.Unmarshal(m.dev.Recall(tuningName(m.dev)), &m.tuned) != nil || m.tuned == nil {
			m.tuned = tuning{}
		}
	}
	return true
}

// formsToTry are those that a launch may come in: one where the best is known, or none
// other is for this adapter.
func (m *device) formsToTry(d shaders.Dispatch) []shaders.Form {
	if len(d.Forms) < 2 || !m.tunes() {
		return []shaders.Form{{Kernel: d.Kernel, Constants: d.Constants, Groups: d.Groups}}
	}
	if i, ok := m.fastest(d); ok {
		return d.Forms[i : i+1]
	}
	return slices.DeleteFunc(slices.Clone(d.Forms), m.passesOver)
}

// fastest is the number of a launch's fastest form; ok tells whether it is known.
func (m *device) fastest(d shaders.Dispatch) (form int, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	form, ok = m.tuned[shapeOf(d)]
	if !ok || form < 0 || form >= len(d.Forms) {
		return 0, false
	}
	return form, true
}

// learn notes the fastest form of a shape.
func (m *device) learn(shape string, form int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tuned[shape] = form
}

// remember keeps what was found out for later runs.
func (m *device) remember() {
	m.mu.Lock()
	data, err := json.Marshal(m.tuned)
	m.mu.Unlock()
	if err == nil {
		m.dev.Remember(tuningName(m.dev), data)
	}
}

// passesOver tells of a form that was made for other adapters: an H200 runs
// conv2d_uniform 6 to 70 times as slowly as its fastest form, and none of 52 group norms
// fastest with 32 lanes.
func (m *device) passesOver(f shaders.Form) bool { return f.Software && m.card }

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
			g.Add(d.Label, d.In(f))
			candidates[shape] = append(candidates[shape], candidate{i, g})
		}
	}
	if err := m.compile(ctx, &all, func(int, int) {}); err != nil {
		return err
	}
	start := time.Now()
	idle := tuneWarm
	for range 2 * tuneTimes {
		took, err := l.took(ctx)
		if err != nil {
			return fmt.Errorf("record: timing: %w", err)
		}
		idle = min(idle, took)
	}
	for shape, forms := range candidates {
		best, fastest := time.Duration(0), 0
		for i, c := range forms {
			took, err := l.timed(ctx, idle, c.run)
			for err == nil && time.Since(start) < tuneWarm {
				took, err = l.timed(ctx, idle, c.run)
			}
			if err != nil {
				return fmt.Errorf("record: timing %s: %w", c.run.Name, err)
			}
			if i == 0 || took < best {
				best, fastest = took, c.form
			}
		}
		m.learn(shape, fastest) // not before all were timed: a stop between two decides nothing
	}
	return nil
}

// took runs programs, waits for them and tells how long that took.
func (l *gpuPlan) took(ctx context.Context, programs ...*gpu.Program) (time.Duration, error) {
	start := time.Now()
	if err := l.machine.dev.Run(programs...); err != nil {
		return 0, err
	}
	err := l.machine.dev.Wait(ctx)
	return time.Since(start), err
}

// timed is how long a program takes, without what it takes to run nothing and wait for
// it.
func (l *gpuPlan) timed(ctx context.Context, idle time.Duration, g *Program) (time.Duration, error) {
	program, params, err := l.build(g)
	if err != nil {
		return 0, err
	}
	defer params.Release()
	defer program.Release()
	return stopwatch(idle, func(repeats int) (time.Duration, error) {
		return l.took(ctx, slices.Repeat([]*gpu.Program{program}, repeats)...)
	})
}

// stopwatch is the shortest of some runs, repeated where single ones show that it takes
// that. One that came late, or was the first and slow for it, counts for nothing.
func stopwatch(idle time.Duration, run func(repeats int) (time.Duration, error)) (time.Duration, error) {
	shortest := func(repeats int) (time.Duration, error) {
		best := time.Duration(math.MaxInt64)
		for range tuneTimes {
			took, err := run(repeats)
			if err != nil {
				return 0, err
			}
			best = min(best, max(took-idle, 1)/time.Duration(repeats))
		}
		return best, nil
	}
	once, err := shortest(1)
	long := max(tuneLeast, idle)
	if err != nil || once > long/2 {
		return once, err
	}
	return shortest(int(min(tuneRepeats, long/once)))
}
