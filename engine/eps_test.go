package engine

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/weights/bundle"
)

// What Eps merges is (12) of what it says of each network.
func TestEpsMerges(t *testing.T) {
	sketch, mask := drawing()
	ctx := context.Background()
	weights := map[string]float64{"sketch": .7, "mask": -.4, "colour": 1.2}
	for where, machine := range machines(t) {
		m := load(t, machine)
		for _, prediction := range []string{bundle.Epsilon, bundle.Velocity} {
			m.diffusion.PredictionType = prediction
			in := inputs(400, [][]float64{noise(0), noise(1)}, sketch, mask)
			_, plain, err := m.Eps(ctx, in)
			require.NoError(t, err)
			in.Weights = weights
			nets, merged, err := m.Eps(ctx, in)
			require.NoError(t, err)
			require.Len(t, nets, 4)
			require.Len(t, merged, len(in.Sample))
			for i, got := range merged {
				none := float64(nets["none"][i])
				want, ones := none, none
				for name, w := range weights {
					pull := float64(nets[name][i]) - none
					want, ones = want+w*pull, ones+pull
				}
				require.InDelta(t, want, got, 1e-5, "%s %s value %d", where, prediction, i)
				require.InDelta(t, ones, plain[i], 1e-5, "%s %s value %d with weights 1", where, prediction, i)
			}
			in.MergedOnly = true
			nets, only, err := m.Eps(ctx, in)
			require.NoError(t, err)
			assert.Empty(t, nets)
			assert.Equal(t, merged, only)
		}
	}
}

func TestEpsRefusals(t *testing.T) {
	sketch, mask := drawing()
	m := load(t, record.CPU())
	refuse := func(want string, change func(*EpsInput)) {
		t.Helper()
		in := inputs(999, [][]float64{noise(0), noise(1)}, sketch, mask)
		change(&in)
		_, _, err := m.Eps(context.Background(), in)
		assert.ErrorContains(t, err, want)
	}
	refuse(`weight voice=1: the bundle has no network "voice"`, func(in *EpsInput) { in.Weights = map[string]float64{"voice": 1} })
	refuse("weight sketch=NaN: want a number from -100 to 100", func(in *EpsInput) { in.Weights = map[string]float64{"sketch": math.NaN()} })
	refuse("sample has 1535 values: want [2, 12, 8, 8]", func(in *EpsInput) { in.Sample = in.Sample[1:] })
	refuse("sample has 1536 values: want [0, 12, 8, 8]", func(in *EpsInput) { in.Batch = 0 })
	refuse("timestep has 1 values: want one for each of the 2 samples", func(in *EpsInput) { in.Timestep = in.Timestep[1:] })
	for _, wrong := range []float32{-1, 1000, .5, float32(math.NaN())} {
		refuse("want a whole number from 0 to 999", func(in *EpsInput) { in.Timestep[1] = wrong })
	}
	refuse("cond.mask has 0 values: want [2, 8, 8, 8]", func(in *EpsInput) { delete(in.Cond, "mask") })
	refuse("cond.none has 1 values: want [2, 0, 8, 8]", func(in *EpsInput) { in.Cond["none"] = []float32{0} })
	refuse("encoder_hidden_states.sketch has 1 values: want [2, 0, 0]", func(in *EpsInput) { in.Context = map[string][]float32{"sketch": {0}} })
	refuse("a grid of 7x8: network none wants multiples of 2 (2 levels)", func(in *EpsInput) {
		in.Height, in.Sample = 7, in.Sample[:2*12*7*8]
	})
	for _, n := range m.networks { // 7 rows become 3 and would have to come back as 7
		n.config.FitUpsample, n.config.Down[0].Downsample.Padding = true, 0
	}
	refuse("down_blocks.0.downsamplers.0: an odd grid, 7x8, with downsample_padding 0: not supported", func(in *EpsInput) {
		in.Height, in.Sample, in.Cond = 7, in.Sample[:2*12*7*8], map[string][]float32{
			"sketch": make([]float32, 2*4*7*8), "mask": make([]float32, 2*8*7*8), "colour": make([]float32, 2*4*7*8),
		}
	})
	attends := *m.networks[1].config
	attends.CrossAttentionDim = 24
	m.networks[1].config = &attends
	refuse("encoder_hidden_states.sketch is missing", func(in *EpsInput) {})
	refuse("encoder_hidden_states.sketch has 5 values: want [2, 3, 24]", func(in *EpsInput) {
		in.ContextLength, in.Context = 3, map[string][]float32{"sketch": make([]float32, 5)}
	})
	m.networks = m.networks[1:2]
	refuse("the bundle has one network, and nothing to merge it with", func(in *EpsInput) { in.Weights = map[string]float64{"sketch": 1} })
}
