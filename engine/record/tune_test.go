package record

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine/gpu"
	"github.com/mcdm/mcdm/shaders"
)

// untuned is an adapter of which nothing is remembered.
func untuned(t *testing.T) *gpu.Device {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	dev, err := gpu.Open(context.Background(), gpu.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { dev.Close() })
	return dev
}

// A shape is timed once per adapter: its launches come in the form that was
// found, a second machine takes it over, and the result is the twin's.
func TestTune(t *testing.T) {
	dev, ctx := untuned(t), context.Background()
	var err error

	run := func(m Machine) ([]float64, *Program) {
		var p Plan
		w := shaders.Weights{DType: shaders.F32, Cout: 8, Cin: [2]int{8, 0}, KH: 3, KW: 3}
		data := make([]byte, 4*8*8*9)
		for i := range len(data) / 4 {
			binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(float32(i%7)-3))
		}
		w.Data, err = m.Upload("w", shaders.PackWeights(w.DType, data, w.Cin, 3, 3))
		require.NoError(t, err)
		x, y := p.Keep("x", 1, 6, 6, 8), p.Keep("y", 1, 6, 6, 8)
		g := p.Program("test")
		g.Add("conv", shaders.Conv2D(shaders.Conv2DArgs{X: x, Y: y, W: w, PadTop: 1, PadLeft: 1}))
		l, err := m.Load(ctx, &p, nil)
		require.NoError(t, err)
		defer l.Release()
		in := make([]byte, x.Size())
		for i := range len(in) / 4 {
			binary.LittleEndian.PutUint32(in[4*i:], math.Float32bits(float32(i%5)))
		}
		require.NoError(t, l.Write(x, in))
		require.NoError(t, l.Run(ctx, g))
		out, err := l.Read(ctx, y)
		require.NoError(t, err)
		// Small whole numbers: exact in any order, and nearly where a form divides by 6.
		numbers := make([]float64, len(out)/4)
		for i := range numbers {
			v := float64(math.Float32frombits(binary.LittleEndian.Uint32(out[4*i:])))
			numbers[i] = math.Round(v)
			require.InDelta(t, numbers[i], v, 1e-4)
		}
		return numbers, g
	}
	want, _ := run(CPU())

	first := GPU(dev).(*device)
	first.card = true
	defer first.Release()
	got, g := run(first)
	assert.Equal(t, want, got)
	require.Len(t, first.tuned, 1)
	shape := shapeOf(g.Dispatches[0])
	form, ok := first.tuned[shape]
	require.True(t, ok)
	assert.Equal(t, g.Dispatches[0].Forms[form].Kernel, g.Dispatches[0].Kernel)

	// What is remembered is believed, whatever it says, and not timed again.
	for other := range g.Dispatches[0].Forms {
		dev.Remember(tuningName(dev), []byte(`{"`+shape+`":`+string(rune('0'+other))+`}`))
		second := GPU(dev).(*device)
		second.card = true
		got, g := run(second)
		assert.Equal(t, want, got)
		assert.Equal(t, g.Dispatches[0].Forms[other].Groups, g.Dispatches[0].Groups)
		second.Release()
	}
	// Nonsense is measured again.
	for _, nonsense := range []string{`{"` + shape + `":99}`, `{"` + shape + `":-1}`, `{"` + shape + `":1`, `null`} {
		dev.Remember(tuningName(dev), []byte(nonsense))
		third := GPU(dev).(*device)
		third.card = true
		got, g = run(third)
		assert.Equal(t, want, got)
		assert.GreaterOrEqual(t, third.tuned[shape], 0)
		require.Less(t, third.tuned[shape], len(g.Dispatches[0].Forms), nonsense)
		assert.Contains(t, string(dev.Recall(tuningName(dev))), fmt.Sprintf(`":%d}`, third.tuned[shape]), "and kept")
		third.Release()
	}

	// A stop, wherever it comes, leaves the shape to be timed.
	dev.Remember(tuningName(dev), nil)
	fourth := GPU(dev).(*device)
	fourth.card = true
	defer fourth.Release()
	w := shaders.Weights{DType: shaders.F32, Cout: 8, Cin: [2]int{8, 0}, KH: 3, KW: 3}
	w.Data, err = fourth.Upload("w", make([]byte, 4*8*8*9))
	require.NoError(t, err)
	stops := 0
	for n := 0; ; n += 1 + n/4 { // an adapter that is quick asks often
		var p Plan
		x, y := p.Keep("x", 1, 6, 6, 8), p.Keep("y", 1, 6, 6, 8)
		p.Program("test").Add("conv", shaders.Conv2D(shaders.Conv2DArgs{X: x, Y: y, W: w, PadTop: 1, PadLeft: 1}))
		l, err := fourth.Load(&stopping{Context: ctx, after: n}, &p, nil)
		if err == nil {
			l.Release()
			break
		}
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, fourth.tuned)
		stops++
	}
	assert.Greater(t, stops, len(g.Dispatches[0].Forms))
	assert.Len(t, fourth.tuned, 1)
}

// Of two forms one may be for other adapters: nothing is timed then, and the adapter gets its own.
func TestOneFormEach(t *testing.T) {
	dev, ctx := untuned(t), context.Background()
	for _, card := range []bool{false, true} {
		m := GPU(dev).(*device)
		m.card = card
		var p Plan
		x, c := p.Keep("x", 1, 6, 6, 8), p.Keep("c", 1, 1, 1, 8)
		g := p.Program("test")
		g.Add("norm", shaders.GroupNorm(shaders.GroupNormArgs{X: x, Gamma: c, Beta: c, Y: p.Keep("y", 1, 6, 6, 8), Groups: 2}))
		forms := g.Dispatches[0].Forms
		require.Equal(t, []bool{true, false}, []bool{forms[0].Software, forms[1].Software})
		l, err := m.Load(ctx, &p, nil)
		require.NoError(t, err)
		form := forms[0]
		if card {
			form = forms[1]
		}
		assert.Equal(t, form.Kernel, g.Dispatches[0].Kernel)
		assert.Equal(t, form.Constants, g.Dispatches[0].Constants)
		assert.Empty(t, m.tuned)
		require.NoError(t, l.Run(ctx, g))
		require.NoError(t, l.Wait(ctx))
		l.Release()
		m.Release()
	}
}

// A run that is slow because it is the first, and one that comes late, decide nothing;
// one that is long enough to tell is not repeated.
func TestStopwatch(t *testing.T) {
	const idle = 100 * time.Microsecond
	for _, c := range []struct {
		launch time.Duration
		late   []int // runs, from 0
		runs   int
	}{
		{10 * time.Microsecond, nil, 2 * tuneTimes},
		{10 * time.Microsecond, []int{0, 1, 3, 5}, 2 * tuneTimes},
		{10 * time.Microsecond, []int{0, 2, 4}, 2 * tuneTimes},
		{10 * time.Millisecond, []int{0, 1}, tuneTimes},
	} {
		runs := 0
		got, err := stopwatch(idle, func(repeats int) (time.Duration, error) {
			took := idle + c.launch*time.Duration(repeats)
			if slices.Contains(c.late, runs) {
				took += time.Second
			}
			runs++
			return took, nil
		})
		require.NoError(t, err)
		assert.Equal(t, c.launch, got, "%+v", c)
		assert.Equal(t, c.runs, runs, "%+v", c)
	}
	_, err := stopwatch(idle, func(int) (time.Duration, error) { return 0, context.Canceled })
	assert.ErrorIs(t, err, context.Canceled)
}

// The same layer of other networks, or from another place of a buffer, is one shape; a
// launch of more of them, or with other forms to choose from, is not.
func TestShapeOf(t *testing.T) {
	var p Plan
	w := shaders.Weights{DType: shaders.F32, Cout: 8, Cin: [2]int{8, 0}, KH: 3, KW: 3, Data: p.KeepBytes("w", 4*4*8*8*9)}
	conv := func(nets ...int) shaders.Dispatch {
		x, y := p.Keep("x", len(nets), 6, 6, 8), p.Keep("y", len(nets), 6, 6, 8)
		return shaders.Conv2D(shaders.Conv2DArgs{X: x, Y: y, W: w, Nets: nets, PadTop: 1, PadLeft: 1})
	}
	assert.Equal(t, shapeOf(conv(0, 1)), shapeOf(conv(0, 3)))
	assert.NotEqual(t, shapeOf(conv(0, 1)), shapeOf(conv(0, 1, 3)))
	fewer := conv(0, 1)
	fewer.Forms = fewer.Forms[:len(fewer.Forms)-1]
	assert.NotEqual(t, shapeOf(conv(0, 1)), shapeOf(fewer))

	norm := func(offset int) shaders.Dispatch {
		x, c := p.Keep("x", 1, 6, 6, 8), p.Keep("c", 1, 1, 1, 8)
		return shaders.GroupNorm(shaders.GroupNormArgs{X: x, Gamma: c, Beta: c, ScaleShift: p.Keep("s", 1, 1, 1, 64), ShiftOffset: offset, Y: x, Groups: 2})
	}
	assert.Equal(t, shapeOf(norm(0)), shapeOf(norm(16)))
}

// stopping is done when it has been asked so often.
type stopping struct {
	context.Context
	after, asked int
}

func (s *stopping) Err() error {
	if s.asked++; s.asked > s.after {
		return context.Canceled
	}
	return nil
}
