//go:build js

package studio

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall/js"

	"github.com/mcdm/mcdm/engine"
	"github.com/mcdm/mcdm/ui/dom"
)

// names are what people call the modalities.
var names = map[string]string{engine.Sketch: "sketch", engine.Mask: "parts", engine.Text: "sentence"}

// request reads the controls; using names what it takes into account.
func (s *Studio) request() (q engine.Request, using []string, err error) {
	q.Weights = map[string]float64{}
	for _, c := range s.cards {
		if !c.on() || c.weight() == 0 {
			continue
		}
		switch {
		case c.modality == engine.Sketch && s.board.HasSketch():
			q.Conditions.Sketch = s.board.Sketch()
		case c.modality == engine.Mask && s.board.HasMask():
			q.Conditions.Mask = s.board.Mask()
		case c.modality == engine.Text && strings.TrimSpace(promptText()) != "":
			q.Conditions.Text = promptText()
		default:
			continue
		}
		q.Weights[c.network] = c.weight()
		using = append(using, names[c.modality])
	}
	if picture, part := s.start(); picture != nil {
		q.Image, q.Sampler.Start = picture, part
		using = append(using, "the start picture")
	}
	q.Sampler.Name = dom.Get("sampler").Get("value").String()
	q.Sampler.ClippedEps = true
	if q.Sampler.Steps, err = number("steps", 1, 1000); err != nil {
		return q, nil, err
	}
	if q.Sampler.Corrector, err = number("corrector", 0, 10); err != nil {
		return q, nil, err
	}
	if q.Sampler.Eta, err = strconv.ParseFloat(dom.Get("eta").Get("value").String(), 64); err != nil || q.Sampler.Eta < 0 || q.Sampler.Eta > 1 {
		return q, nil, errors.New("Eta is a number from 0 to 1.")
	}
	seed, err := number("seed", 0, 1<<53)
	q.Seed = uint64(seed)
	return q, using, err
}

func promptText() string { return dom.Get("prompt").Get("value").String() }

func number(id string, least, most int) (int, error) {
	n, err := strconv.Atoi(dom.Get(id).Get("value").String())
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%s is a whole number from %d to %d.", strings.ToUpper(id[:1])+id[1:], least, most)
	}
	return n, nil
}

// generate samples one picture from what is drawn, painted and typed.
func (s *Studio) generate() {
	if dom.Get("generate").Get("disabled").Bool() {
		return // Enter in the sentence
	}
	q, using, err := s.request()
	if err != nil {
		dom.Text(dom.Get("status"), "%v", err)
		s.Say(err.Error())
		return
	}
	s.seed = q.Seed
	picture := dom.Get("picture")
	picture.Call("scrollIntoView", map[string]any{"block": "nearest"})
	picture.Call("setAttribute", "aria-label", "The picture, still forming")
	label := "An unfinished picture"
	if s.run.Generate(context.Background(), q, using) != nil {
		label = fmt.Sprintf("The portrait made from %s with seed %d", List(using, "chance alone"), q.Seed)
	}
	picture.Call("setAttribute", "aria-label", label)
}

// save offers the picture as a file.
func (s *Studio) save() {
	var done js.Func
	done = js.FuncOf(func(_ js.Value, args []js.Value) any {
		defer done.Release()
		url := js.Global().Get("URL").Call("createObjectURL", args[0])
		a := dom.New("a", "")
		a.Set("href", url)
		a.Set("download", fmt.Sprintf("mcdm-%d.png", s.seed))
		a.Call("click")
		js.Global().Get("URL").Call("revokeObjectURL", url)
		return nil
	})
	dom.Get("picture").Call("toBlob", done, "image/png")
}
