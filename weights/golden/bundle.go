package golden

import (
	"fmt"

	"github.com/mcdm/mcdm/weights/bundle"
	"github.com/mcdm/mcdm/weights/pack"
	"github.com/mcdm/mcdm/weights/unet"
)

// Bundle makes the files of a bundle of small random networks for pictures of
// side x side pixels, a multiple of 16: unconditional, sketch, mask with two
// labels, and colour on a grid of 4.
func Bundle(side int) (pack.Files, error) {
	m := bundle.Manifest{
		Name: "tiny", DType: "f32",
		Diffusion: bundle.Diffusion{
			ImageSize: side, Channels: 3, PixelRange: [2]float64{-1, 1}, PixelUnshuffle: 2, PredictionType: bundle.Epsilon,
			Schedule: bundle.Schedule{Name: "linear", T: 1000, BetaStart: 1e-4, BetaEnd: .02},
		},
	}
	m.Networks = []bundle.Network{
		{Name: "none"}, {Name: "sketch", ConditionChannels: 4},
		{Name: "mask", ConditionChannels: 8, Labels: []bundle.Label{{Name: "background", Color: "#000000"}, {Name: "hair", Color: "#ff0000"}}},
		{Name: "colour", ConditionChannels: 4, Grid: 4},
	}
	tensors := map[string][]bundle.Tensor{}
	for i := range m.Networks {
		n := &m.Networks[i]
		n.Modality = n.Name
		n.Config = fmt.Appendf(nil, `{"_class_name":"UNet2DModel","sample_size":%d,"in_channels":%d,"out_channels":12,
			"block_out_channels":[16,32],"layers_per_block":1,"norm_num_groups":4,"attention_head_dim":8,
			"down_block_types":["DownBlock2D","AttnDownBlock2D"],"up_block_types":["AttnUpBlock2D","UpBlock2D"]}`, side/2, 12+n.ConditionChannels)
		var err error
		if n.UNet, err = unet.Parse(n.Config); err != nil {
			return nil, err
		}
		for name, shape := range n.UNet.Tensors() {
			w, err := pack.Quantize(name, shape, Weight(n.Name+name, shape), m.DType)
			if err != nil {
				return nil, err
			}
			tensors[n.Name] = append(tensors[n.Name], w)
		}
	}
	return pack.Encode(&m, tensors)
}
