package engine

import (
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"math"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine/gpu"
	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/engine/sampler"
	"github.com/mcdm/mcdm/weights/bundle"
	"github.com/mcdm/mcdm/weights/dataset/examples"
	"github.com/mcdm/mcdm/weights/golden"
	"github.com/mcdm/mcdm/weights/tokenizer"

	"testing/fstest"
)

var openGPU = sync.OnceValues(func() (*gpu.Device, error) {
	return gpu.Open(context.Background(), gpu.Options{})
})

// tiny is a bundle of small random networks for 16x16 pictures: unconditional,
// sketch, mask and colour.
func tiny(t *testing.T) *bundle.Bundle {
	t.Helper()
	b, err := bundle.Open(tinyFiles(t))
	require.NoError(t, err)
	return b
}

func tinyFiles(t *testing.T) fstest.MapFS {
	t.Helper()
	files, err := golden.Bundle(16)
	require.NoError(t, err)
	fsys := fstest.MapFS{}
	for name, data := range files {
		fsys[name] = &fstest.MapFile{Data: data}
	}
	return fsys
}

func load(t *testing.T, m record.Machine) *Model {
	model, err := Load(context.Background(), m, tiny(t), nil)
	require.NoError(t, err)
	t.Cleanup(model.Release)
	return model
}

func onGPU(t testing.TB) record.Machine {
	d, err := openGPU()
	require.NoError(t, err)
	return record.GPU(d)
}

func drawing() (image.Image, *image.Paletted) {
	sketch := image.NewGray(image.Rect(0, 0, 32, 32))
	mask := image.NewPaletted(image.Rect(0, 0, 32, 32), make(color.Palette, 3))
	for i := range sketch.Pix {
		sketch.Pix[i] = 255
		mask.Pix[i] = uint8(i % 32 / 11)
	}
	for i := range 32 {
		sketch.SetGray(i, i, color.Gray{})
	}
	return sketch, mask
}

// dabs is red in the upper left quarter, half green in the lower right, and
// unknown elsewhere.
func dabs() image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, 32, 32))
	for y := range 16 {
		for x := range 16 {
			img.SetNRGBA(x, y, color.NRGBA{255, 0, 0, 255})
			img.SetNRGBA(16+x, 16+y, color.NRGBA{0, 128, 0, 255})
		}
	}
	return img
}

func sample(t *testing.T, m *Model, q Request) []*image.RGBA {
	t.Helper()
	p, err := m.Sample(context.Background(), q, nil)
	require.NoError(t, err)
	return p
}

// difference is the largest one between two pictures' bytes.
func difference(a, b *image.RGBA) int {
	d := 0
	for i := range a.Pix {
		d = max(d, int(math.Abs(float64(a.Pix[i])-float64(b.Pix[i]))))
	}
	return d
}

func TestSampleIsReproducible(t *testing.T) {
	sketch, mask := drawing()
	q := Request{Conditions: Conditions{Sketch: sketch, Mask: mask}, Sampler: sampler.Options{Name: "ddpm", Steps: 4}, Seed: 1<<32 - 1}
	model := load(t, onGPU(t))
	a, b := sample(t, model, q)[0], sample(t, model, q)[0]
	assert.Zero(t, difference(a, b), "the same seed on the same adapter")
	// Across adapters pictures agree but for rounding: here the adapter and the twins.
	c := sample(t, load(t, record.CPU()), q)[0]
	assert.LessOrEqual(t, difference(a, c), 2)
	q.Seed++
	assert.Greater(t, difference(a, sample(t, model, q)[0]), 20)
	// A batch's second picture is the next seed's.
	q.Seed--
	q.Count = 2
	both := sample(t, model, q)
	require.Len(t, both, 2)
	q.Seed, q.Count = q.Seed+1, 1
	assert.LessOrEqual(t, difference(both[1], sample(t, model, q)[0]), 1)
}

func TestEachConditionCounts(t *testing.T) {
	sketch, mask := drawing()
	model := load(t, onGPU(t))
	q := Request{Sampler: sampler.Options{Steps: 2}}
	free := sample(t, model, q)[0]
	q.Conditions.Sketch = sketch
	one := sample(t, model, q)[0]
	assert.Positive(t, difference(free, one))
	q.Conditions.Mask = mask
	assert.Positive(t, difference(one, sample(t, model, q)[0]))
	q.Conditions.Mask, q.Conditions.Colour = nil, dabs()
	coloured := sample(t, model, q)[0]
	assert.Positive(t, difference(one, coloured))
	q.Conditions.MoreColours = []image.Image{image.NewNRGBA(image.Rect(0, 0, 1, 1))} // nowhere known
	assert.Positive(t, difference(coloured, sample(t, model, q)[0]))
	q.Conditions.Mask, q.Conditions.Colour, q.Conditions.MoreColours = mask, nil, nil
	// Weight 0 is the same as not given.
	q.Weights = map[string]float64{"mask": 0}
	assert.Zero(t, difference(one, sample(t, model, q)[0]))
	q.Weights = map[string]float64{"mask": 0, "sketch": 0}
	assert.Zero(t, difference(free, sample(t, model, q)[0]))
	// A window that ends before the last step changes the picture.
	q.Weights, q.Windows = map[string]float64{"mask": 0}, map[string]Window{"sketch": {Start: 0, End: .4}}
	early := sample(t, model, q)[0]
	assert.Positive(t, difference(one, early))
	assert.Positive(t, difference(free, early))
}

func TestChoose(t *testing.T) {
	sketch, mask := drawing()
	m := load(t, record.CPU())
	both := Conditions{Sketch: sketch, Mask: mask}
	steps := []sampler.Step{{T: 999}, {T: 600}, {T: 0}}
	for _, c := range []struct {
		q    Request
		nets []string
		w    [3][]float64 // at the three steps
	}{
		{Request{}, []string{"none"}, [3][]float64{{1}, {1}, {1}}},
		// N = 1 is plain conditional sampling.
		{Request{Conditions: Conditions{Sketch: sketch}}, []string{"sketch"}, [3][]float64{{1}, {1}, {1}}},
		{Request{Conditions: both}, []string{"none", "sketch", "mask"}, [3][]float64{{-1, 1, 1}, {-1, 1, 1}, {-1, 1, 1}}},
		{
			Request{Conditions: Conditions{Sketch: sketch}, Weights: map[string]float64{"sketch": .5}},
			[]string{"none", "sketch"}, [3][]float64{{.5, .5}, {.5, .5}, {.5, .5}},
		},
		{ // not this mask
			Request{Conditions: both, Weights: map[string]float64{"mask": -.5}},
			[]string{"none", "sketch", "mask"}, [3][]float64{{.5, 1, -.5}, {.5, 1, -.5}, {.5, 1, -.5}},
		},
		{
			Request{Conditions: both, Windows: map[string]Window{"sketch": {Start: 0, End: .5}, "mask": {Start: .3, End: 1}}},
			[]string{"none", "sketch", "mask"}, [3][]float64{{0, 1, 0}, {-1, 1, 1}, {0, 0, 1}},
		},
		{ // one after the other: the unconditional network is not needed
			Request{Conditions: both, Windows: map[string]Window{"sketch": {Start: 0, End: .3}, "mask": {Start: .3, End: 1}}},
			[]string{"sketch", "mask"}, [3][]float64{{1, 0}, {0, 1}, {0, 1}},
		},
		{ // a window between the steps
			Request{Conditions: both, Windows: map[string]Window{"mask": {Start: .5, End: .9}}},
			[]string{"sketch"}, [3][]float64{{1}, {1}, {1}},
		},
	} {
		nets, w, err := m.choose(c.q, steps)
		require.NoError(t, err)
		assert.Equal(t, c.nets, names(nets))
		for i, want := range c.w {
			assert.InDeltaSlice(t, want, w[i], 1e-12, "t = %d", steps[i].T)
			sum := 0.0
			for _, v := range w[i] {
				sum += v
			}
			assert.InDelta(t, 1, sum, 1e-12)
		}
	}
	for _, c := range []struct {
		q    Request
		want string
	}{
		{Request{Conditions: Conditions{Text: "hello"}}, "no network for it"},
		{Request{Weights: map[string]float64{"voice": 1}}, `no network "voice"`},
		{Request{Weights: map[string]float64{"mask": math.NaN()}}, "want a number from -100 to 100"},
		{Request{Weights: map[string]float64{"mask": -1e9}}, "want a number from -100 to 100"},
		{Request{Windows: map[string]Window{"voice": {End: 1}}}, `no network "voice"`},
		{Request{Windows: map[string]Window{"mask": {Start: .5, End: .4}}}, "window of mask from 0.5 to 0.4"},
		{Request{Windows: map[string]Window{"mask": {End: math.NaN()}}}, "window of mask"},
		{Request{Windows: map[string]Window{"mask": {End: 1.5}}}, "window of mask"},
	} {
		_, _, err := m.choose(c.q, steps)
		assert.ErrorContains(t, err, c.want)
	}
	m.networks = m.networks[1:]
	_, _, err := m.choose(Request{Conditions: Conditions{Sketch: sketch}, Windows: map[string]Window{"sketch": {End: .5}}}, steps)
	assert.ErrorContains(t, err, "at t = 0 the weights of [sketch] leave 1 for the unconditional network")
}

func TestCancelStopsAtOnce(t *testing.T) {
	model := load(t, record.CPU())
	ctx, cancel := context.WithCancel(context.Background())
	n := 0
	_, err := model.Sample(ctx, Request{Sampler: sampler.Options{Steps: 50}}, func(p Progress) {
		if n = p.Step; n == 2 {
			cancel()
		}
	})
	assert.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, 2, n)
}

// A run that waits for another's end can be stopped meanwhile.
func TestCancelWhileWaiting(t *testing.T) {
	model := load(t, record.CPU())
	_, err := model.Sample(context.Background(), Request{Sampler: sampler.Options{Steps: 1}}, func(Progress) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, err := model.Sample(ctx, Request{}, nil)
		assert.ErrorIs(t, err, context.Canceled)
		assert.ErrorIs(t, model.Prepare(ctx, nil), context.Canceled)
	})
	require.NoError(t, err)
}

// What could not be loaded leaves no memory taken.
func TestLoadFailed(t *testing.T) {
	d, err := openGPU()
	require.NoError(t, err)
	before, fsys := d.Allocated(), tinyFiles(t)
	b, err := bundle.Open(fsys)
	require.NoError(t, err)
	last := b.Shards()[len(b.Shards())-1].Name
	fsys[last].Data = fsys[last].Data[1:]
	_, err = Load(context.Background(), record.GPU(d), b, nil)
	require.ErrorContains(t, err, "torn")
	assert.Equal(t, before, d.Allocated())
}

func TestProgressEndsWithThePicture(t *testing.T) {
	model := load(t, record.CPU())
	var last Progress
	p, err := model.Sample(context.Background(), Request{Sampler: sampler.Options{Steps: 3}}, func(p Progress) { last = p })
	require.NoError(t, err)
	assert.Equal(t, 3, last.Step)
	assert.Equal(t, 3, last.Steps)
	require.NotNil(t, last.Preview)
	assert.Zero(t, difference(p[0], last.Preview[0]))
}

func TestRefusals(t *testing.T) {
	model := load(t, record.CPU())
	for want, q := range map[string]Request{
		"count = -1: want 1 to 64 pictures":   {Count: -1},
		"count = 1000: want 1 to 64 pictures": {Count: 1000},
		`"magic" is not known`:                {Sampler: sampler.Options{Name: "magic"}},
		"the sketch: it has no pixels":        {Conditions: Conditions{Sketch: image.NewGray(image.Rectangle{})}},
	} {
		_, err := model.Sample(context.Background(), q, nil)
		assert.ErrorContains(t, err, want)
	}
}

func TestMemoryIsGivenBack(t *testing.T) {
	d, err := openGPU()
	require.NoError(t, err)
	before := d.Allocated()
	sketch, _ := drawing()
	m, err := Load(context.Background(), record.GPU(d), tiny(t), nil)
	require.NoError(t, err)
	weights := m.Bytes()
	for range 2 {
		sample(t, m, Request{Sampler: sampler.Options{Steps: 1}})
		sample(t, m, Request{Sampler: sampler.Options{Steps: 1}, Conditions: Conditions{Sketch: sketch}})
	}
	assert.Greater(t, m.Bytes(), weights)
	m.Release()
	assert.Equal(t, before, d.Allocated())
}

// What waits for a run, or comes, when the model is given back is refused.
func TestReleased(t *testing.T) {
	ctx := context.Background()
	sketch, _ := drawing()
	q := Request{Conditions: Conditions{Sketch: sketch}, Sampler: sampler.Options{Steps: 1}}
	for where, machine := range machines(t) {
		m := load(t, machine)
		sample(t, m, q)
		m.Release()
		m.Release()
		assert.Zero(t, m.Bytes(), where)
		_, err := m.Sample(ctx, q, nil)
		assert.ErrorContains(t, err, "released", where)
		_, err = m.Lift(ctx, q, []*image.RGBA{image.NewRGBA(image.Rect(0, 0, 16, 16))}, 1, nil)
		assert.ErrorContains(t, err, "released", where)
		_, err = m.Memory(1)
		assert.ErrorContains(t, err, "released", where)
		assert.ErrorContains(t, m.Prepare(ctx, nil), "released", where)
	}
}

// More pictures than launches can make, or none, are refused, not a panic.
func TestMemoryOfTooMany(t *testing.T) {
	m := load(t, record.CPU())
	for _, count := range []int{-1, 0, 65} {
		_, err := m.Memory(count)
		assert.ErrorContains(t, err, "want 1 to 64 pictures")
	}
	for _, s := range []shape{
		{batch: 64, height: 256, width: 256},
		{batch: 1, height: 1 << 20, width: 2},
		{batch: 1 << 16, height: 2, width: 2},
	} {
		var plan record.Plan
		_, err := m.record(&plan, bare(m.networks...), s)
		require.ErrorIs(t, err, gpu.ErrLimits)
		assert.ErrorContains(t, err, fmt.Sprintf("%d pictures of %dx%d at once", s.batch, s.height, s.width))
	}
}

// What is planned is what is then allocated.
func TestMemoryIsThePlan(t *testing.T) {
	d, err := openGPU()
	require.NoError(t, err)
	before := d.Allocated()
	sketch, mask := drawing()
	m, err := Load(context.Background(), record.GPU(d), tiny(t), nil)
	require.NoError(t, err)
	defer m.Release()
	for _, count := range []int{1, 3} {
		plan, err := m.Memory(count)
		require.NoError(t, err)
		sample(t, m, Request{Count: count, Sampler: sampler.Options{Steps: 1}, Conditions: Conditions{Sketch: sketch, Mask: mask, Colour: dabs()}})
		unbound := int64(256) // what unbound bindings see
		assert.Equal(t, plan.Weights+plan.Activations+unbound, d.Allocated()-before, "%d pictures", count)
	}
}

func TestInk(t *testing.T) {
	img := image.NewGray(image.Rect(0, 0, 4, 4))
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	img.SetGray(0, 0, color.Gray{})
	img.SetGray(3, 3, color.Gray{})
	img.SetGray(3, 2, color.Gray{})
	assert.InDeltaSlice(t, []float32{.25, 0, 0, .5}, inkOf(img, 2), 1e-6)
	assert.InDelta(t, .1875, inkOf(img, 1)[0], 1e-6)
	up := inkOf(img, 8)
	assert.Equal(t, float32(1), up[0])
	assert.Equal(t, float32(1), up[9])
	assert.InDelta(t, 0, up[2], 1e-6)
	clear := image.NewNRGBA(image.Rect(0, 0, 2, 2)) // transparent is paper
	assert.Equal(t, []float32{0, 0, 0, 0}, inkOf(clear, 2))
}

func TestLabels(t *testing.T) {
	m := image.NewPaletted(image.Rect(0, 0, 4, 2), make(color.Palette, 4))
	copy(m.Pix, []uint8{1, 1, 0, 3, 1, 0, 3, 3})
	assert.Equal(t, []uint8{1, 0, 1, unknown}, labelsOf(m, 3, 2), "of two labels the later, of a label and none the label")
	data, err := encodeMask(m, &network{labels: 3}, bundle.Diffusion{ImageSize: 2, PixelUnshuffle: 2})
	require.NoError(t, err)
	want := make([]float32, 12)
	for i, l := range labelsOf(m, 3, 2) {
		if l != unknown {
			want[int(l)*4+i] = 1
		}
	}
	assert.Equal(t, rows(want, 12), data)
}

func TestJointConditionIsTheOthersInOrder(t *testing.T) {
	sketch, mask := drawing()
	n := &network{labels: 2}
	a, err := encodeSketch(sketch, n, small)
	require.NoError(t, err)
	b, err := encodeMask(mask, n, small)
	require.NoError(t, err)
	for _, c := range []Conditions{{Sketch: sketch, Mask: mask}, {Sketch: sketch}, {Mask: mask}} {
		got, err := encodeJoint(c, n, small)
		require.NoError(t, err)
		for p := range small.GridSize() * small.GridSize() {
			s, m := a[p*16:(p+1)*16], b[p*32:(p+1)*32]
			if c.Sketch == nil {
				s = make([]byte, 16)
			}
			if c.Mask == nil {
				m = make([]byte, 32)
			}
			require.Equal(t, append(slices.Clone(s), m...), got[p*48:(p+1)*48], "grid pixel %d", p)
		}
	}
	_, err = encodeJoint(Conditions{Sketch: image.NewGray(image.Rect(0, 0, 0, 0))}, n, small)
	assert.ErrorContains(t, err, "the sketch")
}

func TestColours(t *testing.T) {
	free, red, green := [4]float32{}, [4]float32{1, -1, -1, 1}, [4]float32{-1, 2*128./255 - 1, -1, 1}
	cells := coloursOf(dabs(), 2)
	for i, want := range [][4]float32{red, free, free, green} {
		assert.InDeltaSlice(t, want[:], cells[i][:], 1e-6, "cell %d", i)
	}
	// A cell that is half painted has the colour of that half; one that is less is free.
	half := image.NewNRGBA(image.Rect(0, 0, 4, 1))
	for x, c := range []color.NRGBA{{255, 0, 0, 255}, {0, 0, 255, 0}, {255, 0, 0, 127}, {}} {
		half.SetNRGBA(x, 0, c)
	}
	wide := coloursOf(half, 2)
	assert.InDeltaSlice(t, red[:], wide[0][:], 1e-6)
	assert.Equal(t, free, wide[1])

	// A grid of 4 on a picture of 16x16 through unshuffle 2: each cell is 2x2 of z.
	data, err := encodeColour(dabs(), &network{grid: 4}, small)
	require.NoError(t, err)
	var want []float32
	for y := range 8 {
		for x := range 8 {
			c := [4][4]float32{red, free, free, green}[y/4*2+x/4]
			want = append(want, c[:]...)
		}
	}
	got := make([]float32, len(want))
	for i := range got {
		got[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	assert.InDeltaSlice(t, want, got, 1e-6)
}

func TestUnshuffleIsTorchs(t *testing.T) {
	b := unshuffle(2, 4, 2, func(c, y, x int) float32 { return float32(100*c + 10*y + x) })
	// channel c*4 + dy*2 + dx of grid pixel (1, 0)
	assert.Equal(t, rows([]float32{20, 21, 30, 31, 120, 121, 130, 131}, 8), b[2*4*8:3*4*8])
}

// What Prepare compiles from the manifest alone is all that a run then needs.
// Shards may come in any order; until the last has, there is no picture.
func TestPrepareCompilesEverything(t *testing.T) {
	d, err := openGPU()
	require.NoError(t, err)
	ctx := context.Background()
	b, err := bundle.Open(os.DirFS("../weights/bundles/avatars"))
	require.NoError(t, err)
	list, err := examples.All()
	require.NoError(t, err)
	q := Request{Sampler: sampler.Options{Steps: 1}, Conditions: Conditions{Sketch: list[0].Sketch, Mask: list[0].Mask, Text: list[0].Caption}}

	m := record.GPU(d)
	defer m.Release()
	later := 0
	model, err := New(m, b.Manifest, func(int, int) { later++ })
	require.NoError(t, err)
	stopped, stop := context.WithCancel(ctx)
	all, compiled := 0, 0
	require.ErrorIs(t, model.Prepare(stopped, func(done, total int) {
		if all = total; done == 2 {
			stop()
		}
	}), context.Canceled)
	require.NoError(t, model.Prepare(ctx, func(done, _ int) { compiled = done }))
	assert.Equal(t, all-2, compiled, "what was compiled before it was stopped stays")
	assert.Greater(t, compiled, 10)
	for n := len(b.Shards()); n > 0; n-- {
		_, err := model.Sample(ctx, q, nil)
		require.ErrorContains(t, err, fmt.Sprintf("%d of %d shards have not been loaded", n, len(b.Shards())))
		data, err := b.Read(n - 1)
		require.NoError(t, err)
		require.NoError(t, model.Add(n-1, data))
		clear(data) // it is not looked at again
	}
	got := sample(t, model, q)
	assert.Zero(t, later, "kernels compiled after Prepare")

	other := record.GPU(d)
	defer other.Release()
	whole, err := Load(ctx, other, b, nil)
	require.NoError(t, err)
	assert.Equal(t, sample(t, whole, q), got)
}

// Compiling may go on beside runs, and be asked how much memory there is.
func TestPrepareBesideSample(t *testing.T) {
	for _, machine := range []record.Machine{onGPU(t), record.CPU()} {
		model := load(t, machine)
		var prepared sync.WaitGroup
		prepared.Go(func() {
			assert.Positive(t, model.Bytes())
			assert.NoError(t, model.Prepare(context.Background(), nil))
			assert.Positive(t, model.Bytes())
		})
		sample(t, model, Request{Sampler: sampler.Options{Steps: 1}})
		prepared.Wait()
	}
}

// A word is ignored when no text network knows it.
func TestUnknownWordsOfSeveralNetworks(t *testing.T) {
	var m Model
	assert.Empty(t, m.UnknownWords("a red hat"))
	for _, words := range [][]string{{"<pad>", "<unk>", "a", "hat"}, {"<pad>", "<unk>", "a", "red"}} {
		tokens, err := tokenizer.New(words, 8)
		require.NoError(t, err)
		m.networks = append(m.networks, &network{tokenizer: tokens})
	}
	assert.Equal(t, []string{"blue"}, m.UnknownWords("a blue red hat"))
}

// The end of a sentence is lost when no text network sees it.
func TestCutOffOfSeveralNetworks(t *testing.T) {
	var m Model
	assert.Empty(t, m.CutOff("a red hat"))
	for _, length := range []int{2, 3} {
		tokens, err := tokenizer.New([]string{"<pad>", "<unk>", "a", "red", "hat"}, length)
		require.NoError(t, err)
		m.networks = append(m.networks, &network{tokenizer: tokens})
	}
	assert.Empty(t, m.CutOff("a blue red hat"))
	assert.Equal(t, "red, blue", m.CutOff("a hat, a red, blue"))
}
