// Package studio is the page around the board: it loads the networks, reads
// the controls, runs the sampler and shows what comes out.
package studio

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mcdm/mcdm/engine"
	"github.com/mcdm/mcdm/engine/gpu"
	"github.com/mcdm/mcdm/ui/shards"
)

// State is what the page is doing. It stands in <main data-state>, for style
// sheets and tests.
type State string

const (
	Loading  State = "loading"
	Ready    State = "ready"
	Sampling State = "sampling"
	Failed   State = "failed" // nothing can be generated until Start succeeds
)

// Sampler makes pictures: a model on its device.
type Sampler interface {
	Sample(ctx context.Context, q engine.Request, report func(engine.Progress)) ([]*image.RGBA, error)
	Upscale(ctx context.Context, small *image.RGBA, o engine.Upscaling, report func(done, total int)) (*image.RGBA, error)
	Lift(ctx context.Context, q engine.Request, pictures []*image.RGBA, pairs int, report func(done, total int)) ([]engine.Lift, error)
	Err() error // why it cannot be used any more: a lost device
	Release()
}

// Screen shows a run.
type Screen interface {
	State(s State)
	// Progress shows a bar (of unknown length where total is 0) and a text.
	Progress(done, total int, text string)
	// Step shows what is told about a step: the pictures as they are now, where
	// there is a preview, and what was asked for about the networks.
	Step(p engine.Progress)
	// Pictures shows a run's finished pictures.
	Pictures(pictures []*image.RGBA)
	// Say tells a result or a problem to everybody, screen readers included.
	Say(text string)
	// Alarm shows why the page cannot go on, with a way to try again.
	Alarm(text string)
}

// Loader brings a sampler. It is called again when loading failed and when the
// device was lost.
type Loader func(ctx context.Context, progress func(done, total int, text string)) (Sampler, error)

// Run is the page's one run at a time: loading, sampling, stopping, and what
// happens when something breaks. It knows no browser.
type Run struct {
	screen Screen
	load   Loader
	now    func() time.Time

	mu      sync.Mutex
	state   State
	sampler Sampler
	stop    context.CancelFunc // of the run in progress
	stepped bool               // it has made a step
}

// NewRun returns a run that has loaded nothing yet.
func NewRun(screen Screen, load Loader) *Run {
	return &Run{screen: screen, load: load, now: time.Now}
}

// enter changes the state if it is one of from.
func (r *Run) enter(to State, from ...State) bool {
	r.mu.Lock()
	ok := slices.Contains(from, r.state)
	if ok {
		r.state = to
	}
	r.mu.Unlock()
	if ok {
		r.screen.State(to)
	}
	return ok
}

// State is what the page is doing.
func (r *Run) State() State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

// Start loads. It may be called again after it failed; while a load or a run
// is under way it does nothing.
func (r *Run) Start(ctx context.Context) {
	if !r.enter(Loading, "", Failed) {
		return
	}
	err := r.renew(ctx)
	if errors.Is(err, gpu.ErrLost) { // what has been loaded is loaded
		r.screen.Say("The browser lost the graphics card while loading. Starting again by itself…")
		err = r.renew(ctx)
	}
	if err != nil {
		r.enter(Failed, Loading)
		r.screen.Progress(0, 1, "Not ready.")
		r.screen.Alarm(Explain(err, tryAgain))
		return
	}
	r.enter(Ready, Loading)
	r.finish(0, "Ready. Draw, paint or type, then press Generate.")
}

// renew replaces the sampler.
func (r *Run) renew(ctx context.Context) error {
	if r.sampler != nil {
		r.sampler.Release()
		r.sampler = nil
	}
	s, err := r.load(ctx, r.screen.Progress)
	if err == nil {
		r.sampler = s
	}
	return err
}

// Starting tells whether a run waits for its first step.
func (r *Run) Starting() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state == Sampling && !r.stepped
}

// Stop ends the sampling in progress; what has been drawn so far stays.
func (r *Run) Stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stop != nil {
		r.stop()
	}
}

// Generate samples pictures from q and shows every step. using names, for
// people, what q takes into account. It returns when the run is over, with the
// pictures, or nil where they did not get finished.
func (r *Run) Generate(ctx context.Context, q engine.Request, using []string) []*image.RGBA {
	var pictures []*image.RGBA
	r.work(ctx, func(ctx context.Context) (done int, text string) {
		pictures, done, text = r.sample(ctx, q, using)
		return done, text
	})
	return pictures
}

// Score asks the networks how well finished pictures obey q. It returns when that
// is over, with a lift for each, or nil where it did not get finished.
func (r *Run) Score(ctx context.Context, q engine.Request, pictures []*image.RGBA) []engine.Lift {
	var lifts []engine.Lift
	r.work(ctx, func(ctx context.Context) (int, string) {
		r.screen.Progress(0, 0, "Scoring…")
		r.screen.Say("Scoring the pictures.")
		err := r.ready(ctx)
		if err == nil {
			lifts, err = r.sampler.Lift(ctx, q, pictures, 0, func(done, total int) {
				r.screen.Progress(done, total, fmt.Sprintf("Scoring the pictures: %d of %d", done, total))
			})
		}
		switch {
		case ctx.Err() != nil:
			lifts = nil
			return 0, "Stopped. The pictures are not scored."
		case err != nil:
			return 0, Explain(r.lost(err), "Best first")
		}
		return 1, fmt.Sprintf("Scored %d pictures.", len(pictures))
	})
	return lifts
}

// work does something that can be stopped, between two times of being ready.
func (r *Run) work(ctx context.Context, do func(ctx context.Context) (done int, text string)) {
	if !r.enter(Sampling, Ready) {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.mu.Lock()
	r.stop, r.stepped = cancel, false
	r.mu.Unlock()
	done, text := do(ctx)
	r.enter(Ready, Sampling)
	r.finish(done, text)
}

// ready opens the device again where it was lost.
func (r *Run) ready(ctx context.Context) error {
	if r.sampler == nil || r.sampler.Err() != nil {
		return r.renew(ctx)
	}
	return nil
}

// lost puts what befell the device before an error that may come of it.
func (r *Run) lost(err error) error {
	if r.sampler == nil {
		return err
	}
	return errors.Join(r.sampler.Err(), err)
}

// step notes that the run goes.
func (r *Run) step() {
	r.mu.Lock()
	r.stepped = true
	r.mu.Unlock()
}

// Enlarge makes pictures larger, each with the noise of its seed, and shows every
// one as it is done. Its last word follows those that were said before. It tells
// whether all are larger now; not while something else runs.
func (r *Run) Enlarge(ctx context.Context, pictures []*image.RGBA, seeds []uint64, before string, show func(i int, large *image.RGBA)) bool {
	all := false
	r.work(ctx, func(ctx context.Context) (int, string) {
		done, text := r.enlarge(ctx, pictures, seeds, show)
		all = done == 1
		return done, strings.TrimSpace(before + " " + text)
	})
	return all
}

// enlarge is Enlarge between two states.
func (r *Run) enlarge(ctx context.Context, pictures []*image.RGBA, seeds []uint64, show func(i int, large *image.RGBA)) (done int, text string) {
	started := r.now()
	r.screen.Progress(0, 0, "Upscaling…")
	r.screen.Say("Upscaling.")
	err := r.ready(ctx)
	var size image.Point
	for i := 0; err == nil && i < len(pictures); i++ {
		var large *image.RGBA
		large, err = r.sampler.Upscale(ctx, pictures[i], engine.Upscaling{Seed: seeds[i]}, func(done, total int) {
			r.step()
			r.screen.Progress(i*total+done, len(pictures)*total, fmt.Sprintf("Upscaling, step %d of %d", i*total+done, len(pictures)*total))
		})
		if err == nil && ctx.Err() == nil {
			show(i, large)
			size = large.Rect.Size()
		}
	}
	switch {
	case ctx.Err() != nil:
		return 0, "Stopped: not upscaled."
	case err != nil:
		return 0, Explain(r.lost(err), "Upscale")
	}
	return 1, fmt.Sprintf("Upscaled to %d×%d pixels in %s.", size.X, size.Y, seconds(r.now().Sub(started)))
}

func (r *Run) finish(done int, text string) {
	r.screen.Progress(done, 1, text)
	r.screen.Say(text)
}

// sample is Generate between two states. done is how much of the bar stays. A
// device that is lost in mid-sampling is opened again, once, and the run starts
// anew: the same seed gives the same pictures.
func (r *Run) sample(ctx context.Context, q engine.Request, using []string) (pictures []*image.RGBA, done int, text string) {
	started := r.now()
	starting := "Starting…"
	for again := true; ; again = false {
		r.screen.Progress(0, 0, starting)
		steps, lost := 0, error(nil)
		err := r.ready(ctx)
		if err == nil {
			pictures, steps, err = r.steps(ctx, q)
			lost = r.sampler.Err()
		}
		switch {
		case ctx.Err() != nil && steps == 0:
			return nil, 0, "Stopped before the first step."
		case ctx.Err() != nil:
			return nil, 0, fmt.Sprintf("Stopped after step %d. The picture is as far as it came.", steps)
		case errors.Is(lost, gpu.ErrLost) && again:
			starting = "The browser lost the graphics card. Starting again by itself; your drawing is safe…"
			r.screen.Say(starting)
			continue
		case lost != nil || err != nil:
			return nil, 0, Explain(errors.Join(lost, err), "Generate")
		case len(pictures) == 0:
			return nil, 0, Explain(errors.New("no picture came out"), "Generate")
		}
		r.screen.Pictures(pictures)
		seeds := fmt.Sprintf("seed %d", q.Seed)
		if n := len(pictures); n > 1 {
			seeds = fmt.Sprintf("seeds %d to %d", q.Seed, q.Seed+uint64(n)-1)
		}
		return pictures, 1, fmt.Sprintf("Done in %s, from %s, %s.", seconds(r.now().Sub(started)), List(using, "chance alone"), seeds)
	}
}

// steps samples and shows every step; done is the last one.
func (r *Run) steps(ctx context.Context, q engine.Request) (pictures []*image.RGBA, done int, err error) {
	var first time.Time // when the first step was done, which also warms up
	pictures, err = r.sampler.Sample(ctx, q, func(p engine.Progress) {
		if ctx.Err() != nil {
			return // a step that ended after Stop
		}
		r.step()
		done = p.Step
		r.screen.Step(p)
		text := fmt.Sprintf("Step %d of %d", p.Step, p.Steps)
		if p.Step == 1 {
			first = r.now()
		} else if p.Step < p.Steps {
			each := r.now().Sub(first) / time.Duration(p.Step-1)
			text += ", " + seconds(each*time.Duration(p.Steps-p.Step)) + " left"
		}
		r.screen.Progress(p.Step, p.Steps, text)
	})
	return pictures, done, err
}

// List joins words as people do: "sketch, parts and sentence".
func List(words []string, none string) string {
	switch n := len(words); n {
	case 0:
		return none
	case 1:
		return words[0]
	default:
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
}

func seconds(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 100*time.Second:
		return fmt.Sprintf("%.0f s", math.Ceil(d.Seconds()))
	}
	return fmt.Sprintf("%.0f min", math.Ceil(d.Minutes()))
}

// tryAgain is the button of an Alarm.
const tryAgain = "Try again"

// errInFile is gpu.ErrNoWebGPU in a page that was opened from the disk.
var errInFile = fmt.Errorf("opened from the disk: %w", gpu.ErrNoWebGPU)

// Explain puts an error into words with a next step: which button to press again.
func Explain(err error, button string) string {
	press, fewer := "press "+button+" again", ""
	switch button {
	case tryAgain:
		press = "press " + tryAgain
	case "Generate":
		fewer = "Ask for fewer pictures at once, or "
	}
	var file *shards.Error
	switch {
	case errors.As(err, &file):
		return fmt.Sprintf("The networks could not be loaded: %s: %s. %s Then try again: what has arrived is kept.", file.File, file.What, file.Do)
	case errors.Is(err, gpu.ErrNoWebGPU):
		do := "Use a current Chrome or Edge, and open the page over https:// or from localhost."
		if errors.Is(err, errInFile) {
			do = "Open this file in a current Chrome or Edge."
		}
		return "This browser has no WebGPU, with which the picture is made on your graphics card. " + do + " Drawing works all the same."
	case errors.Is(err, gpu.ErrNoAdapter):
		return "The browser found no graphics card that it may use. Switch on graphics acceleration in the browser's settings, " +
			"update the graphics driver, or try another computer. Drawing works all the same. (" + err.Error() + ")"
	case errors.Is(err, gpu.ErrLost):
		return "The browser lost the graphics card. Your drawing is safe: " + press + "."
	case errors.Is(err, gpu.ErrMemory):
		return "The graphics card has no memory left. " + capital(fewer+"close other pages and programs that use it; then "+press) + ". Your drawing is safe."
	case errors.Is(err, gpu.ErrLimits):
		return "This graphics card allows too little at once (" + err.Error() + "). " + capital(fewer+"use another browser or computer") + ". Your drawing is safe."
	}
	return fmt.Sprintf("It did not work: %v. Your drawing is safe: %s; if that does not help, reload the page.", err, press)
}
