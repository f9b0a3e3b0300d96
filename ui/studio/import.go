//go:build js

package studio

import (
	"fmt"
	"image"
	"syscall/js"

	"github.com/mcdm/mcdm/ui/board"
	"github.com/mcdm/mcdm/ui/dom"
	"github.com/mcdm/mcdm/ui/edges"
)

// imports is what the studio knows of pictures that a person has given.
type imports struct {
	importing    *imported   // nil, or one of which it is not decided what it is for
	startPicture *image.RGBA // where sampling starts, nil: from noise
	overtaken    *image.RGBA // the result that was shown when startPicture came
}

// imported is a picture that a person has given, while they choose what for.
type imported struct {
	name     string
	whole    *image.RGBA
	small    *image.RGBA // whole, as it is shown beside the choice
	crop     *edges.Crop // the square of whole that is used
	moves    int         // of the square, since picture was cut out
	picture  *image.RGBA // that square
	contours *edges.Contours
	drawing  *edges.Drawing
}

// importSide bounds what is kept of a picture: the contours are looked for at
// this size, and the networks see far less.
const importSide = edges.Side

// addImport connects all ways into the page for pictures, and the ways out.
func (s *Studio) addImport() {
	document := js.Global().Get("document")
	addIntake(s.take)
	for _, id := range []string{"import-photo", "import-drawing", "import-start"} {
		dom.On(dom.Get(id), "change", func(js.Value) { s.tryImport() })
	}
	dom.On(dom.Get("import-detail"), "input", func(js.Value) { s.tryImport() })
	s.addCrop()
	click("import-keep", s.keepImport)
	click("import-cancel", s.cancelImport)
	dom.On(dom.Get("import"), "keydown", func(e js.Value) {
		if e.Get("key").String() == "Escape" {
			s.cancelImport()
		}
	})
	dom.On(dom.Get("start-change"), "input", func(js.Value) { s.showChange() })
	click("start-remove", func() {
		s.startFrom(nil, "", usualStart)
		dom.Get("import-open").Call("focus")
	})
	click("copy", s.copy)
	dom.On(document, "copy", func(e js.Value) {
		selected := js.Global().Call("getSelection").Call("toString").String() != ""
		if s.shown != nil && s.last != nil && !selected && !dom.Typing(document.Get("activeElement")) {
			e.Call("preventDefault")
			s.copy()
		}
	})
}

// importFile offers a file of any kind of picture that the browser knows.
func (s *Studio) importFile(file js.Value, name string) {
	img, err := dom.Picture(file, 4*importSide)
	if err != nil {
		s.notice(fmt.Sprintf("%s could not be imported: %v.", name, err))
		return
	}
	s.importPicture(img, name)
}

// importPicture offers a picture as lines of the sketch or to start from. It
// shows at once what it would be like; nothing is lost until that is kept, and
// Undo brings the former lines back then, too.
func (s *Studio) importPicture(img *image.RGBA, name string) {
	s.closeImport()
	s.board.Up() // a stroke that began meanwhile
	m := &imported{name: name, whole: img, small: reduced(img, smallSide), crop: edges.NewCrop(img.Rect)}
	m.cut()
	s.importing = m
	s.showCrop()
	s.fit()
	dom.Text(dom.Get("import-name"), "%s", name)
	kind := "import-photo"
	if m.drawing.Likely() {
		kind = "import-drawing"
	}
	dom.Get(kind).Set("checked", true)
	dom.Get("import-detail").Set("value", 60)
	dom.Show(dom.Get("import"), true)
	s.tryImport()
	dom.Get(kind).Call("focus", map[string]any{"preventScroll": true})
	for _, id := range []string{"board", "import"} {
		dom.Get(id).Call("scrollIntoView", map[string]any{"block": "nearest"})
	}
	s.Say(fmt.Sprintf("%s is on the board. Choose what to use it for.", name))
}

func checked(id string) bool { return dom.Get(id).Get("checked").Bool() }

// tryImport shows what the picture would be.
func (s *Studio) tryImport() {
	m := s.importing
	if m == nil || s.board.Drawing() { // a stroke over the lines keeps them
		return
	}
	detail := value("import-detail")
	dom.Text(dom.Get("import-detail-out"), "%.0f", detail)
	dom.Show(dom.Get("import-detail-row"), !checked("import-start"))
	switch {
	case checked("import-start"):
		s.board.Cancel()
	case checked("import-drawing"):
		s.board.Try(m.drawing.Lines(detail / 100))
	default:
		s.board.Try(m.contours.Lines(detail / 100))
	}
	s.view()
	s.drawn()
	s.changedSoon()
}

// viewImport shows the picture that is being imported under the drawing: faint
// under its lines, whole where it is to be the start.
func (s *Studio) viewImport(v *board.View) {
	if s.importing == nil {
		return
	}
	v.Under, v.UnderOpacity = s.importing.picture, .4
	if checked("import-start") {
		v.UnderOpacity, v.MaskOpacity, v.ColourOpacity, v.InkOpacity = 1, 0, 0, 0
	} else {
		v.MaskOpacity, v.ColourOpacity, v.InkOpacity = min(v.MaskOpacity, .2), min(v.ColourOpacity, .2), 1
	}
}

// drawnOver closes the choice when a person has drawn on over the lines, which
// keeps them.
func (s *Studio) drawnOver() {
	if s.importing != nil && !s.board.Trying() && !s.board.Drawing() && !checked("import-start") {
		s.endImport()
	}
}

func (s *Studio) keepImport() {
	s.useImport()
	dom.Get("import-open").Call("focus")
}

// useImport keeps what the picture would be.
func (s *Studio) useImport() {
	s.recut()
	if m := s.importing; m != nil && checked("import-start") {
		s.startFrom(reduced(m.picture, startSide), m.name, usualStart)
	}
	s.board.Up()
	s.endImport()
	s.drawn()
}

func (s *Studio) cancelImport() {
	s.closeImport()
	dom.Get("import-open").Call("focus")
}

// closeImport drops the picture, where there is one.
func (s *Studio) closeImport() {
	if s.importing == nil {
		return
	}
	if s.board.Trying() {
		s.board.Cancel()
	}
	s.endImport()
	s.drawn()
}

func (s *Studio) endImport() {
	s.importing = nil
	dom.Show(dom.Get("import"), false)
	s.view()
}

// startSide is the side of a start picture: twice that of what the networks draw,
// and little enough to be kept in every recipe.
const startSide = 128

// usualStart is how much of the way sampling leaves out at first.
const usualStart = .4

// startFrom makes sampling start from a picture, a part of the way from noise
// to it left out; or from noise when it is nil.
func (s *Studio) startFrom(picture *image.RGBA, name string, part float64) {
	s.startPicture, s.overtaken = picture, s.last
	dom.Get("start-change").Set("value", 100*(1-part))
	s.showChange()
	dom.Show(dom.Get("start"), picture != nil)
	if picture != nil {
		dom.Get("show-picture").Set("checked", true)
		dom.Paint(dom.Get("start-picture"), picture)
		dom.Get("start-picture").Call("setAttribute", "aria-label", "Sampling starts from "+name)
		dom.Get("start-picture").Set("title", "Sampling starts from "+name)
	}
	s.view()
}

// showChange writes how much may change, and what does not count with that.
func (s *Studio) showChange() {
	dom.Text(dom.Get("start-out"), "%.0f%%", value("start-change"))
	s.held()
}

// under is the picture that lies under the drawing: the last result, or where
// sampling starts as long as nothing came of it.
func (m *imports) under(last *image.RGBA) *image.RGBA {
	if m.startPicture != nil && last == m.overtaken {
		return m.startPicture
	}
	return last
}

// start is the picture that sampling starts from, nil for noise, and the part of
// the way that is left out then.
func (m *imports) start() (picture *image.RGBA, part float64) {
	if m.startPicture == nil {
		return nil, 0
	}
	return m.startPicture, 1 - value("start-change")/100
}

// copy puts the picture on the clipboard.
func (s *Studio) copy() {
	if s.shown == nil || s.last == nil {
		text := "There is no picture to copy yet."
		if s.shown == nil && len(s.batch) > 1 {
			text = "Choose one of the pictures, then copy it."
		}
		s.tell(text)
		return
	}
	go func() {
		if err := dom.CopyPicture(dom.Get("picture")); err != nil {
			s.notice(fmt.Sprintf("The picture was not copied: %v.", err))
			return
		}
		s.tell("The picture is on the clipboard.")
	}()
}
