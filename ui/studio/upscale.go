//go:build js

package studio

import (
	"context"
	"fmt"
	"image"
	"slices"

	"github.com/mcdm/mcdm/engine"
	"github.com/mcdm/mcdm/ui/dom"
	"github.com/mcdm/mcdm/ui/recipe"
)

// The bundle may have an upscaler: finished pictures are then made larger, by
// themselves on a graphics card, else when they are saved or on request. Only the
// small picture is stored, of which the large one can be made again.

// addUpscale offers the sizes to save in.
func (s *Studio) addUpscale() {
	if !s.upscales() {
		return
	}
	m := s.bundle
	sizes := dom.Get("save-size")
	for _, size := range []int{m.Upscaler.Diffusion.ImageSize, m.Diffusion.ImageSize} {
		sizes.Call("append", dom.New("option", fmt.Sprintf("%d px", size)))
	}
	dom.Show(sizes, true)
	click("enlarge", func() { go s.enlarge("", s.shown) })
}

func (s *Studio) upscales() bool { return s.bundle.Upscaler != nil }

// enlargeable tells whether a picture has the size that the upscaler takes.
func (s *Studio) enlargeable(p *picture) bool {
	side := s.bundle.Diffusion.ImageSize
	return s.upscales() && p.image != nil && p.image.Rect.Size() == image.Pt(side, side)
}

// savesLarge tells whether the larger size is chosen.
func (s *Studio) savesLarge() bool {
	return s.upscales() && dom.Get("save-size").Get("selectedIndex").Int() == 0
}

// enlargeByItself makes finished pictures larger where that takes no time.
func (s *Studio) enlargeByItself(pictures ...*picture) {
	for s.quick && !s.busy() {
		var small []*picture
		for _, p := range pictures {
			if s.enlargeable(p) && p.large == nil && !p.recipe.Unfinished {
				small = append(small, p)
			}
		}
		if len(small) == 0 || !s.enlarge(dom.Get("status").Get("textContent").String(), small...) {
			return
		}
		// Who chose another one meanwhile sees that.
		if s.shown == nil || slices.Contains(pictures, s.shown) || s.busy() {
			return
		}
		s.tell(fmt.Sprintf("Seed %d is shown.", s.shown.recipe.Seed))
		pictures = []*picture{s.shown}
	}
}

// enlarge makes pictures larger and tells whether all are. What was said before
// stays to be read.
func (s *Studio) enlarge(before string, pictures ...*picture) bool {
	if s.busy() {
		s.notice("The picture can be made larger when this run is over.")
		return false
	}
	var small []*image.RGBA
	var seeds []uint64
	for _, p := range pictures {
		small, seeds = append(small, p.image), append(seeds, p.recipe.Seed)
	}
	by := s.bundle.Fingerprint(s.bundle.Upscaler)
	return s.run.Enlarge(context.Background(), small, seeds, before, func(i int, large *image.RGBA) {
		pictures[i].large = large
		pictures[i].upscaled = &recipe.Upscaled{SHA256: by, Seed: seeds[i], Steps: engine.UpscaleSteps}
		s.paint()
	})
}
