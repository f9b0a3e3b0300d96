package shaders_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine/gpu"
)

// peak is what the adapter does at best, by itself: the two lines of a roofline.
type peak struct {
	flops float64 // of f32 multiply-adds, two each, a second
	bytes float64 // copied, read and written, a second
	// The programs that reached them, and the work of one run.
	multiply, copy func() error
	flop, moved    float64
}

// ceiling is the least time for work of so many operations and bytes.
func (p *peak) ceiling(flop, bytes float64) time.Duration {
	return time.Duration(1e9 * max(flop/p.flops, bytes/p.bytes))
}

// multiplyAdd is chains of dependent multiply-adds that do not depend on each
// other: too few wait for their own results, too many do not fit the registers.
// What is multiplied comes from memory, so that no compiler can know it.
const multiplyAdd = `
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let a = x[0];
  let b = x[1];
  let n = u32(x[2].x);
  DECLARE
  for (var i = 0u; i < n; i++) {
    STEPS
  }
  y[id.x] = SUM;
}`

// multiplyAddCode has STEPS of 8 multiply-adds of vec4 for each chain.
func multiplyAddCode(chains int, step string) string {
	var declare, steps, sum []string
	for c := range chains {
		declare = append(declare, fmt.Sprintf("var v%d = x[%d] + f32(id.x);", c, 3+c))
		sum = append(sum, fmt.Sprintf("v%d", c))
	}
	for range 8 {
		for c := range chains {
			steps = append(steps, strings.ReplaceAll(step, "v", fmt.Sprintf("v%d", c)))
		}
	}
	return strings.NewReplacer(
		"DECLARE", strings.Join(declare, "\n  "), "STEPS", strings.Join(steps, "\n    "), "SUM", strings.Join(sum, " + "),
	).Replace(multiplyAdd)
}

// copyCode moves so many vec4 in each invocation.
func copyCode(each int) string {
	return fmt.Sprintf(`
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let first = id.y * groups.x * 64u + id.x;
  let all = groups.x * groups.y * 64u;
  for (var i = 0u; i < %du; i++) {
    y[first + i * all] = x[first + i * all];
  }
}`, each)
}

const (
	peakInvocations = 1 << 20   // enough for every lane of a large GPU, several times
	copyBytes       = 256 << 20 // larger than caches, where the adapter binds as much
	copyLeast       = 4 << 20

	// A run shall take so long that launching it does not matter, and not so long
	// that a slow adapter is busy for minutes.
	peakLeast = 20 * time.Millisecond
	peakMost  = 500 * time.Millisecond
)

// measurePeak tries some forms of both programs and keeps the best.
var measurePeak = sync.OnceValues(func() (*peak, error) {
	d, err := openGPU()
	if err != nil {
		return nil, err
	}
	p := &peak{}
	largest := copyBytes // halved, it stays a multiple of what one launch copies
	for largest > d.Limits().MaxBinding {
		largest /= 2
	}
	x, err := d.NewBuffer("peak x", largest)
	if err != nil {
		return nil, err
	}
	y, err := d.NewBuffer("peak y", largest)
	if err != nil {
		return nil, err
	}
	for _, chains := range []int{2, 4, 8} {
		for _, step := range []string{"v = fma(v, a, b);", "v = v * a + b;"} {
			run, err := program(d, multiplyAddCode(chains, step), x, y, [3]uint32{peakInvocations / 64, 1, 1})
			if err != nil {
				return nil, err
			}
			// Longer and longer, until the time is the arithmetic's and not the launch's.
			for n, took := 1, time.Duration(0); took < peakLeast; n *= 2 {
				again := func() error { return errorsOf(d.Write(x, 0, multiplyAddInput(n)), run(1)) }
				if took, err = best(again); err != nil {
					return nil, err
				}
				flop := float64(peakInvocations) * float64(n) * 8 * float64(chains) * 4 * 2
				if f := flop / took.Seconds(); f > p.flops {
					p.flops, p.multiply, p.flop = f, again, flop
				}
			}
		}
	}
	for _, each := range []int{1, 4} {
		var run func(n int) error
		var moved float64
		var took time.Duration
		// The largest that is not too slow counts: a smaller one may lie in a cache.
		for size := copyLeast; size <= largest && took < peakMost; size *= 2 {
			moved = 2 * float64(size)
			if run, err = program(d, copyCode(each), x, y, [3]uint32{1 << 10, uint32(size / 16 / 64 / each >> 10), 1}); err != nil {
				return nil, err
			}
			if took, err = best(func() error { return run(1) }); err != nil {
				return nil, err
			}
		}
		n := 1
		for ; took < peakLeast; n *= 2 { // until it is the copying's time, as above
			if took, err = best(func() error { return run(2 * n) }); err != nil {
				return nil, err
			}
		}
		moved *= float64(n)
		if b := moved / took.Seconds(); b > p.bytes {
			p.bytes, p.copy, p.moved = b, func() error { return run(n) }, moved
		}
	}
	return p, nil
})

// multiplyAddInput is a factor below one and a term that keep values finite, the
// number of rounds, and the chains' first values.
func multiplyAddInput(n int) []byte {
	var b []byte
	for i := range 4 * 16 {
		v := float32(i) / 64
		switch {
		case i < 4:
			v = 0.999
		case i < 8:
			v = 1e-3
		case i < 12:
			v = float32(n)
		}
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

// program makes a launch of y from x; what it returns does that n times and comes
// back when all are done.
func program(d *gpu.Device, code string, x, y *gpu.Buffer, groups [3]uint32) (func(n int) error, error) {
	ctx := context.Background()
	ps, err := d.NewPipelines(ctx, []gpu.PipelineSpec{{
		Label: "peak", Code: code, Bindings: []gpu.BindingKind{gpu.ReadOnlyStorage, gpu.Storage},
	}}, nil)
	if err != nil {
		return nil, err
	}
	g, err := d.NewProgram("peak", []gpu.Launch{{
		Pipeline: ps[0], Bindings: []gpu.BufferView{{Buffer: x}, {Buffer: y}}, Groups: groups, Label: "peak",
	}})
	if err != nil {
		return nil, err
	}
	return func(n int) error { return errorsOf(d.Run(slices.Repeat([]*gpu.Program{g}, n)...), d.Wait(ctx)) }, nil
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// best is the shortest of three runs, after one to warm up.
func best(run func() error) (time.Duration, error) {
	least := time.Duration(math.MaxInt64)
	for i := range 4 {
		start := time.Now()
		if err := run(); err != nil {
			return 0, err
		}
		if took := time.Since(start); i > 0 {
			least = min(least, took)
		}
	}
	return least, nil
}

// BenchmarkPeak is the adapter's own roofline, to compare the kernels with. The
// others' %roofline takes the best that was seen, not the mean that stands here.
func BenchmarkPeak(b *testing.B) {
	p, err := measurePeak()
	require.NoError(b, err)
	for _, c := range []struct {
		name, unit string
		run        func() error
		work, best float64
	}{
		{"multiply-add", "GFLOP/s", p.multiply, p.flop, p.flops},
		{"copy", "GB/s", p.copy, p.moved, p.bytes},
	} {
		b.Run(c.name, func(b *testing.B) {
			for range b.N {
				require.NoError(b, c.run())
			}
			b.ReportMetric(c.work*float64(b.N)/b.Elapsed().Seconds()/1e9, c.unit)
			b.ReportMetric(c.best/1e9, "best-"+c.unit)
		})
	}
}
