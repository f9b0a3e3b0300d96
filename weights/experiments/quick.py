"""Samplers, weights and windows compared in PyTorch: on a processor many times quicker than the engine on a software adapter.

    go run ../cmd/bundle export ../bundles/avatars --network none=cache/networks/none/export   # and so for sketch, mask and text
    python -m quick --data ../dataset/out --judge cache/judge.pt --networks cache/networks --sampler ddim ddpm --levels 10 20 50
    python -m quick ... --corrector 1 --size beta --sampler ddpm --levels 25
    python -m quick ... --weight text=1 text=2 text=3 --end mask=.8,text=.7 mask=.7,text=.6
    python -m quick ... --shift 2 --end mask=.8,text=.7 text=.7

NETWORKS/<modality>/export are the networks; not in weights/train/runs, whose exports `make import` takes for new runs. Every
combination of what is listed is one line: the same portraits and seeds, sampled from their sketch, parts and sentence, judged as
report.py judges. The rules are those of engine/sampler, x0 clipped after the merge, but with other noise.
"""

import argparse
import itertools
import math
import os
import sys

import numpy as np
import torch

from measure import Held, Seen, bounded, mean, paired
from metrics import spread

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "train"))
from nets import IMAGE_SIZE, LATENT, UNSHUFFLE, Network, alphas_cumprod, to_pictures  # noqa: E402

SAMPLERS = ("ddim", "ddpm", "dpmsolver++", "sde-dpmsolver++")
GIVEN = ("sketch", "mask", "text")
LANGEVIN = 0.2  # of 1 - abar, a corrector's step in engine/sampler unless it is of size beta


class Merge:
    """(12) of the paper over windows: x0 and eps of z at t, the share `way` of the steps being done."""

    def __init__(self, networks, conditions, weights, ends):  # the conditions are those that are given
        self.networks, self.conditions, self.weights, self.ends = networks, conditions, weights, ends
        self.abar = alphas_cumprod()
        self.evaluations = 0

    def __call__(self, z, t, way):
        live = {m: self.weights.get(m, 1.0) for m in self.conditions if way < self.ends.get(m, 1.0)}
        live = {"none": 1 - sum(live.values()), **live}
        at, v = torch.full((len(z),), t), 0
        for m, w in live.items():
            if w != 0:
                v = v + w * self.networks[m](z, at, self.conditions.get(m))
                self.evaluations += 1
        a = self.abar[t].item()
        x0 = (a**0.5 * z - (1 - a) ** 0.5 * v).clamp(-1, 1)
        return x0, (z - a**0.5 * x0) / (1 - a) ** 0.5


@torch.no_grad()
def sample(merge, n, sampler, levels, corrector=0, beta=False, seed=0):
    """z_0 [n, 12, 32, 32] after `levels` levels, with `corrector` Langevin steps at each but the first."""
    generator = torch.Generator().manual_seed(seed)

    def noise():
        return torch.randn(n, LATENT, IMAGE_SIZE // UNSHUFFLE, IMAGE_SIZE // UNSHUFFLE, generator=generator)

    total = len(merge.abar)
    times = [round(total * (levels - i) / levels) - 1 for i in range(levels)]
    alphas = [merge.abar[t].item() for t in times] + [1.0]
    z, last = noise(), None
    for i, (t, a, b) in enumerate(zip(times, alphas, alphas[1:])):
        for _ in range(corrector if i else 0):
            _, eps = merge(z, t, i / levels)
            h = 1 - a / b if beta else LANGEVIN * (1 - a)
            z = z - h * eps / (1 - a) ** 0.5 + (2 * h) ** 0.5 * noise()
        x0, eps = merge(z, t, i / levels)
        if b == 1:
            return x0
        if sampler in ("ddim", "ddpm"):
            sigma = (sampler == "ddpm") * ((1 - b) / (1 - a) * (1 - a / b)) ** 0.5
            z = b**0.5 * x0 + max(0.0, 1 - b - sigma**2) ** 0.5 * eps + sigma * noise()
            continue
        # Multistep in lambda, half the logarithm of the signal-to-noise ratio; the first step is of order 1.
        h = (math.log(b / (1 - b)) - math.log(a / (1 - a))) / 2
        d = x0
        if last is not None:
            before, step = last
            d = x0 + (x0 - before) * h / (2 * step)
        last = x0, h
        if sampler == "dpmsolver++":
            z = ((1 - b) / (1 - a)) ** 0.5 * z - b**0.5 * math.expm1(-h) * d
        else:
            z = ((1 - b) / (1 - a)) ** 0.5 * math.exp(-h) * z - b**0.5 * math.expm1(-2 * h) * d \
                + (-(1 - b) * math.expm1(-2 * h)) ** 0.5 * noise()
    raise AssertionError("the last level ends at abar = 1")


def shifted(parts, most, seed=0):
    """Parts [n, C, h, w] that lie up to `most` cells of that grid beside where they belong, as painted by a hand."""
    rng = np.random.default_rng(seed)

    def moved(part, axis):
        n = part.shape[axis]
        return part.index_select(axis, (torch.arange(n) - int(rng.integers(-most, most + 1))).clamp(0, n - 1))

    return torch.stack([moved(moved(p, 1), 2) for p in parts])


def numbers(text):
    """text=2,mask=.5 as {"text": 2.0, "mask": 0.5}; none for an empty one."""
    out = {}
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        if name not in GIVEN:
            raise argparse.ArgumentTypeError(f"{part}: want one of {', '.join(GIVEN)}, as text=2")
        try:
            out[name] = float(value)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{part}: want a number, as text=2") from None
    return out


def say(of):
    return " ".join(f"{k} {v:g}" for k, v in of.items()) or "1"


def cell(score, difference, digits):
    """A score with its interval, and what it differs by from the first line's."""
    text = "{:.{n}f} ({:.{n}f} to {:.{n}f})".format(*score, n=digits)
    return text if difference is None else text + ", {:+.{n}f} ({:+.{n}f} to {:+.{n}f})".format(*difference, n=digits)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "judge", "networks"):
        p.add_argument("--" + name, required=True)
    p.add_argument("--first", type=int, default=400, help="number of the first held-out portrait; below 400 they are reported on (plan.go)")
    p.add_argument("--portraits", type=int, default=24)
    p.add_argument("--take", nargs="+", choices=GIVEN, default=GIVEN, help="what is given of a portrait")
    p.add_argument("--sampler", nargs="+", choices=SAMPLERS, default=["ddim"])
    p.add_argument("--levels", nargs="+", type=int, default=[10])
    p.add_argument("--corrector", nargs="+", type=int, default=[0], help="Langevin steps a level")
    p.add_argument("--size", choices=("noise", "beta"), default="noise", help=f"of a Langevin step: {LANGEVIN} (1 - abar), or beta")
    p.add_argument("--weight", nargs="+", type=numbers, default=[{"text": 2.0}], help="the page's: text=2")
    p.add_argument("--end", nargs="+", type=numbers, default=[{"mask": 0.8, "text": 0.7}], help="share of the way after which "
                   "a condition lets go; the page's: mask=.8,text=.7; '' for all the way")
    p.add_argument("--shift", type=int, default=0, help="pixels, an even number, by up to which each portrait's parts are moved either way")
    a = p.parse_args()
    if a.shift % UNSHUFFLE:
        p.error(f"--shift {a.shift}: want a multiple of {UNSHUFFLE}")
    if a.shift and "mask" not in a.take:
        p.error("--shift is for the mask, which is not taken")
    held = Held(a.data, a.judge)
    networks = {m: Network.load(os.path.join(a.networks, m, "export")) for m in ("none", *a.take)}
    index = np.arange(a.first, a.first + a.portraits)
    twice = np.concatenate([index, index])  # two seeds
    conditions = {m: held.split.condition(m, twice, networks[m].tokenizer) for m in a.take}
    if a.shift:
        conditions["mask"] = shifted(conditions["mask"], a.shift // UNSHUFFLE)
    first = None
    print(f"{len(index)} portraits from {a.first} on, two seeds of each. In brackets: 95% intervals; with a sign: what differs from the first "
          "line, portrait by portrait\n")
    print("| levels | sampler | weights | ends | evaluations | edges | parts | sentence | colour | distance of two seeds |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for levels, weights, ends, sampler, k in itertools.product(a.levels, a.weight, a.end, a.sampler, a.corrector):
        merge = Merge(networks, conditions, weights, ends)
        pictures = to_pictures(sample(merge, len(twice), sampler, levels, k, a.size == "beta")).numpy()
        both = [Seen(held, index, p) for p in np.split(pictures, 2)]
        first = first or both
        scores = [cell(mean(both, axis), None if both is first else paired(first, both, axis), 1 if axis == "colour" else 3)
                  for axis in (*GIVEN, "colour")]
        each = [spread(np.stack(two)) for two in zip(*(s.features for s in both))]
        scores.append(cell(bounded(lambda w: w @ each / w.sum(), len(each)), None, 2))
        name = sampler + (f", {k} of size {a.size} a level" if k else "")
        print(f"| {levels} | {name} | {say(weights)} | {say(ends)} | {merge.evaluations} | "
              + " | ".join(scores) + " |", flush=True)


if __name__ == "__main__":
    main()
