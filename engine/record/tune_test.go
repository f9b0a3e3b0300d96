package record

import (
	"context"
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine/gpu"
	"github.com/mcdm/mcdm/shaders"
)

// A shape is timed once per adapter: its launches come in the form that was
// found, a second machine takes it over, and the result is the twin's.
func TestTune(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	ctx := context.Background()
	dev, err := gpu.Open(ctx, gpu.Options{})
	require.NoError(t, err)
	defer dev.Close()

	run := func(m Machine) ([]byte, *Program) {
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
		return out, g
	}
	want, _ := run(CPU())

	first := GPU(dev).(*device)
	first.tuneSoftware = true
	defer first.Release()
	got, g := run(first)
	assert.Equal(t, want, got) // small whole numbers: exact in any order
	require.Len(t, first.tuned, 1)
	shape := shapeOf(g.Dispatches[0])
	form, ok := first.tuned[shape]
	require.True(t, ok)
	assert.Equal(t, g.Dispatches[0].Forms[form].Kernel, g.Dispatches[0].Kernel)

	// What is remembered is believed, whatever it says, and not timed again.
	for other := range g.Dispatches[0].Forms {
		dev.Remember(tuningName(dev), []byte(`{"`+shape+`":`+string(rune('0'+other))+`}`))
		second := GPU(dev).(*device)
		second.tuneSoftware = true
		got, g := run(second)
		assert.Equal(t, want, got)
		assert.Equal(t, g.Dispatches[0].Forms[other].Groups, g.Dispatches[0].Groups)
		second.Release()
	}
	// Nonsense is measured again.
	dev.Remember(tuningName(dev), []byte(`{"`+shape+`":99`))
	third := GPU(dev).(*device)
	third.tuneSoftware = true
	got, _ = run(third)
	assert.Equal(t, want, got)
	third.Release()
}
