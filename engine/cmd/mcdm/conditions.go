package main

import (
	"fmt"
	"image"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mcdm/mcdm/engine"
)

// conditionFlags are what a run is asked to obey.
type conditionFlags struct {
	sketches, masks, colours, texts, nots, weights, windows, maps []string
}

// notWeight is that of a --not for which no --weight is given.
const notWeight = -1

func (g *conditionFlags) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVar(&g.sketches, "sketch", nil, "PNG of dark lines on light paper; repeatable")
	f.StringArrayVar(&g.masks, "mask", nil, "PNG with a palette, index = label; repeatable")
	f.StringArrayVar(&g.colours, "colour", nil, "PNG of dabs of colour, averaged down to the network's grid; transparent = unknown; repeatable")
	f.StringArrayVar(&g.texts, "text", nil, "a sentence; repeatable: the second is named text.2")
	f.StringArrayVar(&g.nots, "not", nil, fmt.Sprintf("a sentence that the picture shall not obey: one more text, with weight %d; repeatable", notWeight))
	f.StringArrayVar(&g.weights, "weight", nil, "NAME=NUMBER, the weight of a condition in the merge (default 1; below 0: not like this), repeatable")
	f.StringArrayVar(&g.windows, "window", nil, "NAME=START:END, the part of the way on which it counts, from 0 (t = T-1, noise) to 1 (t = 0, the picture); repeatable")
	f.StringArrayVar(&g.maps, "map", nil, "NAME=PNG, where it counts: its weight is multiplied by 1 where white, 0 where black; repeatable")
}

// read fills in the parts of a request that need no model.
func (g *conditionFlags) read(q *engine.Request) (err error) {
	c := &q.Conditions
	if c.Sketch, c.MoreSketches, err = readImages("--sketch", g.sketches, engine.DecodePNG); err != nil {
		return err
	}
	if c.Mask, c.MoreMasks, err = readImages("--mask", g.masks, engine.DecodeMask); err != nil {
		return err
	}
	if c.Colour, c.MoreColours, err = readImages("--colour", g.colours, engine.DecodePNG); err != nil {
		return err
	}
	texts := slices.Concat(g.texts, g.nots)
	for _, text := range texts {
		if strings.TrimSpace(text) == "" {
			return fmt.Errorf("an empty sentence is given to --text or --not: leave the flag out, or say something")
		}
	}
	c.Text, c.MoreTexts = first(texts)
	if q.Weights, err = parseWeights(g.weights); err != nil {
		return err
	}
	if q.Windows, err = parseWindows(g.windows); err != nil {
		return err
	}
	q.Maps, err = readMaps(g.maps)
	return err
}

// readImages reads what a flag names, the first apart.
func readImages[T any](flag string, paths []string, decode func(data []byte) (T, error)) (img T, more []T, err error) {
	var all []T
	for _, path := range paths {
		one, err := readImage(flag, path, decode)
		if err != nil {
			return img, nil, err
		}
		all = append(all, one)
	}
	img, more = first(all)
	return img, more, nil
}

// first parts the first of a list, or none, from the rest.
func first[T any](all []T) (one T, rest []T) {
	if len(all) == 0 {
		return one, nil
	}
	return all[0], all[1:]
}

// negate gives what is forbidden its weight, where it has none. A joint network's
// sentence has no weight of its own.
func (g *conditionFlags) negate(q *engine.Request, m *engine.Model) error {
	for i, text := range g.nots {
		names := m.ConditionNames(engine.Text, len(g.texts)+i)
		if len(names) == 0 {
			return fmt.Errorf("--not %q: the bundle has no network for sentences alone", text)
		}
		for _, name := range names {
			if _, given := q.Weights[name]; !given {
				q.Weights[name] = notWeight
			}
		}
	}
	return nil
}

func readMaps(list []string) (map[string]image.Image, error) {
	out := map[string]image.Image{}
	for _, s := range list {
		name, path, ok := strings.Cut(s, "=")
		if !ok || path == "" {
			return nil, fmt.Errorf("--map %s: want NAME=PNG, such as sketch=left.png", s)
		}
		img, err := readImage("--map "+name, path, engine.DecodePNG)
		if err != nil {
			return nil, err
		}
		if err := put(out, "--map", name, img); err != nil {
			return nil, err
		}
	}
	return out, nil
}
