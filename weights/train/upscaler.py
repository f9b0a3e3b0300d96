"""The upscaler: one more diffusion network, which makes pictures of 64x64 pixels four times as large.

It is SR3 (Saharia et al. 2021): the small picture is concatenated to z, the noised large one. Three things differ, all for
the sake of few steps and of drawings, whose areas are flat and whose edges are sharp:

- It works on pixel_unshuffle(picture, 4), [B, 48, 64, 64], where the small picture lies as it is: a step costs a
  sixteenth of what it would among the pixels.
- It predicts x0 itself (diffusers' "sample"), as its difference from the small picture with every pixel repeated 4x4
  times, and its loss is the absolute error (p = 1 in SR3's (6)), whose best answer at an undecided edge is one of the two
  colours and not their mean.
- Conditioning augmentation (Ho et al. 2021, cascaded diffusion, section 4): the small pictures of the training are made
  as mottled and as unsure of their lines as those of our networks (degrade), the large ones are not.

    python -m upscaler runs/upscale/export --data ../dataset/out/upscale --out grid.png [--picture sample.png ...]
"""

import argparse
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from diffusers import UNet2DModel
from PIL import Image
from torch.nn import functional as F

from data import about, records
from nets import GROUPS, IMAGE_SIZE, Network, alphas_cumprod

UPSCALE, FACTOR = "upscale", 4
LARGE_SIZE = FACTOR * IMAGE_SIZE
LARGE_LATENT = 3 * FACTOR**2
LARGE_WIDTHS = (48, 64, 96)
PART = LARGE_SIZE // 2  # side of what is cut out of a picture for a training step


class Upscaler(Network):
    """x0 [B, 48, h, w] of z [B, 48, h, w], t [B] and the small picture [B, 3, h, w] in [-1, 1]."""

    prediction_type = "sample"

    def __init__(self, widths=LARGE_WIDTHS, groups=GROUPS):
        torch.nn.Module.__init__(self)
        self.modality, self.tokenizer = UPSCALE, None
        self.unet = UNet2DModel(
            sample_size=IMAGE_SIZE, in_channels=LARGE_LATENT + 3, out_channels=LARGE_LATENT, block_out_channels=widths,
            layers_per_block=1, norm_num_groups=groups, down_block_types=("DownBlock2D",) * len(widths),
            up_block_types=("UpBlock2D",) * len(widths), add_attention=False)
        for p in self.unet.conv_out.parameters():  # it begins as the repeated small picture
            torch.nn.init.zeros_(p)

    def forward(self, z, t, small):
        return super().forward(z, t, small) + repeated(small)

    def facts(self):
        return {"modality": UPSCALE, "condition_channels": 3, "image_size": LARGE_SIZE, "pixel_unshuffle": FACTOR}


def repeated(small):
    """[B, 3, h, w] -> [B, 48, h, w]: every pixel 4x4 times, unshuffled."""
    return small.repeat_interleave(FACTOR**2, 1)


def bicubic(small):
    """[B, 3, h, w] -> [B, 48, h, w]: as image viewers enlarge them."""
    return F.pixel_unshuffle(F.interpolate(small, scale_factor=FACTOR, mode="bicubic"), FACTOR)


def to_large_z(pictures):
    """uint8 [B, H, W, 3] -> z [B, 48, H/4, W/4] in [-1, 1]."""
    return F.pixel_unshuffle(pictures.permute(0, 3, 1, 2).float() / 127.5 - 1, FACTOR)


def to_small(z):
    """z [B, 48, h, w] -> the small picture [B, 3, h, w], the average of each 4x4 pixels."""
    return z.unflatten(1, (3, FACTOR**2)).mean(2)


class LargeSplit:
    """pictures [N,256,256,3] and their seeds [N]."""

    validation = 64

    def __init__(self, folder):
        packed = os.path.join(folder, "packed.npy")
        self.seeds = np.array([r["seed"] for r in records(folder)])
        self.about = about(folder)
        if not os.path.exists(packed) or len(np.load(packed, mmap_mode="r")) != len(self.seeds):
            with ThreadPoolExecutor(4) as pool:
                pictures = list(pool.map(lambda seed: _read(os.path.join(folder, "pictures", f"{seed}.png")), self.seeds))
            temporary = packed + f".{os.getpid()}.npy"
            try:
                np.save(temporary, np.asarray(pictures))
                os.replace(temporary, packed)
            finally:
                if os.path.exists(temporary):
                    os.remove(temporary)
        self.pictures = np.load(packed, mmap_mode="r")
        self.trained = np.arange(len(self) - self.validation)

    def __len__(self):
        return len(self.pictures)

    def to(self, _):
        """Pictures of this size stay on the CPU."""
        return self

    def whole(self, batch):
        """How many pictures take as long as a batch of parts."""
        return max(1, batch * PART**2 // LARGE_SIZE**2)

    def examples(self, _, index, rng=None, part=False):
        """The pictures `index`, or a part of each, [B, 48, h, w], and the small ones: with rng as training varies them."""
        if not part:
            pictures = self.pictures[index]
        else:
            corners = FACTOR * rng.integers(0, (LARGE_SIZE - PART) // FACTOR + 1, (len(index), 2))
            pictures = np.stack([self.pictures[i, y : y + PART, x : x + PART] for i, (y, x) in zip(index, corners)])
        x = to_large_z(torch.from_numpy(pictures))
        small = to_small(x)
        # Validation too is on pictures such as the networks make, always the same.
        return x, degrade(small, rng or np.random.default_rng(int(index[0])))


def _read(path):
    image = Image.open(path).convert("RGB")
    if image.size != (LARGE_SIZE, LARGE_SIZE):
        raise ValueError(f"{path}: {image.size[0]}x{image.size[1]} pixels, want {LARGE_SIZE}x{LARGE_SIZE}")
    return np.asarray(image)


def degrade(small, rng):
    """Small pictures [B, 3, h, w] as networks draw them: lines beside their place, blurred, blotches in flat areas, noise."""
    return torch.stack([_degrade(x[None], rng)[0] for x in small]).clamp(-1, 1)


def _degrade(x, rng):
    h, w = x.shape[2:]

    def blotches(channels, cell):
        """N(0, 1) on a grid of cells, smooth between them: [1, channels, h, w]."""
        grid = torch.from_numpy(rng.standard_normal((1, channels, h // cell + 2, w // cell + 2), dtype=np.float32))
        return F.interpolate(grid, scale_factor=cell, mode="bicubic")[..., cell // 2 : cell // 2 + h, cell // 2 : cell // 2 + w]

    if rng.random() < 0.5:  # lines wander by up to a pixel or so
        y, x_ = torch.meshgrid(torch.arange(h) + 0.5, torch.arange(w) + 0.5, indexing="ij")
        flow = rng.uniform(0, 0.6) * blotches(2, int(rng.choice([3, 5, 8])))[0]
        at = torch.stack([(x_ + flow[0]) / w, (y + flow[1]) / h], -1)[None] * 2 - 1
        x = F.grid_sample(x, at, mode="bilinear", padding_mode="border", align_corners=False)
    if rng.random() < 0.5:
        k = np.exp(-np.arange(-2, 3) ** 2 / (2 * rng.uniform(0.3, 1.0) ** 2))
        k = torch.from_numpy((k / k.sum()).astype(np.float32))
        x = F.conv2d(F.pad(x, (2, 2, 2, 2), mode="replicate"), (k[:, None] * k).expand(3, 1, 5, 5), groups=3)
    for cell in (1, 2, 4, 8):
        strength = 0.12 * rng.random() ** 2
        # Half of it is light and shade, the same for all colours.
        x = x + strength * 0.7 * (blotches(1, cell) + blotches(3, cell))
    return x


@torch.no_grad()
def upscale(network, small, steps, seed=0):
    """Small pictures [B, 3, h, w] -> large ones [B, 48, h, w] by DDIM without noise (Song et al. 2021, (12)), at `steps` t
    in equal distances from T - 1 on ("trailing" in Lin et al. 2023, table 2)."""
    abar = alphas_cumprod()
    times = [round(len(abar) * (steps - i) / steps) - 1 for i in range(steps)]
    z = torch.randn(len(small), LARGE_LATENT, *small.shape[2:], generator=torch.Generator().manual_seed(seed))
    for t, following in zip(times, [*times[1:], None]):
        x0 = network(z, torch.full((len(small),), t), small).clamp(-1, 1)
        a, b = abar[t].item(), 1.0 if following is None else abar[following].item()
        eps = (z - a**0.5 * x0) / (1 - a) ** 0.5
        z = b**0.5 * x0 + (1 - b) ** 0.5 * eps
    return z


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("network", help="exported folder")
    p.add_argument("--data", required=True, help="folder of the split: its last pictures were held back")
    p.add_argument("--out", required=True, help="PNG: a row for the small pictures, one for each number of steps, one for the true ones")
    p.add_argument("--count", type=int, default=4, help="held-back pictures")
    p.add_argument("--picture", nargs="*", default=[], help="PNGs of 64x64 pixels, of which nothing larger is known")
    p.add_argument("--steps", type=int, nargs="+", default=[1, 4, 8])
    p.add_argument("--clean", action="store_true", help="do not degrade the small pictures")
    p.add_argument("--threads", type=int, default=0)
    a = p.parse_args()
    if a.threads:
        torch.set_num_threads(a.threads)
    if not 1 <= a.count <= LargeSplit.validation:
        p.error(f"--count {a.count}: want 1 to {LargeSplit.validation}, the others were trained on")
    network, split = Upscaler.load(a.network), LargeSplit(a.data)
    x = to_large_z(torch.from_numpy(split.pictures[-a.count :]))
    small = to_small(x) if a.clean else degrade(to_small(x), np.random.default_rng(0))
    own = [torch.from_numpy(np.array(Image.open(f).convert("RGB"))).permute(2, 0, 1) / 127.5 - 1 for f in a.picture]
    all_small = torch.cat([small, torch.stack(own)]) if own else small

    def row(z):
        return np.concatenate(list(to_large_pictures(z).numpy()), 1)

    def errors(z):
        d = (z[: a.count].clamp(-1, 1) - x) * 127.5
        return f"mean |error| {d.abs().mean():.2f} levels, PSNR {20 * np.log10(255 / d.square().mean().sqrt()):.2f} dB"

    rows = [row(repeated(all_small))]
    print("repeated:", errors(repeated(all_small)))
    print("bicubic:", errors(bicubic(all_small)))
    for steps in a.steps:
        z = upscale(network, all_small, steps)
        print(f"{steps} steps:", errors(z))
        rows.append(row(z))
    rows.append(row(torch.cat([x, repeated(all_small[a.count :])])))
    Image.fromarray(np.concatenate(rows, 0)).save(a.out)


def to_large_pictures(z):
    """z [B, 48, h, w] -> uint8 [B, 4h, 4w, 3]."""
    return ((F.pixel_shuffle(z, FACTOR).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1)


if __name__ == "__main__":
    main()
