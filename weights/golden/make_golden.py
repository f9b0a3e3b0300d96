"""Makes the golden files: what diffusers computes for networks whose weights Python and Go both generate from a seed.

    python make_golden.py [NAME ...]
    python make_golden.py --export DIR [--dtype f16] NAME     a case as the folder that save_pretrained writes

Every parameter and input is value(name, i), so that only a few outputs need to be stored. The reference runs in float64;
the printed difference to diffusers' own float32 says how far a correct float32 implementation may be off.
"""

import argparse
import base64
import json
import sys
from pathlib import Path

import numpy as np
import torch
from diffusers import UNet2DConditionModel, UNet2DModel
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parent.parent / "train"))
from text_encoder import TextEncoder  # noqa: E402

CIFAR = dict(_class_name="UNet2DModel", act_fn="silu", attention_head_dim=None, block_out_channels=[128, 256, 256, 256],
             center_input_sample=False, down_block_types=["DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"],
             downsample_padding=0, flip_sin_to_cos=False, freq_shift=1, in_channels=3, layers_per_block=2,
             mid_block_scale_factor=1, norm_eps=1e-6, norm_num_groups=32, out_channels=3, sample_size=32,
             time_embedding_type="positional", up_block_types=["UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"])
CELEBA = dict(CIFAR, block_out_channels=[128, 128, 256, 256, 512, 512], sample_size=256,
              down_block_types=["DownBlock2D"] * 4 + ["AttnDownBlock2D", "DownBlock2D"],
              up_block_types=["UpBlock2D", "AttnUpBlock2D"] + ["UpBlock2D"] * 4)
OURS = dict(_class_name="UNet2DModel", sample_size=32, in_channels=12, out_channels=12, block_out_channels=[64, 128, 192],
            layers_per_block=1, norm_num_groups=8, attention_head_dim=32,
            down_block_types=["DownBlock2D", "DownBlock2D", "AttnDownBlock2D"],
            up_block_types=["AttnUpBlock2D", "UpBlock2D", "UpBlock2D"])
TEXT = dict(_class_name="UNet2DConditionModel", sample_size=32, in_channels=12, out_channels=12,
            block_out_channels=[64, 128, 192], layers_per_block=1, norm_num_groups=8, attention_head_dim=4,
            cross_attention_dim=128, down_block_types=["DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"],
            mid_block_type="UNetMidBlock2DCrossAttn", up_block_types=["CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"])

# name: config, height, width, timesteps (one per sample), and for some the outlier of weight()
CASES = {
    "ddpm-cifar10-32": (CIFAR, 32, 32, [417]),
    "ddpm-celebahq-256": (CELEBA, 256, 256, [731]),
    "sketch": (dict(OURS, in_channels=16), 32, 32, [999, 3]),
    "mask": (dict(OURS, in_channels=56), 32, 32, [250]),
    "text": (TEXT, 32, 32, [640, 1]),
    "upscale": (dict(OURS, sample_size=64, in_channels=51, out_channels=48, block_out_channels=[48, 64, 96], add_attention=False,
                     down_block_types=["DownBlock2D"] * 3, up_block_types=["UpBlock2D"] * 3), 20, 28, [999, 249]),
    "scale-shift": (dict(OURS, sample_size=[20, 12], in_channels=5, out_channels=3, block_out_channels=[24, 40],
                         norm_num_groups=4, attention_head_dim=8, resnet_time_scale_shift="scale_shift",
                         layers_per_block=2, down_block_types=["AttnDownBlock2D", "DownBlock2D"],
                         up_block_types=["UpBlock2D", "AttnUpBlock2D"]), 20, 12, [0, 500, 999]),
    "middle": (dict(OURS, sample_size=16, in_channels=4, out_channels=4, block_out_channels=[32, 32, 48], norm_num_groups=16,
                    mid_block_scale_factor=1.4142135, norm_eps=1e-4, downsample_padding=0, attention_head_dim=16,
                    flip_sin_to_cos=False, freq_shift=1), 16, 16, [77]),
    "no-attention": (dict(OURS, sample_size=8, in_channels=3, out_channels=6, block_out_channels=[16, 48], norm_num_groups=8,
                          add_attention=False, down_block_types=["DownBlock2D", "DownBlock2D"],
                          up_block_types=["UpBlock2D", "UpBlock2D"]), 8, 16, [311]),
    "cross-linear": (dict(TEXT, sample_size=14, in_channels=4, out_channels=4, block_out_channels=[32, 64, 96],
                          norm_num_groups=8, attention_head_dim=[2, 4, 3], cross_attention_dim=40, layers_per_block=[2, 1, 2],
                          transformer_layers_per_block=2, use_linear_projection=True, flip_sin_to_cos=False, freq_shift=1,
                          resnet_time_scale_shift="scale_shift",
                          down_block_types=["CrossAttnDownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"],
                          up_block_types=["CrossAttnUpBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"]), 14, 24, [59]),
    "ddpm-celebahq-256-at-64": (CELEBA, 64, 64, [999]),  # all its layers, a sixteenth of its arithmetic
    # A grid that halving does not divide: 13x9, 7x5, 4x3, 2x2 (diffusers' AttnUpBlock2D cannot, so it comes last).
    "every-block": (dict(TEXT, sample_size=None, block_out_channels=[32, 64, 64, 96], layers_per_block=[1, 1, 2, 1],
                         cross_attention_dim=40, mid_block_type="UNetMidBlock2D", conv_in_kernel=1, norm_eps=0.01,
                         transformer_layers_per_block=[1, 2, 1, 1],
                         down_block_types=["AttnDownBlock2D", "CrossAttnDownBlock2D", "AttnDownBlock2D", "DownBlock2D"],
                         up_block_types=["CrossAttnUpBlock2D", "UpBlock2D", "CrossAttnUpBlock2D", "AttnUpBlock2D"]),
                    13, 9, [640], 2),
    # Groups straddle h and skip: 16 channels to a group, the skip begins at 40 and at 24.
    "odd-channels": (dict(OURS, sample_size=[10, 14], in_channels=3, out_channels=6, block_out_channels=[24, 40],
                          norm_num_groups=4, attn_norm_num_groups=5, attention_head_dim=8, time_embedding_dim=52,
                          freq_shift=1, norm_eps=0.01, down_block_types=["AttnDownBlock2D", "AttnDownBlock2D"],
                          up_block_types=["AttnUpBlock2D", "AttnUpBlock2D"]), 10, 14, [999, 0, 500], 2),
    "one-level": (dict(OURS, sample_size=[9, 7], in_channels=1, out_channels=2, block_out_channels=[32],
                       layers_per_block=3, norm_num_groups=4, mid_block_type=None, attention_head_dim=None,
                       down_block_types=["AttnDownBlock2D"], up_block_types=["AttnUpBlock2D"]), 9, 7, [77], 16),
}
LENGTH = 32  # of encoder_hidden_states
KEEP = 2048  # outputs stored per case, evenly spaced


def value(name, n):
    """n numbers of [-1, 1) that depend on the name: the top 24 bits of splitmix64."""
    h = 0xCBF29CE484222325  # FNV-1a
    for b in name.encode():
        h = ((h ^ b) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    with np.errstate(over="ignore"):
        z = np.uint64(h) + (np.arange(1, n + 1, dtype=np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(40)).astype(np.float32) - np.float32(2**23)) / np.float32(2**23)


def weight(name, shape, outlier=1):
    """A parameter: matrices keep the variance of what passes, queries are larger so that softmax has to work; norms are
    near 1, biases small. An outlier, a power of two, multiplies every 16th row of queries and keys from the 6th on, so
    that some heads have very large logits."""
    u = value(name, int(np.prod(shape))).reshape(shape)
    if len(shape) > 1:
        query, key = "to_q" in name or "q_proj" in name, "to_k" in name or "k_proj" in name
        w = u * np.float32((2.5 if query else 1.0) * np.sqrt(3.0 / np.prod(shape[1:])))
        if query or key:
            w[5::16] *= np.float32(outlier)
        return w
    if name.endswith(".weight"):
        return np.float32(1) + np.float32(0.25) * u
    return np.float32(0.1) * u


def fill(module, outlier=1):
    with torch.no_grad():
        for name, p in module.named_parameters():
            p.copy_(torch.from_numpy(weight(name, tuple(p.shape), outlier)))
    return module.eval()


def encode(x):
    return base64.b64encode(np.asarray(x, np.float32).tobytes()).decode()


def unet(name):
    config, outlier = CASES[name][0], CASES[name][4:]
    cls = {"UNet2DModel": UNet2DModel, "UNet2DConditionModel": UNet2DConditionModel}[config["_class_name"]]
    return fill(cls.from_config(config), *outlier)


def run(name):
    config, h, w, ts, *outlier = CASES[name]
    model = unet(name)
    n = len(ts)
    x = torch.from_numpy(value("sample", n * config["in_channels"] * h * w).reshape(n, -1, h, w) * np.float32(1.7))
    t = torch.tensor(ts)
    extra = []
    if "cross_attention_dim" in config:
        extra = [torch.from_numpy(value("context", n * LENGTH * config["cross_attention_dim"]).reshape(n, LENGTH, -1))]
    with torch.no_grad():
        single = model(x, t, *extra).sample.double()
        model.double()
        y = model(x.double(), t, *[e.double() for e in extra]).sample
    rms = y.square().mean().sqrt()
    print(f"{name}: rms {rms:.3f}, float32 differs by {((single - y).square().mean().sqrt() / rms):.1e}", flush=True)
    flat = y.flatten().numpy()
    stride = max(1, len(flat) // KEEP)
    write(name, dict(config=config, height=h, width=w, timesteps=ts, context_length=LENGTH if extra else 0, stride=stride,
                     **({"outlier": outlier[0]} if outlier else {}), eps=encode(flat[::stride])))


def run_text(name, vocabulary, width, length, layers, heads):
    model = TextEncoder(vocabulary, width, num_hidden_layers=layers, num_attention_heads=heads, max_position_embeddings=length)
    fill(model)
    ids = ((value("tokens", 3 * length).reshape(3, length) + 1) / 2 * vocabulary).astype(np.int64)
    ids[2] = 0
    with torch.no_grad():
        y = model.double()(torch.from_numpy(ids)).flatten().numpy()
    stride = max(1, len(y) // KEEP)
    write(name, dict(config=model.config if isinstance(model.config, dict) else vars(model.config), tokens=ids.tolist(),
                     stride=stride, hidden=encode(y[::stride])))
    print(f"{name}: rms {np.sqrt(np.mean(y ** 2)):.3f}", flush=True)


def write(name, case):
    path = Path(__file__).parent / "cases" / f"{name}.json"
    path.write_text(json.dumps(dict(name=name, **case)) + "\n")


def export(name, folder, dtype):
    """config.json as in the case, not completed by diffusers, and the weights."""
    model = unet(name).to({"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[dtype])
    Path(folder).mkdir(parents=True, exist_ok=True)
    (Path(folder) / "config.json").write_text(json.dumps(CASES[name][0], indent=2) + "\n")
    save_file({k: v.contiguous() for k, v in model.state_dict().items()},
              Path(folder) / "diffusion_pytorch_model.safetensors", metadata={"format": "pt"})


def main():
    p = argparse.ArgumentParser()
    p.add_argument("names", nargs="*", metavar="NAME")
    p.add_argument("--export", metavar="DIR")
    p.add_argument("--dtype", choices=["f32", "f16", "bf16"], default="f32")
    a = p.parse_args()
    torch.set_num_threads(1)
    if a.export:
        if len(a.names) != 1:
            p.error("--export takes the name of one case")
        return export(a.names[0], a.export, a.dtype)
    for name in a.names or CASES:
        if name in CASES:
            run(name)
    if not a.names or "text-encoder" in a.names:
        run_text("text-encoder", 180, 128, 32, 3, 4)
        run_text("text-encoder-odd", 11, 20, 5, 2, 5)


if __name__ == "__main__":
    main()
