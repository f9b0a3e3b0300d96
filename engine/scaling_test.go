//go:build unix

package engine

import (
	"context"
	"flag"
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"github.com/mcdm/mcdm/engine/sampler"
)

var plots = flag.String("plots", "", "folder that BenchmarkScaling draws into")

// point is one measurement: x of an axis in units of work, and its time.
type point struct{ x, seconds float64 }

// BenchmarkScaling times steps of the shipped networks over the picture's size,
// the number of networks, of pictures at once, and of steps. Where the adapter is
// full, twice the work should take twice the time; where it is not, less. With
// -plots DIR it draws the four curves beside what proportion would be.
func BenchmarkScaling(b *testing.B) {
	m := shipped(b)
	d, err := openGPU()
	require.NoError(b, err)
	now := clock(d)
	side := m.diffusion.GridSize()
	if *plots != "" {
		require.NoError(b, os.MkdirAll(*plots, 0o755))
	}

	for _, axis := range []struct {
		name, label string
		values      []int
		run         func(v int) (x *session, steps int)
		work        func(v int) float64
	}{
		{"size", "pixels of a picture", []int{16, 24, 32, 48, 64}, func(v int) (*session, int) {
			return m.bare(b, 4, shape{batch: 1, height: v, width: v}), 1
		}, func(v int) float64 { return float64(4 * v * v) }},
		{"networks", "networks", []int{1, 2, 3, 4}, func(v int) (*session, int) {
			return m.bare(b, v, m.square(1)), 1
		}, func(v int) float64 { return float64(v) }},
		{"batch", "pictures at once", []int{1, 2, 4, 8}, func(v int) (*session, int) {
			return m.bare(b, 4, m.square(v)), 1
		}, func(v int) float64 { return float64(v) }},
		{"steps", "steps", []int{1, 2, 4, 8}, func(v int) (*session, int) {
			return m.bare(b, 4, m.square(1)), v
		}, func(v int) float64 { return float64(v) }},
	} {
		var curve []point
		for _, v := range axis.values {
			b.Run(fmt.Sprintf("%s=%d", axis.name, v), func(b *testing.B) {
				x, steps := axis.run(v)
				took := m.timeSteps(b, x, steps, now)
				b.ReportMetric(took*1e3, "ms")
				b.ReportMetric(0, "ns/op")
				if p := (point{axis.work(v), took}); len(curve) > 0 && curve[len(curve)-1].x == p.x {
					curve[len(curve)-1] = p // b.Run came back with a larger N
				} else {
					curve = append(curve, p)
				}
			})
		}
		if *plots != "" && len(curve) == len(axis.values) {
			adapter, _, _ := strings.Cut(d.Info().Name, " (")
			title := fmt.Sprintf("Steps of %d networks, %dx%d, %s", len(m.networks), 2*side, 2*side, adapter)
			require.NoError(b, drawCurve(filepath.Join(*plots, axis.name+".svg"), title, axis.label, curve))
		}
	}
}

// bare is a session of the first networks that nothing is written into.
func (m *Model) bare(b *testing.B, networks int, s shape) *session {
	x, err := m.session(context.Background(), bare(m.networks[:networks]...), s)
	require.NoError(b, err)
	return x
}

// timeSteps is the median time of some steps, after one to warm up.
func (m *Model) timeSteps(b *testing.B, x *session, steps int, now func() time.Duration) float64 {
	ctx := context.Background()
	params := stepParams(1)
	s, err := sampler.Options{}.StepsOf(m.schedule)
	require.NoError(b, err)
	weights := make([]float64, len(x.terms))
	for i := range weights {
		weights[i] = 1 / float64(len(weights))
	}
	setStep(&params, m.diffusion.PredictionType, s[0], weights, 1)
	require.NoError(b, x.loaded.Write(x.params, params.Bytes()))
	require.NoError(b, x.loaded.Run(ctx, x.once, x.begin))
	var took []float64
	for i := range b.N + 1 {
		start := now()
		for range steps {
			require.NoError(b, x.advance(ctx, &params, s[0].T, weights))
		}
		require.NoError(b, x.loaded.Wait(ctx))
		if i > 0 {
			took = append(took, (now() - start).Seconds())
		}
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// drawCurve plots a curve and, through its first point, proportion.
func drawCurve(path, title, label string, curve []point) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, label, "seconds"
	p.Title.Padding = vg.Points(6)
	p.X.Min, p.Y.Min = 0, 0
	p.Legend.Top, p.Legend.Left = true, true
	var xy plotter.XYs
	for _, q := range curve {
		xy = append(xy, plotter.XY{X: q.x, Y: q.seconds})
	}
	line, points, err := plotter.NewLinePoints(xy)
	if err != nil {
		return err
	}
	line.Color, points.Color = color.RGBA{0, 114, 178, 255}, color.RGBA{0, 114, 178, 255}
	proportion := plotter.NewFunction(func(x float64) float64 { return x * curve[0].seconds / curve[0].x })
	proportion.Color, proportion.Dashes = color.Gray{150}, []vg.Length{vg.Points(6), vg.Points(3)}
	p.Add(proportion, line, points)
	p.Legend.Add("measured", line, points)
	p.Legend.Add("in proportion to the first", proportion)
	p.X.Max = curve[len(curve)-1].x
	return p.Save(5*vg.Inch, 3*vg.Inch, path)
}
