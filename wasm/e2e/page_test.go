// Package e2e drives the built page, with the shipped bundle, in a headless
// Chromium: real strokes, real paint, a typed sentence, a sampled picture.
package e2e

import (
	"testing"
	"time"
)

func TestLoads(t *testing.T) {
	p := open(t, 1280, 860, 5*time.Minute)
	p.until("ready", 3*time.Minute)
	p.screenshot("ready")
}
