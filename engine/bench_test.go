package engine

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine/sampler"
	"github.com/mcdm/mcdm/weights/dataset/examples"
)

// BenchmarkStep times one step of the shipped bundle on the adapter: all
// networks, merge, update, preview. One network alone is the baseline. Beside the
// time until a step is done stands that of each of many in a row, as a run has them.
func BenchmarkStep(b *testing.B) {
	m := shipped(b)
	list, err := examples.All()
	require.NoError(b, err)
	e := list[0]
	for _, c := range []struct {
		name string
		with Conditions
	}{
		{"networks=1", Conditions{}},
		{"networks=4", Conditions{Sketch: e.Sketch, Mask: e.Mask, Text: e.Caption}},
	} {
		for _, count := range []int{1, 4} {
			b.Run(fmt.Sprintf("%s/batch=%d", c.name, count), func(b *testing.B) {
				ctx := context.Background()
				steps, err := sampler.Options{}.StepsOf(m.schedule)
				require.NoError(b, err)
				nets, weights, err := m.choose(Request{Conditions: c.with}, steps)
				require.NoError(b, err)
				x, err := m.session(ctx, nets, m.square(count))
				require.NoError(b, err)
				require.NoError(b, m.encode(x, Request{Conditions: c.with}))
				params := stepParams(1)
				setStep(&params, m.diffusion.PredictionType, steps[0], weights[0], 1)
				run := func() {
					require.NoError(b, x.advance(ctx, &params, steps[0].T, weights[0]))
					require.NoError(b, x.loaded.Wait(ctx))
				}
				require.NoError(b, x.loaded.Write(x.params, params.Bytes()))
				require.NoError(b, x.loaded.Run(ctx, x.once, x.begin))
				run()
				b.ResetTimer()
				for range b.N {
					run()
				}
				b.StopTimer()
				start := time.Now()
				for range b.N {
					require.NoError(b, x.advance(ctx, &params, steps[0].T, weights[0]))
					require.NoError(b, x.loaded.Pace(ctx))
				}
				require.NoError(b, x.loaded.Wait(ctx))
				b.ReportMetric(float64(time.Since(start).Nanoseconds())/float64(b.N), "in-a-row-ns/op")
			})
		}
	}
}
