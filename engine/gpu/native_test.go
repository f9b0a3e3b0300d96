//go:build !js

package gpu

import (
	"context"
	"encoding/binary"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const saxpy = `
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;
struct Params { a: f32, n: u32, }
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if id.x < p.n { y[id.x] += p.a * x[id.x]; }
}
`

var saxpyKinds = []BindingKind{ReadOnlyStorage, Storage, Uniform}

func device(t *testing.T) *Device {
	d, err := Open(context.Background(), Options{})
	require.NoError(t, err)
	t.Cleanup(d.Close)
	return d
}

func floats(v ...float32) []byte {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

// saxpyBuffers are x and y, of 100 zeros, and the parameters.
func saxpyBuffers(t *testing.T, d *Device) (x, y, p *Buffer) {
	x, err := d.NewBuffer("x", 400)
	require.NoError(t, err)
	y, err = d.NewBuffer("y", 400)
	require.NoError(t, err)
	p, err = d.NewUniform("params", 16)
	require.NoError(t, err)
	return x, y, p
}

// What is written between submissions belongs to the next one, also where a GPU is
// not waited for; at the last of so many paces all is done.
func TestPace(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	d := device(t)
	d.info.Software = false
	ps, err := d.NewPipelines(ctx, []PipelineSpec{{"saxpy", saxpy, saxpyKinds}}, nil)
	require.NoError(t, err)
	x, y, p := saxpyBuffers(t, d)
	require.NoError(t, d.Write(x, 0, floats(1, 10)))
	g, err := d.NewProgram("saxpy", []Launch{{ps[0], []BufferView{{x, 0, 0}, {y, 0, 0}, {p, 0, 16}}, [3]uint32{2, 1, 1}, "saxpy"}})
	require.NoError(t, err)
	for i := range paces {
		require.NoError(t, d.Write(p, 0, append(floats(float32(i+1)), 100, 0, 0, 0)))
		require.NoError(t, d.Run(g))
		require.NoError(t, d.Pace(ctx))
	}
	assert.True(t, d.device.Poll(false, nil))
	b, err := d.Read(ctx, y, 0, 8)
	require.NoError(t, err)
	assert.Equal(t, floats(1+2+3+4, 100), b)
	cancel()
	assert.ErrorIs(t, d.Pace(ctx), context.Canceled)
}

func TestSaxpy(t *testing.T) {
	ctx := context.Background()
	d := device(t)
	done := 0
	ps, err := d.NewPipelines(ctx, []PipelineSpec{{"saxpy", saxpy, saxpyKinds}}, func(n, total int) { done = n*10 + total })
	require.NoError(t, err)
	assert.Equal(t, 11, done)
	x, y, p := saxpyBuffers(t, d)
	assert.EqualValues(t, 816, d.Allocated())
	values := make([]float32, 100)
	for i := range values {
		values[i] = float32(i)
	}
	require.NoError(t, d.Write(x, 0, floats(values...)))
	require.NoError(t, d.Write(p, 0, append(floats(2), 100, 0, 0, 0)))
	require.NoError(t, d.Write(x, 0, nil))
	g, err := d.NewProgram("saxpy", []Launch{
		{ps[0], []BufferView{{x, 0, 0}, {y, 0, 0}, {p, 0, 16}}, [3]uint32{2, 1, 1}, "first"},
		{ps[0], []BufferView{{x, 0, 400}, {y, 0, 400}, {p, 0, 16}}, [3]uint32{2, 1, 1}, "second"},
	})
	require.NoError(t, err)
	require.NoError(t, d.Run(g))
	require.NoError(t, d.Wait(ctx))
	b, err := d.Read(ctx, y, 40, 8)
	require.NoError(t, err)
	assert.Equal(t, floats(40, 44), b) // y starts as zeros: 2*2*10, 2*2*11
	g.Release()
	x.Release()
	y.Release()
	y.Release() // twice is harmless
	p.Release()
	assert.Zero(t, d.Allocated())
}

func TestCompileErrorNamesTheLine(t *testing.T) {
	d := device(t)
	_, err := d.NewPipelines(context.Background(), []PipelineSpec{{"broken", "@compute @workgroup_size(1)\nfn main() { let x = nothing; }", nil}}, nil)
	require.Error(t, err)
	assert.Contains(t, err.Error(), "broken")
	assert.Contains(t, err.Error(), "nothing")
}

func TestMisuseIsAnError(t *testing.T) {
	ctx := context.Background()
	d := device(t)
	ps, err := d.NewPipelines(ctx, []PipelineSpec{{"saxpy", saxpy, saxpyKinds}}, nil)
	require.NoError(t, err)
	x, err := d.NewBuffer("x", 512)
	require.NoError(t, err)
	assert.ErrorContains(t, d.Write(x, 510, floats(1)), `buffer "x"`)
	assert.ErrorContains(t, d.Write(x, 512, floats(1)), `buffer "x"`)
	assert.ErrorContains(t, d.Write(x, 0, []byte{1}), "whole words")
	_, err = d.Read(ctx, x, 0, 1000)
	assert.ErrorContains(t, err, `buffer "x"`)
	_, err = d.NewProgram("few", []Launch{{ps[0], []BufferView{{x, 0, 0}}, [3]uint32{1, 1, 1}, "layer"}})
	assert.ErrorContains(t, err, "layer binds 1 buffers")
	_, err = d.NewProgram("none", []Launch{{ps[0], []BufferView{{x, 0, 0}, {x, 256, 0}, {x, 0, 0}}, [3]uint32{0, 1, 1}, "layer"}})
	assert.ErrorContains(t, err, "workgroups")
	many := uint32(d.Limits().MaxGroups) + 1
	_, err = d.NewProgram("many", []Launch{{ps[0], []BufferView{{x, 0, 0}, {x, 256, 0}, {x, 0, 0}}, [3]uint32{many, 1, 1}, "layer"}})
	assert.ErrorContains(t, err, "want 1 to 65535")
	_, err = d.NewProgram("unaligned", []Launch{{ps[0], []BufferView{{x, 4, 0}, {x, 0, 0}, {x, 0, 0}}, [3]uint32{1, 1, 1}, "layer"}})
	assert.ErrorContains(t, err, "binding 0")
	_, err = d.NewBuffer("huge", d.Limits().MaxBuffer+4)
	assert.ErrorContains(t, err, "huge")
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = d.Read(cancelled, x, 0, 4)
	assert.ErrorIs(t, err, context.Canceled)
}

func TestClosedDevice(t *testing.T) {
	d, err := Open(context.Background(), Options{})
	require.NoError(t, err)
	assert.NoError(t, d.Err())
	d.Close()
	d.Close()
	assert.ErrorIs(t, d.Err(), ErrClosed)
	_, err = d.NewBuffer("late", 4)
	assert.ErrorIs(t, err, ErrClosed)
	assert.ErrorIs(t, d.Wait(context.Background()), ErrClosed)
}

// What goes on while a device is closed is done, or refused.
func TestCloseBesideUse(t *testing.T) {
	ctx := context.Background()
	for range 4 {
		d, err := Open(ctx, Options{})
		require.NoError(t, err)
		ps, err := d.NewPipelines(ctx, []PipelineSpec{{"saxpy", saxpy, saxpyKinds}}, nil)
		require.NoError(t, err)
		x, y, p := saxpyBuffers(t, d)
		launches := []Launch{{ps[0], []BufferView{{x, 0, 0}, {y, 0, 0}, {p, 0, 16}}, [3]uint32{2, 1, 1}, "saxpy"}}
		g, err := d.NewProgram("saxpy", launches)
		require.NoError(t, err)
		var uses sync.WaitGroup
		for _, use := range []func() error{
			func() error { return d.Write(x, 0, floats(1)) },
			func() error { return d.Run(g) },
			func() error { return d.Wait(ctx) },
			func() error { _, err := d.Read(ctx, y, 0, 400); return err },
			func() error { b, err := d.NewBuffer("more", 400); b.Release(); return err },
			func() error {
				_, err := d.NewPipelines(ctx, []PipelineSpec{{"saxpy", saxpy, saxpyKinds}}, nil)
				return err
			},
		} {
			uses.Go(func() {
				for err := error(nil); err == nil; {
					if err = use(); err != nil {
						assert.ErrorIs(t, err, ErrClosed)
					}
				}
			})
		}
		time.Sleep(20 * time.Millisecond)
		d.Close()
		uses.Wait()
	}
}

// A Read under way when the device is closed gets its data.
func TestCloseDuringRead(t *testing.T) {
	ctx := context.Background()
	d, err := Open(ctx, Options{})
	require.NoError(t, err)
	ps, err := d.NewPipelines(ctx, []PipelineSpec{{"slow", slow, []BindingKind{Storage}}}, nil)
	require.NoError(t, err)
	const groups = 500
	y, err := d.NewBuffer("y", 4*groups)
	require.NoError(t, err)
	g, err := d.NewProgram("slow", []Launch{{Pipeline: ps[0], Bindings: []BufferView{{Buffer: y}}, Groups: [3]uint32{groups, 1, 1}, Label: "slow"}})
	require.NoError(t, err)
	require.NoError(t, d.Write(y, 4*(groups-1), floats(1)))
	require.NoError(t, d.Run(g))
	var got []byte
	read := make(chan error, 1)
	go func() {
		var err error
		got, err = d.Read(ctx, y, 4*(groups-1), 4)
		read <- err
	}()
	for len(read) == 0 && d.mu.TryLock() { // it has not begun
		d.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
	d.Close()
	require.NoError(t, <-read)
	assert.Equal(t, floats(2), got)
}

// A device that has failed gives its memory back, too.
func TestCloseAfterAFailure(t *testing.T) {
	d, err := Open(context.Background(), Options{})
	require.NoError(t, err)
	d.fail(ErrMemory)
	d.Close()
	assert.True(t, d.closed.Load())
	assert.ErrorIs(t, d.Err(), ErrMemory, "the first reason stays")
	d.Close()
}

func TestAdapters(t *testing.T) {
	list, err := Adapters()
	require.NoError(t, err)
	require.NotEmpty(t, list)
	assert.NotEmpty(t, list[0].Name)
	_, err = Open(context.Background(), Options{Adapter: "no such chip"})
	assert.ErrorIs(t, err, ErrNoAdapter)
	assert.ErrorContains(t, err, list[0].Name)
}

// slow takes its time. lavapipe ends all loops of an invocation after 65,535 turns.
const slow = `
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(1)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  var v = 0.0;
  for (var i = 0u; i < 60000u; i++) { v = v * 0.5 + y[id.x]; }
  y[id.x] = v;
}
`

// One launch that takes longer than the five seconds after which wgpu's own
// wait gives up. A graphics card would be reset for it: software adapters only.
func TestWaitOutlastsPoll(t *testing.T) {
	ctx := context.Background()
	d := device(t)
	if !d.Info().Software {
		t.Skipf("%s is no software adapter", d.Info())
	}
	ps, err := d.NewPipelines(ctx, []PipelineSpec{{"slow", slow, []BindingKind{Storage}}}, func(int, int) {})
	require.NoError(t, err)
	const most = 65535
	y, err := d.NewBuffer("y", 4*most)
	require.NoError(t, err)
	ones := make([]float32, most)
	for i := range ones {
		ones[i] = 1
	}
	run := func(groups int) time.Duration {
		g, err := d.NewProgram("slow", []Launch{{Pipeline: ps[0], Bindings: []BufferView{{Buffer: y}}, Groups: [3]uint32{uint32(groups), 1, 1}, Label: "slow"}})
		require.NoError(t, err)
		defer g.Release()
		require.NoError(t, d.Write(y, 0, floats(ones...)))
		start := time.Now()
		require.NoError(t, d.Run(g))
		require.NoError(t, d.Wait(ctx))
		return time.Since(start)
	}
	const probe = 256
	run(probe)
	groups := int(min(most, probe*7/run(probe).Seconds())) // about seven seconds
	took := run(groups)
	const outlast = 5500 * time.Millisecond
	for took < outlast && groups < most { // the machine was busy when it was probed
		groups = min(most, 2*groups)
		took = run(groups)
	}
	if took < outlast {
		t.Skipf("%d groups take %v only, and one launch cannot have more", groups, took)
	}
	b, err := d.Read(ctx, y, 4*(groups-1), 4)
	require.NoError(t, err)
	assert.Equal(t, float32(2), math.Float32frombits(binary.LittleEndian.Uint32(b)), "after %v", took)
	t.Logf("%d groups in %v", groups, took)
}
