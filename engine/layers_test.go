//go:build unix

package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine/gpu"
	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/shaders"
)

// BenchmarkLayers times every launch of one step of all the shipped networks by
// itself and adds them up by kernel: where the time of a step goes. -v prints each
// layer, the number of its form and, on a GPU, the microseconds that each form takes.
// On a software adapter it counts processor time, which is the same on a busy machine,
// and on a GPU the time that passes.
func BenchmarkLayers(b *testing.B) {
	ctx := context.Background()
	m := shipped(b)
	device, err := openGPU()
	require.NoError(b, err)
	now := clock(device)
	var plan record.Plan
	x, err := m.record(&plan, bare(m.networks...), m.square(1))
	require.NoError(b, err)
	plan.Apart()

	type layer struct {
		key   string
		count int
		run   *record.Program
		forms []*record.Program // nil for those of software adapters
	}
	launches := slices.Concat(x.evaluateAll().Dispatches, x.step.Dispatches)
	// Launches submitted together, and how often before anyone waits: on a GPU, which
	// does one in microseconds, most of the time would be the wait's otherwise.
	repeats, submits := 10, 1
	if !device.Info().Software {
		repeats, submits = 50, 10
	}
	var layers []*layer
	for _, d := range launches {
		key := fmt.Sprint(d.Kernel.Name, d.Constants, d.Params, d.Groups)
		if i := slices.IndexFunc(layers, func(l *layer) bool { return l.key == key }); i >= 0 {
			layers[i].count++
			continue
		}
		l := &layer{key: key, count: 1, run: plan.Program(d.Label)}
		l.run.Add(d.Label, d)
		if everyForm := testing.Verbose() && !device.Info().Software; everyForm {
			for _, f := range d.Forms {
				if f.Software {
					l.forms = append(l.forms, nil)
					continue
				}
				one := d.In(f)
				one.Forms = nil // nothing to choose
				l.forms = append(l.forms, plan.Program(d.Label))
				l.forms[len(l.forms)-1].Add(d.Label, one)
			}
		}
		layers = append(layers, l)
	}
	loaded, err := m.machine.Load(ctx, &plan, nil)
	require.NoError(b, err)
	defer loaded.Release()
	run := func(g *record.Program) time.Duration {
		start := now()
		for range submits {
			require.NoError(b, loaded.Run(ctx, slices.Repeat([]*record.Program{g}, repeats)...))
		}
		require.NoError(b, loaded.Wait(ctx))
		return (now() - start) / time.Duration(submits*repeats)
	}
	for _, l := range layers {
		run(l.run)
	}
	total := map[string]time.Duration{}
	b.ResetTimer()
	for range b.N {
		for _, l := range layers {
			took := run(l.run)
			d := l.run.Dispatches[0] // in the form that loading chose
			total[d.Kernel.Name] += took * time.Duration(l.count)
			if testing.Verbose() {
				form := slices.IndexFunc(d.Forms, func(f shaders.Form) bool {
					return f.Kernel == d.Kernel && maps.Equal(f.Constants, d.Constants)
				})
				fmt.Printf("%-18s %2d %-50s %3d x %8.4f ms ", d.Kernel.Name, form, l.run.Name, l.count, took.Seconds()*1e3)
				for _, g := range l.forms {
					if g == nil {
						fmt.Print("      -")
					} else {
						fmt.Printf(" %6.1f", min(run(g), run(g)).Seconds()*1e6)
					}
				}
				fmt.Println()
			}
		}
	}
	for kernel, t := range total {
		b.ReportMetric(t.Seconds()*1e3/float64(b.N), strings.ReplaceAll(kernel, "_", "-")+"-ms")
	}
}

// clock is the processor's time on a software adapter, and the wall's on a GPU.
func clock(d *gpu.Device) func() time.Duration {
	if d.Info().Software {
		return processorTime
	}
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}

// processorTime is what all of this process's threads have used.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
