package nn_test

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine/nn"
	"github.com/mcdm/mcdm/engine/record"
	"github.com/mcdm/mcdm/shaders"
	"github.com/mcdm/mcdm/weights/bundle"
	"github.com/mcdm/mcdm/weights/golden"
	"github.com/mcdm/mcdm/weights/unet"
)

// Networks evaluated together, in any order and one of them twice, say what
// each says alone, wherever they say it.
func TestStackIsItsNetworks(t *testing.T) {
	dev, err := openGPU()
	require.NoError(t, err)
	ctx := context.Background()
	for dtype, adjoining := range map[string]bool{"f32": true, "int8": false} {
		m := record.GPU(dev)
		var nets []nn.Network
		for _, name := range []string{"sketch", "mask", "text"} {
			c, err := golden.Load(name)
			require.NoError(t, err)
			config, err := unet.Parse(c.Config)
			require.NoError(t, err)
			nets = append(nets, nn.Network{Config: config, Source: source(t, c.Weight, config.Tensors(), dtype)})
			require.True(t, nn.Alike(nets[0].Config, config), name)
		}
		const n, side, length, latent = 2, 16, 8, 12
		evaluate := func(nets []nn.Network, members ...int) [][]byte {
			stack := nn.NewStack(m, nets...)
			var plan record.Plan
			once, step := plan.Program("once"), plan.Program("step")
			in := nn.Inputs{Z: plan.Keep("z", n, side, side, latent), T: plan.Keep("t", len(members)*n, 1, 1, 1)}
			write := map[shaders.Buffer]func(record.Loaded) error{}
			fill := func(t shaders.Tensor, name string) shaders.Tensor {
				write[t.Buffer] = func(l record.Loaded) error {
					return l.Write(t, lastRows(golden.Values(name, t.N*t.H*t.W*t.C), t))
				}
				return t
			}
			fill(in.Z, "z")
			eps := plan.Keep("eps", len(members)*n, side, side, latent)
			size := eps.Size() / len(members)
			eps.N = n
			for i, k := range members {
				config := nets[k].Config
				e := nn.Member{Network: k, Eps: eps}
				if e.Eps.Offset += i * size; !adjoining {
					e.Eps = plan.Keep("eps", n, side, side, latent)
				}
				if c := config.InChannels - latent; c > 0 {
					e.Cond = fill(plan.Keep("cond", n, side, side, c), "cond")
				}
				if d := config.CrossAttentionDim; d > 0 {
					e.Context = fill(plan.Keep("context", n, 1, length, d), "context")
				}
				in.Members = append(in.Members, e)
			}
			require.NoError(t, stack.Record(&plan, once, step, in))
			outs := 0
			for _, d := range step.Dispatches {
				if d.Label == "conv_out" {
					outs++
				}
			}
			assert.Equal(t, len(members) == 1 || adjoining, outs == 1, "launches")
			for k, n := range nets {
				putAll(t, n.Source, n.Config.Tensors(), func(x bundle.Tensor) error { return stack.Put(k, x) })
			}
			l, err := m.Load(ctx, &plan, nil)
			require.NoError(t, err)
			defer l.Release()
			for _, w := range write {
				require.NoError(t, w(l))
			}
			var ts []float32
			for range members {
				ts = append(ts, 17, 801)
			}
			require.NoError(t, l.Write(in.T, rows(ts, in.T)))
			if len(once.Dispatches) > 0 {
				require.NoError(t, l.Run(ctx, once))
			}
			require.NoError(t, l.Run(ctx, step))
			return readEps(t, l, in)
		}
		together := []int{2, 0, 1, 2}
		got := evaluate(nets, together...)
		for i, k := range together {
			alone := evaluate(nets[k:k+1], 0)[0]
			assert.Equal(t, alone, got[i], "%s: network %d as member %d", dtype, k, i)
		}
		assert.Equal(t, got[0], got[3])
		assert.NotEqual(t, got[0], got[1])
		v := channelsFirst(got[1], shaders.Tensor{N: n, H: side, W: side, C: latent})
		assert.False(t, math.IsNaN(float64(v[0])))
		m.Release()
	}
}

// readEps returns what each member predicted.
func readEps(t *testing.T, l record.Loaded, in nn.Inputs) (out [][]byte) {
	for _, e := range in.Members {
		b, err := l.Read(context.Background(), e.Eps)
		require.NoError(t, err)
		out = append(out, b)
	}
	return out
}

// Networks whose samples lie where they cannot be bound apart say together, too, what each
// says alone.
func TestStackOfOddSizes(t *testing.T) {
	dev, err := openGPU()
	require.NoError(t, err)
	m := record.GPU(dev)
	defer m.Release()
	ctx := context.Background()
	c, err := golden.Load("odd-channels")
	require.NoError(t, err)
	config, err := unet.Parse(c.Config)
	require.NoError(t, err)
	var nets []nn.Network
	for _, name := range []string{"one ", "two "} {
		weight := func(tensor string, shape []int) []float32 { return golden.Weight(name+tensor, shape) }
		nets = append(nets, nn.Network{Config: config, Source: source(t, weight, config.Tensors(), "f32")})
	}
	evaluate := func(nets ...nn.Network) [][]byte {
		stack := nn.NewStack(m, nets...)
		var plan record.Plan
		once, step := plan.Program("once"), plan.Program("step")
		in := nn.Inputs{Z: plan.Keep("z", 1, c.Height, c.Width, config.InChannels), T: plan.Keep("t", len(nets), 1, 1, 1)}
		for i := range nets {
			in.Members = append(in.Members, nn.Member{Network: i, Eps: plan.Keep("eps", 1, c.Height, c.Width, config.OutChannels)})
		}
		require.NoError(t, stack.Record(&plan, once, step, in))
		for i, n := range nets {
			putAll(t, n.Source, config.Tensors(), func(x bundle.Tensor) error { return stack.Put(i, x) })
		}
		l, err := m.Load(ctx, &plan, nil)
		require.NoError(t, err)
		defer l.Release()
		require.NoError(t, l.Write(in.Z, lastRows(golden.Values("z", c.Height*c.Width*config.InChannels), in.Z)))
		require.NoError(t, l.Write(in.T, rows([]float32{801, 801}[:len(nets)], in.T)))
		require.NoError(t, l.Run(ctx, step))
		return readEps(t, l, in)
	}
	both := evaluate(nets...)
	for i := range nets {
		assert.Equal(t, evaluate(nets[i])[0], both[i], "network %d", i)
	}
	assert.NotEqual(t, both[0], both[1])
}

// What a network consumes and how it attends may differ; its layers may not.
func TestAlike(t *testing.T) {
	config := func(name string) *unet.Config {
		c, err := golden.Load(name)
		require.NoError(t, err)
		config, err := unet.Parse(c.Config)
		require.NoError(t, err)
		return config
	}
	assert.True(t, nn.Alike(config("text"), config("sketch")))
	assert.False(t, nn.Alike(config("sketch"), config("no-attention")))
	wider := config("mask")
	wider.Up[0].Resnets[0].Out++
	assert.False(t, nn.Alike(config("sketch"), wider))
}
