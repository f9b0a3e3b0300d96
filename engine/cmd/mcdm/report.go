package main

import (
	"cmp"
	"fmt"
	"image"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/mcdm/mcdm/engine"
)

// result is one finished picture.
type result struct {
	picture *image.RGBA
	seed    uint64
	lift    engine.Lift
}

func results(pictures []*image.RGBA, seed uint64) []result {
	var out []result
	for i, p := range pictures {
		out = append(out, result{picture: p, seed: seed + uint64(i)})
	}
	return out
}

// sortByLift puts the picture that obeys best first.
func sortByLift(list []result) {
	slices.SortStableFunc(list, func(a, b result) int { return cmp.Compare(b.lift.All, a.lift.All) })
}

// table lists the pictures under their files' names, with their scores where
// they were asked for.
func table(w io.Writer, files []string, list []result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	by := slices.Sorted(maps.Keys(list[0].lift.By))
	if len(by) > 0 {
		fmt.Fprintf(w, "lift: log p(picture | condition) / p(picture) in nats; all: their weighted sum\n")
		fmt.Fprintf(t, "\tseed\t%s\tall\t\n", strings.Join(by, "\t"))
	}
	for i, r := range list {
		if len(by) == 0 {
			fmt.Fprintf(w, "%s  seed %d\n", files[i], r.seed)
			continue
		}
		fmt.Fprintf(t, "%s\t%d\t", files[i], r.seed)
		for _, name := range by {
			fmt.Fprintf(t, "%.1f\t", r.lift.By[name])
		}
		fmt.Fprintf(t, "%.1f\t\n", r.lift.All)
	}
	return t.Flush()
}

// conflicts collects what the steps say about the conditions' pulls, the mean
// over the pictures.
type conflicts struct {
	names []string // of the columns
	rows  []map[string]float64
}

func (c *conflicts) add(samples []engine.Conflict) {
	row := map[string]float64{}
	put := func(name string, v float64) {
		if !slices.Contains(c.names, name) {
			c.names = append(c.names, name)
		}
		row[name] += v / float64(len(samples))
	}
	for _, s := range samples {
		for i, a := range s.Names {
			for j := range i {
				put(s.Names[j]+"-"+a, s.Pairs[i][j])
			}
		}
		if len(s.Names) > 2 { // of two, the rest is the other
			for i, a := range s.Names {
				put(a+"-rest", s.Rest[i])
			}
		}
	}
	c.rows = append(c.rows, row)
}

// print lists a row for every step, a dash where a pair did not meet.
func (c *conflicts) print(w io.Writer) error {
	if len(c.names) == 0 {
		_, err := fmt.Fprintln(w, "conflict: never did two conditions and the unconditional network run in one step")
		return err
	}
	fmt.Fprintln(w, "cosine of the angle between the conditions' pulls: 1 agree, 0 independent, -1 opposed")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "step\t%s\t\n", strings.Join(c.names, "\t"))
	for i, row := range c.rows {
		fmt.Fprintf(t, "%d\t", i+1)
		for _, name := range c.names {
			if v, ok := row[name]; ok {
				fmt.Fprintf(t, "%+.2f\t", v)
			} else {
				fmt.Fprint(t, "-\t")
			}
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}
