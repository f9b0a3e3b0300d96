"""Figures of networks trained on photos: aggregates only, since neither photos nor what shows them are ours to pass on.

    python -m faces --data ../train/faces --runs ../train/runs/faces --out ../train/runs/faces/report.md

DATA is what weights/cmd/photos makes, RUNS has a run of train.py for each network. Held-out photos' sketches, parts and
sentences are merged with weights 1, (12) of the paper. How near pictures come to photos that were trained on is told with a ratio
as in Carlini et al. 2023, "Extracting training data from diffusion models", section 5: the distance to the nearest of all trained
photos by the mean distance to the next 50. Smooth pictures are near to all photos, but what was learnt by heart is much nearer to
one than to the others: its ratio is near 0. Held-out photos, which no network can know, have the ratio to compare with.
"""

import argparse
import csv
import functools
import os
import sys

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "train"))
from data import Split, cells  # noqa: E402
from nets import Network, to_pictures  # noqa: E402
from sample import ddim, merge  # noqa: E402

from metrics import edge_counts, edge_f1, edges, kernel_distance, lines  # noqa: E402

NETWORKS = ("none", "sketch", "mask", "text")
SHUFFLED = "held-out photos, shuffled sketches (floor)"
NEXT = 50  # photos after the nearest that its distance is compared with


def nearest(pictures, known):
    """Root mean square distances, levels of 255, from each of [N,64,64,3] to the nearest NEXT + 1 of [M,64,64,3], each mirrored or
    not, whichever is nearer; the nearest first: [N, at most NEXT+1]."""
    def flat(x):
        return torch.from_numpy(np.asarray(x, np.float32).reshape(len(x), -1))

    a, parts = flat(pictures), np.array_split(np.asarray(known), max(1, len(known) // 1000))
    # By matrix products, which is the default, the distance of a copy came out as half a level.
    distance = functools.partial(torch.cdist, compute_mode="donot_use_mm_for_euclid_dist")
    d = torch.cat([torch.minimum(distance(a, flat(x)), distance(a, flat(x[:, :, ::-1]))) for x in parts], 1)
    return d.topk(min(NEXT + 1, d.shape[1]), largest=False).values.numpy() / np.sqrt(a.shape[1])


def colours(pictures):
    """Mean colours of 8x8 cells: [N,192] in -1..1."""
    return cells(np.asarray(pictures)).mean(3).reshape(len(pictures), -1).numpy()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", required=True)
    p.add_argument("--runs", required=True)
    p.add_argument("--out", required=True, help="Markdown")
    p.add_argument("--count", type=int, default=64, help="held-out photos")
    p.add_argument("--steps", type=int, default=50)
    a = p.parse_args()
    held = Split(os.path.join(a.data, "test"))
    splits = [Split(os.path.join(a.data, n)) for n in NETWORKS]
    trained = np.concatenate([np.asarray(s.pictures[: len(s) - s.validation]) for s in splits])
    networks = [Network.load(os.path.join(a.runs, n, "export")) for n in NETWORKS]
    index = np.arange(min(a.count, len(held) // 2))  # samples are compared with the others
    if not len(index):
        p.error(f"--count {a.count} of {len(held)} held-out photos: want 1 or more, and two photos or more")
    real = np.asarray(held.pictures[index])
    rest = colours(held.pictures[len(index):])

    def sample(networks):
        conditions = {n.modality: held.condition(n.modality, index, n.tokenizer) for n in networks}
        return to_pictures(ddim(merge(networks, {}, conditions), len(index), a.steps)).numpy()

    rows = {"held-out photos": real, SHUFFLED: real, "unconditional network": sample(networks[:1]), "sketch alone": sample(networks[1:2]),
            "merge of sketch, mask and text": sample(networks)}
    out = ["# Networks trained on photos", f"Terms of the photos: {held.about['terms']}.", "",
           "| network | pictures seen | validation |", "|---|---|---|"]
    for n in NETWORKS:
        with open(os.path.join(a.runs, n, "log.csv"), encoding="utf-8") as f:
            last = [r for r in csv.DictReader(f) if r["validation"]][-1]
        out.append(f"| {n} | {int(last['pictures']):,} | {float(last['validation']):.4f} |")
    out += ["", f"Of {len(index)} held-out photos, {a.steps} DDIM steps; {len(trained):,} photos were trained on.", "",
            f"| | edge F1 with the sketch | kernel distance of 8x8 colours to held-out photos | nearest trained photo, levels: median | least "
            f"| nearest by mean of the next {NEXT}: median | least |",
            "|---|---|---|---|---|---|---|"]
    drawn = lines(held.ink[index])
    for name, pictures in rows.items():
        wanted = np.roll(drawn, 1, 0) if name == SHUFFLED else drawn
        counts = sum(edge_counts(e, w) for e, w in zip(edges(pictures), wanted))
        f1 = "" if name.startswith("unconditional") else f"{edge_f1(counts):.2f}"
        near = nearest(pictures, trained)
        near, ratio = near[:, 0], near[:, 0] / near[:, 1:].mean(1)
        out.append(f"| {name} | {f1} | {float(kernel_distance(colours(pictures), rest)):.4f} | {np.median(near):.1f} | {near.min():.1f} "
                   f"| {np.median(ratio):.2f} | {ratio.min():.2f} |")
    text = "\n".join(out) + "\n"
    with open(a.out, "w", encoding="utf-8") as f:
        f.write(text)
    print(text)


if __name__ == "__main__":
    main()
