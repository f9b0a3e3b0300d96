package main

import (
	"fmt"
	"image/color"
	"math"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"github.com/mcdm/mcdm/engine/sampler"
)

// checkPlot refuses, before anything is computed, what cannot be drawn into.
func checkPlot(path string) error {
	if path == "" {
		return nil
	}
	if ext := strings.ToLower(filepath.Ext(path)); ext != ".svg" && ext != ".png" {
		return fmt.Errorf("--plot %s: want a file name that ends in .svg or .png", path)
	}
	if err := tryWriting(path); err != nil {
		return fmt.Errorf("--plot %s: %w", path, err)
	}
	return nil
}

// The colours of Okabe and Ito, which the colour-blind tell apart too.
var (
	black  = color.RGBA{0, 0, 0, 255}
	gray   = color.RGBA{150, 150, 150, 255}
	sky    = color.RGBA{86, 180, 233, 255}
	orange = color.RGBA{230, 159, 0, 255}
	colors = []color.RGBA{orange, sky, {0, 158, 115, 255}, {204, 121, 167, 255}, {0, 114, 178, 255}}
	dashes = []vg.Length{vg.Points(6), vg.Points(3)}
)

func newPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.Padding = vg.Points(6)
	p.Legend.Top = true
	p.Legend.Padding = vg.Points(2)
	return p
}

func save(p *plot.Plot, path string) error {
	if err := p.Save(6*vg.Inch, 3.5*vg.Inch, path); err != nil {
		return fmt.Errorf("--plot %s: %w", path, err)
	}
	return nil
}

// curve draws a function with its name.
func curve(p *plot.Plot, name string, f func(float64) float64, c color.Color, width float64, dashed bool) {
	l := plotter.NewFunction(f)
	l.Samples = 200
	l.Color, l.Width = c, vg.Points(width)
	if dashed {
		l.Dashes = dashes
	}
	p.Add(l)
	if name != "" {
		p.Legend.Add(name, l)
	}
}

// plotDensities draws what the networks know, what they should make of it
// together, and what was sampled.
func plotDensities(path string, o sampler.Options, nets []sampler.Mixture, exact sampler.Mixture, closed *sampler.Gaussian, z []float32) error {
	title := fmt.Sprintf("%s, %d steps", o.Name, o.Steps)
	if o.Corrector > 0 {
		title += fmt.Sprintf(", %d Langevin a level", o.Corrector)
	}
	p := newPlot(title, "x", "density")
	mean, sd := exact.Moments(0).Mean, math.Sqrt(exact.Moments(0).Var)
	p.X.Min, p.X.Max = mean-4*sd, mean+4*sd
	var v plotter.Values
	for _, x := range z {
		if x := float64(x); x >= p.X.Min && x <= p.X.Max {
			v = append(v, x)
		}
	}
	if len(v) > 0 {
		h, err := plotter.NewHist(v, 60)
		if err != nil {
			return fmt.Errorf("--plot %s: %w", path, err)
		}
		h.Normalize(float64(len(v)) / float64(len(z)))
		h.FillColor, h.LineStyle.Color, h.LineStyle.Width = sky, sky, vg.Points(.25)
		p.Add(h)
		p.Legend.Add("sampled", h)
	}
	density := func(m sampler.Mixture) func(float64) float64 {
		return func(x float64) float64 { return m.Density(0, x) }
	}
	curve(p, "prior", density(nets[0]), gray, 1, true)
	for i, m := range nets[1:] {
		curve(p, []string{"one observation", ""}[min(i, 1)], density(m), gray, 1, false)
	}
	if closed != nil {
		g := sampler.Mixture{{Weight: 1, Independent: sampler.Independent{*closed}}}
		curve(p, "recursion", density(g), orange, 1.5, true)
	}
	curve(p, "exact product", density(exact), black, 1.5, false)
	p.Y.Min = 0
	for x := p.X.Min; x < p.X.Max; x += sd / 50 {
		p.Y.Max = max(p.Y.Max, 1.1*exact.Density(0, x))
	}
	return save(p, path)
}

// plotRows draws the deviation that every sampler ends with against its cost.
func plotRows(path string, rows []row, exact sampler.Gaussian) error {
	p := newPlot("What each sampler ends with", "evaluations of every network", "standard deviation")
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.X.Min, p.X.Max, p.Y.Min = 10, 1000, 0
	curve(p, "exact product", func(float64) float64 { return math.Sqrt(exact.Var) }, black, 1.5, false)
	shown := 0
	for _, r := range rows {
		base, corrected := strings.CutSuffix(r.name, " + 1")
		if strings.Contains(base, " + ") || strings.Contains(base, "eta") {
			continue // four lines and their corrected twins are enough for an eye
		}
		var xy plotter.XYs
		for _, e := range r.ends {
			xy = append(xy, plotter.XY{X: float64(e.evaluations), Y: math.Sqrt(e.Var)})
		}
		l, err := plotter.NewLine(xy)
		if err != nil {
			return fmt.Errorf("--plot %s: %w", path, err)
		}
		if corrected {
			l.Dashes = dashes
			shown-- // the colour of the sampler alone
		}
		l.Color, l.Width = colors[shown%len(colors)], vg.Points(1.5)
		shown++
		p.Add(l)
		p.Legend.Add(r.name, l)
	}
	return save(p, path)
}
