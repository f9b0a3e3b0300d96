//go:build js

package studio

import (
	"context"
	"fmt"
	"image"
	"strings"
	"syscall/js"

	"github.com/mcdm/mcdm/ui/board"
	"github.com/mcdm/mcdm/ui/canvas"
	"github.com/mcdm/mcdm/ui/dom"
	"github.com/mcdm/mcdm/ui/recipe"
	"github.com/mcdm/mcdm/ui/shards"
	"github.com/mcdm/mcdm/weights/bundle"
)

// Studio is the page's program.
type Studio struct {
	run    *Run
	bundle *bundle.Manifest // nil until it has come
	shards *shards.Loader   // nil until the first load
	unkept bool             // a shard is not in the browser's storage
	board  *board.Board
	canvas *canvas.Canvas

	cards       []*card // one for each modality
	nextExample int
	last        *image.RGBA // the picture that is shown
	imports                 // pictures that a person has given

	bundleHash string // SHA-256 of the manifest
	untouched  bool   // the number of steps is the page's own
	quick      bool   // a graphics card upscales pictures without being asked

	shown *picture   // large in the frame; nil: all of batch
	batch []*picture // of the last run

	history  []*picture  // newest first
	deleted  []deletion  // to be brought back, the last one first
	compared [2]*picture // left and right

	ran      *recipe.Recipe // what Generate made last
	ranCount int

	mine   []mine // what something else took the place of; the last one comes back first
	placed string // the mark of what was put there instead, as long as it is that

	prompt, not *sentence // what the picture shall obey, and what it shall not

	storage     dom.Storage
	tab         dom.Storage // this tab's own
	storing     bool
	toldFull    map[string]bool // what was said to be lost for want of room, and nothing was deleted since
	fingerprint string
	savedMark   string // the fingerprint of what was stored last, or found at first
	looking     bool   // changedSoon is about to look
	clicked     string // the button of inTurn that was clicked last
	savingSoon  bool

	living, liveAgain bool

	alarm     string // with Try again
	installed bool   // or tried to be
}

// Main drives the page until it is closed.
func Main() error {
	s := &Studio{untouched: true}
	s.run = NewRun(s, s.load)
	click("notice-close", s.closeNotice)
	click("retry", func() {
		s.closeNotice()
		if s.bundle != nil {
			go s.run.Start(context.Background())
		}
		if s.unkept {
			go s.tidy()
		}
	})
	manifest := make(chan struct{})
	go func() {
		<-manifest // the board's labels come with it
		s.run.Start(context.Background())
	}()
	s.open(context.Background())
	close(manifest)
	return s.canvas.Run()
}

// open makes the board usable: it needs the manifest, and waits for it.
func (s *Studio) open(ctx context.Context) {
	for {
		err := s.fetchManifest(ctx)
		if err == nil {
			break
		}
		s.State(Failed)
		s.Progress(0, 1, "Not ready.")
		s.Alarm(Explain(err, tryAgain))
		again := make(chan struct{}, 1)
		dom.Once(dom.Get("retry"), "click", func(js.Value) { again <- struct{}{} })
		<-again
		s.State(Loading)
	}
	s.board = board.New(labelsOf(s.bundle))
	s.board.SetGrid(gridOf(s.bundle))
	s.canvas = canvas.Attach(s.board, dom.Get("board"), s.drawn)
	s.controls()
	dom.Get("studio").Set("inert", false) // what was typed before would be lost
}

// labelsOf lists the parts that the bundle's mask network knows.
func labelsOf(m *bundle.Manifest) []board.Label {
	var out []board.Label
	for _, n := range m.Networks {
		for _, l := range n.Labels {
			c := board.Label{Name: l.Name}
			fmt.Sscanf(l.Color, "#%02x%02x%02x", &c.Color.R, &c.Color.G, &c.Color.B)
			c.Color.A = 255
			out = append(out, c)
		}
	}
	return out
}

// gridOf is the grid of the bundle's colour network; 0 without one.
func gridOf(m *bundle.Manifest) (grid int) {
	for _, n := range m.Networks {
		grid = max(grid, n.Grid)
	}
	return grid
}

// State implements Screen.
func (s *Studio) State(state State) {
	dom.Get("studio").Get("dataset").Set("state", string(state))
	focused := js.Global().Get("document").Get("activeElement").Get("id").String()
	whole := state == Sampling && !s.living // a live picture gives way to Generate
	for _, id := range []string{"generate", "best"} {
		dom.Get(id).Set("disabled", state != Ready && !(state == Sampling && s.living))
	}
	dom.Get("enlarge").Set("disabled", state != Ready)
	dom.Get("live").Set("disabled", state == Loading || state == Failed)
	dom.Show(dom.Get("notice-close"), state != Failed) // with the notice the way on would go
	dom.Show(dom.Get("generate"), !whole)
	dom.Show(dom.Get("stop"), whole)
	// One button takes the other's place: who pressed it keeps the focus, and what they see.
	still := map[string]any{"preventScroll": true}
	switch {
	case whole && (focused == "generate" || focused == "best" || focused == "enlarge"):
		dom.Get("stop").Call("focus", still)
	case state == Ready && focused == "stop":
		dom.Get("generate").Call("focus", still)
	}
	if state == Ready {
		if !s.installed {
			s.installed = true
			go s.install()
		}
		go s.liveWaiting() // behind what goes on with the run's pictures
	}
	if whole {
		s.Say("Sampling.")
	}
}

// Progress implements Screen.
func (s *Studio) Progress(done, total int, text string) {
	bar := dom.Get("progress")
	if total == 0 {
		bar.Call("removeAttribute", "value")
	} else {
		bar.Set("max", total)
		bar.Set("value", done)
	}
	dom.Text(dom.Get("status"), "%s", text)
}

// Say implements Screen: a live region that is not seen.
func (s *Studio) Say(text string) { dom.Text(dom.Get("announce"), "%s", text) }

// tell says something in the line below the buttons, too.
func (s *Studio) tell(text string) {
	dom.Text(dom.Get("status"), "%s", text)
	s.Say(text)
}

// Alarm implements Screen.
func (s *Studio) Alarm(text string) {
	s.alarm = ""
	s.notice(text)
	s.alarm = text
	dom.Show(dom.Get("retry"), true)
	js.Global().Get("console").Call("warn", text)
}

// notice tells something, if there is something to tell. An alarm stays behind it.
func (s *Studio) notice(texts ...string) {
	if len(texts) == 0 {
		return
	}
	text := strings.Join(texts, " ")
	if s.alarm != "" {
		text += "\n\n" + s.alarm
	}
	dom.Text(dom.Get("notice-text"), "%s", text)
	dom.Show(dom.Get("notice"), true)
}

func (s *Studio) closeNotice() {
	s.alarm = ""
	dom.Show(dom.Get("notice"), false)
	dom.Show(dom.Get("retry"), false)
}
