"""Writes configs.json and shapes.json.gz: the state dicts of diffusers' own networks.

configs.json holds the configs, as from_config takes them; shapes.json.gz the
name and shape of every tensor that diffusers makes of each. Run it with
diffusers 0.38: python make_golden.py
"""

import gzip
import json
import pathlib

import diffusers
import torch

ddpm = dict(
    _class_name="UNet2DModel", in_channels=3, out_channels=3, act_fn="silu", attention_head_dim=None,
    center_input_sample=False, downsample_padding=0, flip_sin_to_cos=False, freq_shift=1, layers_per_block=2,
    mid_block_scale_factor=1, norm_eps=1e-6, norm_num_groups=32, time_embedding_type="positional",
)
small = dict(
    _class_name="UNet2DModel", sample_size=32, in_channels=12, out_channels=12, block_out_channels=[64, 128, 192],
    layers_per_block=1, down_block_types=["DownBlock2D", "DownBlock2D", "AttnDownBlock2D"],
    up_block_types=["AttnUpBlock2D", "UpBlock2D", "UpBlock2D"], attention_head_dim=32,
)
text = dict(
    _class_name="UNet2DConditionModel", sample_size=32, in_channels=12, out_channels=12,
    block_out_channels=[64, 128, 192], layers_per_block=1,
    down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    attention_head_dim=4, cross_attention_dim=128,
)
configs = {
    "google/ddpm-cifar10-32": dict(
        ddpm, sample_size=32, block_out_channels=[128, 256, 256, 256],
        down_block_types=["DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"],
        up_block_types=["UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
    ),
    "google/ddpm-celebahq-256": dict(
        ddpm, sample_size=256, block_out_channels=[128, 128, 256, 256, 512, 512],
        down_block_types=["DownBlock2D"] * 4 + ["AttnDownBlock2D", "DownBlock2D"],
        up_block_types=["UpBlock2D", "AttnUpBlock2D"] + ["UpBlock2D"] * 4,
    ),
    "unconditional": small,
    "mask, scale_shift": dict(small, in_channels=56, resnet_time_scale_shift="scale_shift"),
    "scale_shift, attn_norm_num_groups": dict(
        small, resnet_time_scale_shift="scale_shift", attn_norm_num_groups=16, mid_block_scale_factor=1.5,
        time_embedding_dim=96, sample_size=[24, 32],
    ),
    "no attention in the middle": dict(small, add_attention=False, norm_num_groups=8),
    "no middle": dict(small, mid_block_type=None),
    "one level": dict(
        _class_name="UNet2DModel", block_out_channels=[32], layers_per_block=3,
        down_block_types=["AttnDownBlock2D"], up_block_types=["AttnUpBlock2D"], norm_num_groups=4,
    ),
    "text": text,
    "text, linear projection, lists": dict(
        text, use_linear_projection=True, attention_head_dim=[2, 4, 8], layers_per_block=[1, 2, 3],
        transformer_layers_per_block=[1, 2, 3], conv_in_kernel=1, resnet_time_scale_shift="scale_shift",
    ),
    "text, every block type": dict(
        text, block_out_channels=[32, 64, 64, 96], sample_size=None,
        down_block_types=["AttnDownBlock2D", "CrossAttnDownBlock2D", "AttnDownBlock2D", "DownBlock2D"],
        up_block_types=["UpBlock2D", "AttnUpBlock2D", "CrossAttnUpBlock2D", "AttnUpBlock2D"],
        transformer_layers_per_block=[[1], [2], [1], [1]], reverse_transformer_layers_per_block=[[1, 1], [1, 1], [1, 2], [1, 1]],
        mid_block_type="UNetMidBlock2D",
    ),
    "text, no middle": dict(text, mid_block_type=None, cross_attention_dim=[96, 96, 96]),
    "defaults": dict(_class_name="UNet2DModel"),
    "text, defaults": dict(_class_name="UNet2DConditionModel"),
}

here = pathlib.Path(__file__).parent
shapes = {}
for name, config in configs.items():
    with torch.device("meta"):
        net = getattr(diffusers, config["_class_name"]).from_config(dict(config))
    shapes[name] = {k: list(v.shape) for k, v in net.state_dict().items()}


def dump(table):
    lines = [f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in table.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


(here / "configs.json").write_text(dump(configs))
(here / "shapes.json.gz").write_bytes(gzip.compress(dump(shapes).encode(), mtime=0))
