//go:build js

package studio

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"slices"
	"syscall/js"

	"github.com/mcdm/mcdm/ui/dom"
	"github.com/mcdm/mcdm/ui/recipe"
)

// maxFile bounds the bytes of a file that is opened.
const maxFile = 32_000_000

// take opens a file that was chosen, dropped or pasted: a picture that was saved
// here comes back with all that made it, any other is imported.
func (s *Studio) take(file js.Value) {
	name := file.Get("name").String()
	go func() {
		data, err := dom.ReadBlob(file, maxFile)
		if err != nil { // too large to have been saved here
			s.importFile(file, name)
			return
		}
		img, r, err := recipe.Read(data)
		switch {
		case err == nil:
			s.openPicture(img, r)
		case errors.Is(err, recipe.ErrNone), errors.Is(err, recipe.ErrNotPNG):
			s.importFile(file, name)
		default:
			s.notice(fmt.Sprintf("%s was not opened: %v. Nothing has changed.", name, err))
		}
	}()
}

// openPicture brings back all that made a picture saved here.
func (s *Studio) openPicture(img image.Image, r recipe.Recipe) {
	var misfits []string
	hint := s.replace(func() { misfits = s.restore(r) })
	p := &picture{image: recipe.RGBA(img), recipe: r}
	if r.Small != nil {
		p.image, p.large, p.upscaled = r.Small, p.image, r.Upscaled
		p.recipe.Small, p.recipe.Upscaled = nil, nil
	}
	known := slices.IndexFunc(s.history, func(q *picture) bool {
		return q.recipe.Same(r) && bytes.Equal(q.image.Pix, p.image.Pix)
	})
	if known >= 0 {
		opened := p
		p = s.history[known]
		if opened.large != nil {
			p.large, p.upscaled = opened.large, opened.upscaled
		}
	} else {
		s.keep([]*picture{p})
	}
	s.show(p)
	go s.enlargeByItself(p)
	foreign := s.foreign(r.Bundle)
	misfits = append(foreign, misfits...)
	if foreign == nil && r.Unfinished {
		misfits = append(misfits, "This picture was stopped before its last step: Generate finishes it.")
	}
	s.notice(misfits...)
	s.tell("Opened: drawing, sentence and settings are back." + hint)
}

// foreign says what it means that other networks made a picture, where they did.
func (s *Studio) foreign(b recipe.Bundle) []string {
	if b.SHA256 == s.bundleHash {
		return nil
	}
	return []string{fmt.Sprintf("This picture was made by other networks (%s): drawing, sentence and settings are back, but Generate will give another picture.", other(b, s.bundle.Name))}
}

// other names a bundle that is not ours, with its hash where the name is the same.
func other(b recipe.Bundle, ours string) string {
	switch {
	case b.Name == "":
		return "without a name"
	case b.Name != ours:
		return b.Name
	}
	return fmt.Sprintf("an earlier or later %s, %.8s", b.Name, b.SHA256)
}

// file is the picture's PNG file with its recipe.
func (p *picture) file() ([]byte, error) { return recipe.Write(p.image, p.recipe) }

// largeFile is the same of the large picture. The small one goes with it.
func (p *picture) largeFile() ([]byte, error) {
	r := p.recipe
	r.Upscaled, r.Small = p.upscaled, p.image
	return recipe.Write(p.large, r)
}
