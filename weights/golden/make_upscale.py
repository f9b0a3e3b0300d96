"""Makes upscale.json: a picture made twice as large by a small network of generated weights, with diffusers' DDIMScheduler.

    python make_upscale.py

The noise is Philox4x32-10 (Salmon et al. 2011) and Box and Muller's, as the engine's kernels draw it, written anew here.
Everything runs in float64.
"""

import base64
import json
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DModel
from torch.nn import functional as F

from make_golden import OURS, fill, value
from make_schedulers import BETA, T, double

SIDE, FACTOR, STEPS, SEED = 16, 2, 4, 0x123456789
COUNTER = 1 << 30  # of the noise that an upscaling starts from
CONFIG = dict(OURS, sample_size=SIDE, in_channels=3 * FACTOR**2 + 3, out_channels=3 * FACTOR**2, block_out_channels=[16, 32],
              norm_num_groups=4, add_attention=False, down_block_types=["DownBlock2D"] * 2, up_block_types=["UpBlock2D"] * 2)


def philox(c, k):
    c, k = list(c), list(k)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [b >> 32 ^ c[1] ^ k[0], b & 0xFFFFFFFF, a >> 32 ^ c[3] ^ k[1], a & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def noise(channels):
    """[1, channels, SIDE, SIDE]: four channels of a pixel come of one counter."""
    z = np.empty((channels, SIDE * SIDE))
    for pixel in range(SIDE * SIDE):
        for c in range(0, channels, 4):
            words = philox((pixel, c // 4, COUNTER, 0), (SEED & 0xFFFFFFFF, SEED >> 32))
            u = [((w >> 8) + 0.5) / 2**24 for w in words]
            for i in (0, 2):
                r = np.sqrt(-2 * np.log(u[i])) * np.exp(2j * np.pi * u[i + 1])
                z[c + i, pixel], z[c + i + 1, pixel] = r.real, r.imag
    return torch.from_numpy(z).reshape(1, channels, SIDE, SIDE)


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    network = fill(UNet2DModel.from_config(CONFIG)).double()
    picture = np.floor((value("small", 3 * SIDE * SIDE).astype(np.float64) + 1) * 128).astype(np.uint8).reshape(SIDE, SIDE, 3)
    small = torch.from_numpy(picture).permute(2, 0, 1)[None].double() / 127.5 - 1
    repeated = F.pixel_unshuffle(F.interpolate(small, scale_factor=FACTOR, mode="nearest"), FACTOR)
    scheduler = double(DDIMScheduler(T, *BETA, prediction_type="sample", timestep_spacing="trailing"))
    scheduler.set_timesteps(STEPS)
    z = noise(CONFIG["out_channels"])
    for t in scheduler.timesteps:
        x0 = network(torch.cat([z, small], 1), t).sample + repeated
        z = scheduler.step(x0, t, z, use_clipped_model_output=True).prev_sample
    large = ((F.pixel_shuffle(z, FACTOR).clamp(-1, 1) + 1) * 127.5).round()[0].permute(1, 2, 0).to(torch.uint8).numpy()
    inside = ((large > 0) & (large < 255)).mean()
    print(f"timesteps {scheduler.timesteps.tolist()}, {inside:.0%} of the values are not clipped")
    Path(__file__).with_name("upscale.json").write_text(json.dumps(dict(
        config=CONFIG, factor=FACTOR, steps=STEPS, seed=SEED,
        small=base64.b64encode(picture.tobytes()).decode(), large=base64.b64encode(large.tobytes()).decode())) + "\n")


if __name__ == "__main__":
    main()
