"""Samples from one or several exported networks, merged, on held-out conditions; writes a grid of pictures.

    python -m sample runs/none/export runs/mask/export runs/text/export --data ../dataset/out/test --out grid.png

Several networks are merged by eps_c = eps_0 + sum_i w_i (eps_i - eps_0), (12) of the paper, which needs the
unconditional one among them. DDIM (Song et al. 2021, eta between 0 and 1), x0 clipped after the merge. Columns are
held-out pictures; rows: the picture, its conditions, the samples.
"""

import argparse
import textwrap

import numpy as np
import torch
from PIL import Image, ImageDraw

from data import Split, cells
from nets import COLOUR_GRID, IMAGE_SIZE, JOINT, JOINT_SPATIAL, LATENT, UNSHUFFLE, Network, alphas_cumprod, move, to_pictures

# Colours of the labels, for looking at masks; what is not labelled is white.
PALETTE = np.full((256, 3), 255, np.uint8)
PALETTE[:11] = [(238, 238, 238), (240, 190, 150), (110, 70, 40), (60, 40, 20), (40, 90, 200), (220, 130, 100),
                (200, 40, 60), (30, 30, 30), (150, 100, 60), (250, 200, 30), (150, 60, 200)]


def merge(networks, weights, conditions):
    """(12) as one function (z, t) -> v. Weights that sum to 1 merge v as they merge eps, which is linear in v."""
    base = next((n for n in networks if n.modality == "none"), None)
    others = [n for n in networks if n is not base]
    if base is None and len(networks) != 1:
        raise ValueError("merging several networks needs the unconditional one among them")
    if base is None:
        base, others = networks[0], []

    def merged(z, t):
        v0 = base(z, t, conditions.get(base.modality))
        v = v0
        for n in others:
            v = v + weights.get(n.modality, 1.0) * (n(z, t, conditions[n.modality]) - v0)
        return v

    return merged


@torch.no_grad()
def ddim(predict_v, n, steps, eta=0.0, seed=0, device="cpu"):
    """z_0 [n, 12, 32, 32] after `steps` evenly spaced t, 999 and 0 included."""
    generator = torch.Generator().manual_seed(seed)
    size = IMAGE_SIZE // UNSHUFFLE

    def noise():
        return torch.randn(n, LATENT, size, size, generator=generator).to(device)

    abar = alphas_cumprod()
    times = np.linspace(len(abar) - 1, 0, steps).round().astype(int).tolist()
    z = noise()
    for i, t in enumerate(times):
        a = abar[t].item()
        b = abar[times[i + 1]].item() if i + 1 < steps else 1.0
        v = predict_v(z, torch.full((n,), t, device=device))
        x0 = (a**0.5 * z - (1 - a) ** 0.5 * v).clamp(-1, 1)
        e = (z - a**0.5 * x0) / (1 - a) ** 0.5  # what the clipped x0 means as noise
        sigma = eta * ((1 - b) / (1 - a) * (1 - a / b)) ** 0.5
        z = b**0.5 * x0 + max(0.0, 1 - b - sigma**2) ** 0.5 * e
        if sigma > 0:
            z = z + sigma * noise()
    return z


def write_text(text, width=IMAGE_SIZE * 2, height=96):
    """A text as a picture."""
    i = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(i).multiline_text((2, 2), "\n".join(textwrap.wrap(text, 22)), fill="black", spacing=1)
    return i


def weight(text):
    """MODALITY=W as a pair."""
    name, _, value = text.partition("=")
    return name, float(value)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("networks", nargs="+", help="exported folders")
    p.add_argument("--data", required=True, help="held-out split: a folder")
    p.add_argument("--out", required=True, help="PNG; the captions go beside it, to OUT.txt")
    p.add_argument("--first", type=int, default=0, help="number of the first held-out picture")
    p.add_argument("--count", type=int, default=8)
    p.add_argument("--samples", type=int, default=2, help="of each")
    p.add_argument("--steps", type=int, default=50)
    p.add_argument("--eta", type=float, default=1.0)
    p.add_argument("--weight", type=weight, action="append", default=[], metavar="MODALITY=W")
    p.add_argument("--threads", type=int, default=0)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    a = p.parse_args()
    if a.threads:
        torch.set_num_threads(a.threads)
    weights = dict(a.weight)
    networks = [Network.load(f).to(a.device) for f in a.networks]
    given = [n.modality for n in networks if n.modality != "none"]
    if unknown := weights.keys() - given:
        p.error(f"--weight {', '.join(sorted(unknown))}: want some of {', '.join(given)}")
    split = Split(a.data)
    index = np.arange(a.first, a.first + a.count)
    shown = {n.modality for n in networks}
    if JOINT in shown:
        shown |= {*JOINT_SPATIAL, "text"}

    # .png files so that a condition can be given to another program as it is.
    def strip(images, name):
        row = np.concatenate(list(images), 1)
        Image.fromarray(row).save(a.out.removesuffix(".png") + f".{name}.png")
        return row

    rows = [strip(split.pictures[index], "pictures")]
    if "sketch" in shown:
        rows.append(strip(np.repeat(255 - split.ink[index][..., None], 3, -1), "sketches"))
    if "mask" in shown:
        rows.append(strip(PALETTE[split.masks[index]], "masks"))
    if "colour" in shown:
        means = ((cells(split.pictures[index]).mean(3) + 1) * 127.5).round().byte().numpy()
        repeat = IMAGE_SIZE // COLOUR_GRID
        rows.append(strip(means.repeat(repeat, 1).repeat(repeat, 2), "colours"))
    with open(a.out + ".txt", "w", encoding="utf-8") as f:
        f.writelines(f"{split.seeds[i]}\t{split.captions[i]}\n" for i in index)
    for s in range(a.samples):
        conditions = {}
        for n in networks:
            conditions[n.modality] = move(split.condition(n.modality, index, n.tokenizer), a.device)
        z = ddim(merge(networks, weights, conditions), a.count, a.steps, a.eta, a.seed + s, a.device)
        rows.append(np.concatenate(list(to_pictures(z).cpu().numpy()), 1))

    grid = Image.fromarray(np.concatenate(rows, 0))
    grid = grid.resize((grid.width * 2, grid.height * 2), Image.LANCZOS)
    if "text" in shown:
        taller = Image.new("RGB", (grid.width, grid.height + 96), "white")
        taller.paste(grid, (0, 0))
        for i, k in enumerate(index):
            taller.paste(write_text(split.captions[k]), (i * IMAGE_SIZE * 2, grid.height))
        grid = taller
    grid.save(a.out)


if __name__ == "__main__":
    main()
