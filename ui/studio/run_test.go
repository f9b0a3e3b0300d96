package studio

import (
	"context"
	"errors"
	"fmt"
	"image"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine"
	"github.com/mcdm/mcdm/engine/gpu"
	"github.com/mcdm/mcdm/ui/shards"
)

// screen records what a person sees.
type screen struct {
	mu       sync.Mutex
	states   []State
	progress []string
	bars     [][2]int
	pictures int
	batch    int
	said     string
	alarm    string
}

func (s *screen) State(v State) { s.mu.Lock(); s.states = append(s.states, v); s.mu.Unlock() }
func (s *screen) Progress(done, total int, text string) {
	s.mu.Lock()
	s.progress, s.bars = append(s.progress, text), append(s.bars, [2]int{done, total})
	s.mu.Unlock()
}
func (s *screen) Step(p engine.Progress)   { s.pictures++; s.batch = len(p.Preview) }
func (s *screen) Pictures(p []*image.RGBA) { s.pictures++; s.batch = len(p) }
func (s *screen) Say(text string)          { s.said = text }
func (s *screen) Alarm(text string)        { s.alarm = text }

// fake samples by script.
type fake struct {
	steps    int
	at       func(step int) error // before each step is reported
	lost     error
	released bool
	asked    []engine.Request
	seeds    []uint64 // of upscalings
}

func (f *fake) Err() error { return f.lost }
func (f *fake) Release()   { f.released = true }
func (f *fake) Upscale(ctx context.Context, small *image.RGBA, o engine.Upscaling, report func(done, total int)) (*image.RGBA, error) {
	f.seeds = append(f.seeds, o.Seed)
	for step := 1; step <= 2; step++ {
		if f.at != nil {
			if err := f.at(step); err != nil {
				return nil, err
			}
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		report(step, 2)
	}
	return image.NewRGBA(image.Rect(0, 0, 4*small.Rect.Dx(), 4*small.Rect.Dy())), nil
}
func (f *fake) Sample(ctx context.Context, q engine.Request, report func(engine.Progress)) ([]*image.RGBA, error) {
	f.asked = append(f.asked, q)
	var picture []*image.RGBA
	for range max(q.Count, 1) {
		picture = append(picture, image.NewRGBA(image.Rect(0, 0, 2, 2)))
	}
	for step := 1; step <= f.steps; step++ {
		if f.at != nil {
			if err := f.at(step); err != nil {
				return nil, err
			}
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		report(engine.Progress{Step: step, Steps: f.steps, Preview: picture})
	}
	return picture, nil
}

// Lift scores by script, too: all of the first picture is 1, of the next 2.
func (f *fake) Lift(ctx context.Context, q engine.Request, pictures []*image.RGBA, pairs int, report func(done, total int)) ([]engine.Lift, error) {
	f.asked = append(f.asked, q)
	var lifts []engine.Lift
	for i := range pictures {
		lifts = append(lifts, engine.Lift{All: float64(1 + i)})
	}
	for step := 1; step <= f.steps; step++ {
		if f.at != nil {
			if err := f.at(step); err != nil {
				return nil, err
			}
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		report(step, f.steps)
	}
	return lifts, nil
}

// begin returns a run that has loaded the samplers' first; each load takes the
// next, an error or a *fake.
func begin(t *testing.T, loads ...any) (*Run, *screen) {
	s := &screen{}
	r := NewRun(s, func(context.Context, func(int, int, string)) (Sampler, error) {
		require.NotEmpty(t, loads, "loaded once more than expected")
		next := loads[0]
		loads = loads[1:]
		if err, bad := next.(error); bad {
			return nil, err
		}
		return next.(*fake), nil
	})
	clock := time.Unix(0, 0)
	r.now = func() time.Time { clock = clock.Add(3 * time.Second); return clock }
	r.Start(context.Background())
	return r, s
}

func TestGenerate(t *testing.T) {
	f := &fake{steps: 4}
	r, s := begin(t, f)
	picture := r.Generate(context.Background(), engine.Request{Seed: 9}, []string{"sketch", "parts", "sentence"})
	require.NotNil(t, picture)
	assert.Equal(t, []State{Loading, Ready, Sampling, Ready}, s.states)
	assert.Equal(t, uint64(9), f.asked[0].Seed)
	assert.Equal(t, 5, s.pictures) // every step and the result
	assert.Contains(t, s.progress, "Step 1 of 4")
	// The clock goes on by 3 s whenever it is read: one step, two are left.
	assert.Contains(t, s.progress, "Step 2 of 4, 6.0 s left")
	assert.Contains(t, s.progress, "Step 4 of 4")
	assert.Contains(t, s.said, "from sketch, parts and sentence, seed 9")
	assert.Equal(t, [2]int{1, 1}, s.bars[len(s.bars)-1])
}

func TestEnlarge(t *testing.T) {
	f := &fake{}
	r, s := begin(t, f)
	small := []*image.RGBA{image.NewRGBA(image.Rect(0, 0, 2, 2)), image.NewRGBA(image.Rect(0, 0, 2, 2))}
	var shown []int
	show := func(i int, large *image.RGBA) {
		assert.Equal(t, image.Pt(8, 8), large.Rect.Size())
		assert.Equal(t, "Upscaling.", s.said)
		shown = append(shown, i)
	}
	require.True(t, r.Enlarge(context.Background(), small, []uint64{5, 6}, "Done.", show))
	assert.Equal(t, []int{0, 1}, shown)
	assert.Equal(t, []uint64{5, 6}, f.seeds)
	assert.Equal(t, []State{Loading, Ready, Sampling, Ready}, s.states)
	assert.Contains(t, s.progress, "Upscaling, step 3 of 4")
	assert.Equal(t, "Done. Upscaled to 8×8 pixels in 3.0 s.", s.said)
	assert.Equal(t, [2]int{1, 1}, s.bars[len(s.bars)-1])

	// Stopped, or broken, the second stays as it is, and why is said.
	f.at = func(step int) error {
		if len(f.seeds) == 4 {
			r.Stop()
		}
		return nil
	}
	shown = nil
	require.False(t, r.Enlarge(context.Background(), small, []uint64{5, 6}, "", show))
	assert.Equal(t, []int{0}, shown)
	assert.Equal(t, "Stopped: not upscaled.", s.said)
	f.at = func(int) error { return gpu.ErrMemory }
	require.False(t, r.Enlarge(context.Background(), small, []uint64{5, 6}, "", show))
	assert.Contains(t, s.said, "no memory left")

	// Not while something else runs.
	f.at, f.steps = func(int) error {
		assert.False(t, r.Enlarge(context.Background(), small, []uint64{5, 6}, "", show))
		return nil
	}, 1
	require.NotNil(t, r.Generate(context.Background(), engine.Request{}, nil))
	assert.Equal(t, []int{0}, shown)
}

func TestStop(t *testing.T) {
	f := &fake{steps: 100}
	r, s := begin(t, f)
	f.at = func(step int) error {
		if step == 8 {
			r.Stop()
		}
		return nil
	}
	assert.Nil(t, r.Generate(context.Background(), engine.Request{}, nil))
	assert.Equal(t, Ready, s.states[len(s.states)-1])
	assert.Contains(t, s.said, "Stopped after step 7")
	assert.Equal(t, 7, s.pictures)

	// Stopping when nothing runs must not stop the next run.
	r.Stop()
	f.at, f.steps = nil, 3
	assert.NotNil(t, r.Generate(context.Background(), engine.Request{}, nil))
	assert.Contains(t, s.said, "from chance alone")
}

func TestOneRunAtATime(t *testing.T) {
	f := &fake{steps: 2}
	r, _ := begin(t, f)
	f.at = func(int) error {
		assert.Nil(t, r.Generate(context.Background(), engine.Request{}, nil))
		r.Start(context.Background())
		return nil
	}
	assert.NotNil(t, r.Generate(context.Background(), engine.Request{}, nil))
	assert.Len(t, f.asked, 1)
}

func TestLoadingFailsAndIsTriedAgain(t *testing.T) {
	torn := &shards.Error{File: "shard-3", What: "the server answered 503", Do: "Wait."}
	r, s := begin(t, torn, &fake{steps: 1})
	assert.Equal(t, Failed, s.states[len(s.states)-1])
	assert.Contains(t, s.alarm, "shard-3")
	assert.Contains(t, s.alarm, "the server answered 503. Wait. Then try again")
	assert.Nil(t, r.Generate(context.Background(), engine.Request{}, nil))
	r.Start(context.Background())
	assert.Equal(t, Ready, s.states[len(s.states)-1])
	assert.NotNil(t, r.Generate(context.Background(), engine.Request{}, nil))
}

func TestSeveralPictures(t *testing.T) {
	r, s := begin(t, &fake{steps: 2})
	require.Len(t, r.Generate(context.Background(), engine.Request{Seed: 9, Count: 4}, nil), 4)
	assert.Equal(t, 4, s.batch)
	assert.Contains(t, s.said, "seeds 9 to 12")
}

// losing is a sampler whose device is lost before its third step.
func losing() *fake {
	f := &fake{steps: 5}
	f.at = func(step int) error {
		if step == 3 {
			f.lost = gpu.ErrLost
			return errors.New("the buffer is gone")
		}
		return nil
	}
	return f
}

// A device that is lost once is opened again, and the same run starts anew.
func TestLostDevice(t *testing.T) {
	first, second := losing(), &fake{steps: 5}
	r, s := begin(t, first, second)
	assert.NotNil(t, r.Generate(context.Background(), engine.Request{Seed: 3}, nil))
	assert.Contains(t, s.said, "Done in")
	assert.Equal(t, Ready, s.states[len(s.states)-1])
	assert.True(t, first.released)
	require.Len(t, second.asked, 1)
	assert.Equal(t, first.asked, second.asked)
}

// One that is lost again and again does not keep the page busy for ever.
func TestLostDeviceTwice(t *testing.T) {
	first, second, third := losing(), losing(), &fake{steps: 5}
	r, s := begin(t, first, second, third)
	assert.Nil(t, r.Generate(context.Background(), engine.Request{}, nil))
	assert.Contains(t, s.said, "press Generate again")
	assert.Equal(t, Ready, s.states[len(s.states)-1])
	assert.NotNil(t, r.Generate(context.Background(), engine.Request{}, nil))
	assert.True(t, second.released)
	assert.Len(t, third.asked, 1)
}

func TestDeviceIsNotToBeHadAgain(t *testing.T) {
	first, third := &fake{steps: 1, lost: gpu.ErrLost}, &fake{steps: 1}
	r, s := begin(t, first, gpu.ErrNoAdapter, third)
	assert.Nil(t, r.Generate(context.Background(), engine.Request{}, nil))
	assert.Contains(t, s.said, "graphics driver")
	assert.NotNil(t, r.Generate(context.Background(), engine.Request{}, nil))
}

func TestFailureInSampling(t *testing.T) {
	f := &fake{steps: 2, at: func(int) error { return errors.New("steps = 2000: at most 1000") }}
	r, s := begin(t, f)
	assert.Nil(t, r.Generate(context.Background(), engine.Request{}, nil))
	assert.Contains(t, s.said, "at most 1000")
	assert.Equal(t, Ready, s.states[len(s.states)-1])
}

func TestExplainNamesTheNextStep(t *testing.T) {
	for err, want := range map[error]string{
		gpu.ErrNoWebGPU:  "https://",
		errInFile:        "Open this file in",
		gpu.ErrNoAdapter: "graphics acceleration",
		gpu.ErrLost:      "press Generate again",
		gpu.ErrMemory:    "fewer pictures at once",
		gpu.ErrLimits:    "another browser",
	} {
		assert.Contains(t, Explain(fmt.Errorf("somewhere: %w", err), "Generate"), want)
	}
	for _, err := range []error{gpu.ErrLost, gpu.ErrMemory, gpu.ErrLimits, errors.New("odd")} {
		text := Explain(err, tryAgain) // of a load: there is nothing to generate, and no number of pictures to lower
		assert.NotContains(t, text, "Generate")
		assert.NotContains(t, text, "fewer")
		assert.NotContains(t, text, "Try again again")
	}
}

// Who presses Stop while a lost device is opened again is not told that it failed.
func TestStopWhileTheDeviceComesBack(t *testing.T) {
	for name, do := range map[string]func(r *Run){
		"sample":  func(r *Run) { r.Generate(context.Background(), engine.Request{}, nil) },
		"score":   func(r *Run) { r.Score(context.Background(), engine.Request{}, make([]*image.RGBA, 2)) },
		"enlarge": func(r *Run) { r.Enlarge(context.Background(), make([]*image.RGBA, 1), []uint64{1}, "", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			s, gone := &screen{}, &fake{}
			var r *Run
			r = NewRun(s, func(ctx context.Context, _ func(int, int, string)) (Sampler, error) {
				if gone.lost == nil {
					return gone, nil
				}
				r.Stop()
				return nil, fmt.Errorf("%w: %w", gpu.ErrNoAdapter, ctx.Err())
			})
			r.Start(context.Background())
			gone.lost = gpu.ErrLost
			do(r)
			assert.Contains(t, s.said, "Stopped")
			assert.Equal(t, Ready, s.states[len(s.states)-1])
		})
	}
}

func TestSeconds(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1340 * time.Millisecond: "1.3 s", 12100 * time.Millisecond: "13 s", 130 * time.Second: "3 min",
	} {
		assert.Equal(t, want, seconds(d))
	}
}

// Scoring is a run like sampling: it shows how far it is, can be stopped and
// says what went wrong.
func TestScore(t *testing.T) {
	f := &fake{steps: 3}
	r, s := begin(t, f)
	r.Start(context.Background())
	pictures := []*image.RGBA{image.NewRGBA(image.Rect(0, 0, 2, 2)), image.NewRGBA(image.Rect(0, 0, 2, 2))}
	lifts := r.Score(context.Background(), engine.Request{Seed: 5}, pictures)
	assert.Equal(t, []engine.Lift{{All: 1}, {All: 2}}, lifts)
	assert.Equal(t, uint64(5), f.asked[0].Seed)
	assert.Contains(t, s.bars, [2]int{2, 3})
	assert.Equal(t, []State{Loading, Ready, Sampling, Ready}, s.states)
	assert.Equal(t, "Scored 2 pictures.", s.said)

	f.at = func(step int) error {
		if step == 2 {
			r.Stop()
		}
		return nil
	}
	assert.Nil(t, r.Score(context.Background(), engine.Request{}, pictures))
	assert.Equal(t, "Stopped. The pictures are not scored.", s.said)
	f.at = func(int) error { return errors.New("no such thing") }
	assert.Nil(t, r.Score(context.Background(), engine.Request{}, pictures))
	assert.Contains(t, s.said, "no such thing")
	assert.Equal(t, Ready, s.states[len(s.states)-1])
}
