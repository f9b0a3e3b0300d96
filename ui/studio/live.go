//go:build js

package studio

import (
	"time"
)

// Live: after every change a quick picture. The newest change wins: a picture
// that is still forming is dropped for it, and nothing ever waits in a queue.

// liveSteps are enough to see where it goes.
const liveSteps = 8

func (s *Studio) addLive() {
	click("live", func() {
		press("live", !pressed("live"))
		if pressed("live") {
			s.Say("Live: a quick picture after every change.")
			s.startLive()
			return
		}
		s.liveAgain = false
		if s.living {
			s.run.Stop()
		}
	})
}

// liveChanged is told of every change.
func (s *Studio) liveChanged() {
	if pressed("live") {
		s.startLive()
	}
}

// liveWaiting answers what was changed while something else ran, unless that was a
// run of just this.
func (s *Studio) liveWaiting() {
	if !s.liveAgain || s.living {
		return
	}
	if r, err := s.recipe(); err == nil && s.ran != nil && r.Same(*s.ran) {
		s.liveAgain = false
		return
	}
	s.startLive()
}

func (s *Studio) startLive() {
	s.liveAgain = true
	switch {
	case s.living:
		s.run.Stop() // the loop goes on with what is newest
	case !s.busy(): // else it waits: a whole picture that forms is not disturbed
		s.living = true
		go s.live()
	}
}

func (s *Studio) live() {
	for s.liveAgain && !s.busy() {
		s.liveAgain = false
		r, err := s.recipe()
		if err != nil {
			s.tell(err.Error())
			break
		}
		r.Sampler.Steps = min(r.Sampler.Steps, stepsFor(liveSteps, r.Sampler.Start))
		s.sample(r, 1)
	}
	s.living = false
}

// busy tells whether nothing can be sampled now.
func (s *Studio) busy() bool { return s.run.State() != Ready }

// endLive drops the live picture that is forming and waits until it is gone.
func (s *Studio) endLive() {
	s.liveAgain = false
	for s.living {
		s.run.Stop()
		time.Sleep(5 * time.Millisecond)
	}
}
