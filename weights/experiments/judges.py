"""The judge of the experiments: one small network that says of a 64x64 portrait which part each pixel belongs to, and what
a caption might say of it.

    python -m judges --data ../dataset/out --out cache/judge.pt --minutes 15 --threads 1

It learns from the exact labels of the dataset's builder on the training splits' pictures, never from samples. Attributes
it reads off the parts that it found: colours and shapes are averaged over each part by itself. When the parts are learnt,
these averages are kept for many pictures, and reading them is learnt to the end by itself, in thousands of cheap steps.
The same command prints how well it does on held-out pictures, part by part and attribute by attribute (cache/judge.json):
the report judges by nothing that it scores less than TRUSTED on there.
"""

import argparse
import hashlib
import json
import os
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "train"))
from data import Split, records  # noqa: E402
from nets import LABELS  # noqa: E402

from metrics import intersections  # noqa: E402

SPLITS = ("none", "sketch", "mask", "text")
FEATURES = 64  # few: a covariance of them is estimated from as few as a hundred pictures
TRUSTED = 0.95  # score on held-out pictures from which on the judge is believed
# Held-out portraits: the first are sampled, on these the judge is examined and with them distributions are compared, and on
# the last ones (plan.go) weights are searched.
REFERENCE = slice(100, 400)

PRESENT = ("no", "yes")
# What a caption may say (dataset/caption.mjs), with its values. "glasses", "earrings" and "flowers" are whether there are any.
ATTRIBUTES = {
    "hair_color": ("black", "brown", "blond", "red", "orange", "gray", "white", "blue", "pink", "green", "purple"),
    "hair_length": ("short", "medium", "long", "receding", "shaved", "bald"),
    "hair_shape": ("straight", "wavy", "curly", "spiky"),
    "hair_style": ("neat", "messy", "swept up", "big", "fringe", "swept over", "bun and fringe", "two buns", "mohawk",
                   "low ponytail", "pigtails and fringe", "high ponytail", "bun", "ponytail and fringe", "messy bun"),
    "skin": ("pale", "light", "tan", "brown", "dark"),
    "background": ("white", "gray", "blue", "green", "yellow", "pink", "purple", "orange", "teal"),
    "eyes": ("closed", "open", "sleepy", "wide", "tired", "sparkling", "tiny", "wink"),
    "eyes_color": ("black", "brown", "blue", "green"),
    "eyebrows": ("worried", "thin", "thick", "bushy", "broken", "raised", "dot", "uneven", "angry"),
    "mouth": ("smile", "smirk", "laugh", "grin", "tongue", "pout", "open", "lips", "frown", "teeth", "serious"),
    "glasses": PRESENT,
    "glasses_kind": ("round glasses", "sunglasses", "oval glasses", "square glasses", "reading glasses"),
    "glasses_color": ("black", "red", "blue", "gold"),
    "earrings": PRESENT,
    "earrings_color": ("gold", "silver", "red", "blue"),
    "beard": PRESENT,
    "flowers": PRESENT,
    "flowers_color": ("white", "pink", "yellow", "purple"),
    "freckles": PRESENT,
}
NONE = -1  # the picture has no such thing, or does not show it


def attributes(record):
    """The values of a line of captions.jsonl as indices into ATTRIBUTES: int64 [A], NONE where there is none to be seen."""
    a = dict(record["attributes"])
    kind = a["glasses"]
    a["glasses_kind"] = kind
    a["earrings_color"], a["flowers_color"] = a["earrings"], a["flowers"]
    for name in ("glasses", "earrings", "flowers", "beard", "freckles"):
        a[name] = "yes" if a[name] else "no"
    if a["hair_length"] == "bald":
        a["hair_color"] = None
    if kind == "sunglasses":
        a["eyes"] = None
    if a["eyes"] in (None, "closed"):
        a["eyes_color"] = None
    return np.array([values.index(a[name]) if a[name] else NONE for name, values in ATTRIBUTES.items()])


def said(record, brief=False):
    """Which attributes the caption, or the brief one, is sure about: bool [A]."""
    if "said" not in record or not record.get("more"):
        raise ValueError(f"the captions of portrait {record['seed']} do not list what they say: build its split again (make data)")
    if brief:
        record = record["more"][0]
    return np.array([name in record["said"] for name in ATTRIBUTES])


def block(before, after):
    return nn.Sequential(*(layer for i, o in ((before, after), (after, after)) for layer in
                           (nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU())))


class Judge(nn.Module):
    """A UNet that finds parts, and attributes read off what lies in each part."""

    def __init__(self, widths=(16, 32, 64, 96)):
        super().__init__()
        self.down = nn.ModuleList(block(i, o) for i, o in zip((3, *widths), widths))
        self.up = nn.ModuleList(block(a + b, a) for a, b in zip(widths[-2::-1], widths[:0:-1]))
        self.parts = nn.Conv2d(widths[0], len(LABELS), 1)
        pooled = len(LABELS) * (1 + 3 + sum(widths[:2])) + 2 * widths[-1]
        self.features = nn.Sequential(nn.BatchNorm1d(pooled), nn.Linear(pooled, 256), nn.ReLU(), nn.Linear(256, FEATURES))
        self.heads = nn.ModuleDict({name: nn.Linear(FEATURES, len(v)) for name, v in ATTRIBUTES.items()})

    def look(self, pictures):
        """f32 [B,3,64,64] in [-1,1] -> logits of parts [B,P,64,64], and averages over each part [B,D]."""
        skips, x = [], pictures
        for i, level in enumerate(self.down):
            x = level(F.avg_pool2d(x, 2) if i else x)
            skips.append(x)
        deepest, levels = x, []
        for level, skip in zip(self.up, skips[-2::-1]):
            x = level(torch.cat([skip, F.interpolate(x, scale_factor=2)], 1))
            levels.append(x)
        parts = self.parts(x)
        share = parts.detach().softmax(1)  # the gradient of attributes does not move parts
        pooled = [share.mean((2, 3))]
        for y in (pictures, levels[-1], levels[-2]):
            p = F.adaptive_avg_pool2d(share, y.shape[-1]).flatten(2)
            # A part of less than a pixel counts as a pixel: what is not there has no colour.
            pooled.append((p @ y.flatten(2).mT / p.sum(2, keepdim=True).clamp(min=1)).flatten(1))
        pooled += [deepest.mean((2, 3)), deepest.amax((2, 3))]
        return parts, torch.cat(pooled, 1)

    def read(self, pooled):
        """Averages over parts [B,D] -> features [B,F], logits by attribute."""
        features = self.features(pooled)
        return features, {name: head(F.relu(features)) for name, head in self.heads.items()}


def scale(pictures):
    """uint8 [B,64,64,3] -> f32 [B,3,64,64] in [-1,1]."""
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def soil(x, generator):
    """Half of the pictures get noise of deviation up to 0.1 (13 levels of 255): samples are never as clean as drawings."""
    n = len(x)
    amount = 0.1 * (2 * torch.rand(n, generator=generator) - 1).clamp(min=0)[:, None, None, None]
    return x + amount * torch.randn(x.shape, generator=generator)


@torch.no_grad()
def look(judge, pictures, batch=50):
    """What the judge sees in uint8 [N,64,64,3]: parts uint8 [N,64,64], features f32 [N,F], attributes int64 [N,A]."""
    judge.eval()
    parts, features, values = [], [], []
    for i in range(0, len(pictures), batch):
        p, pooled = judge.look(scale(pictures[i : i + batch]))
        f, a = judge.read(pooled)
        parts.append(p.argmax(1).to(torch.uint8))
        features.append(f)
        values.append(torch.stack([v.argmax(1) for v in a.values()], 1))
    return tuple(torch.cat(x).numpy() for x in (parts, features, values))


def examine(judge, folder, which=slice(None)):
    """Scores on some of a folder's pictures: IoU by part, accuracy by attribute where a caption says it, and how many say it.

    What captions only say when it is there (glasses) is seen everywhere by who always says yes: of such an attribute the
    accuracy is the mean of that where it is said and that where it is not there.
    """
    split, lines = Split(folder), records(folder)[which]
    pictures, masks = split.pictures[which], np.asarray(split.masks[which])
    parts, _, values = look(judge, pictures)
    both, either = intersections(parts, masks)
    wanted, told = np.array([attributes(r) for r in lines]), np.array([said(r) for r in lines])
    right = values == wanted

    def accuracy(i, values):
        where = right[told[:, i], i].mean()
        return float((where + right[wanted[:, i] == 0, i].mean()) / 2 if values is PRESENT else where)

    return {
        "pictures": len(pictures),
        "parts": {name: float(both[i] / max(1, either[i])) for i, name in enumerate(LABELS)},
        "attributes": {name: {"accuracy": accuracy(i, values), "said": int(told[:, i].sum())}
                       for i, (name, values) in enumerate(ATTRIBUTES.items())},
    }


def parts_loss(parts, wanted):
    """Cross-entropy, and what is missing to a Dice coefficient of 1 (Milletari et al. 2016), each part counting alike."""
    hot = F.one_hot(wanted, len(LABELS)).permute(0, 3, 1, 2).float()
    p = parts.softmax(1)
    dice = (2 * (p * hot).sum((0, 2, 3)) + 1) / ((p + hot).sum((0, 2, 3)) + 1)
    return F.cross_entropy(parts, wanted) + 1 - dice.mean()


def attributes_loss(values, wanted):
    """Mean cross-entropy of the attributes that are there. values: logits by attribute; wanted: int64 [B,A]."""
    total = sum(F.cross_entropy(v, wanted[:, i], ignore_index=NONE, reduction="sum") for i, v in enumerate(values.values()))
    return total / (wanted != NONE).sum()


# Shares of the time: parts and attributes are learnt together, then averages over parts are collected.
TOGETHER, COLLECTING = 0.75, 0.2
READING = 4000  # steps that learn to read them


def train(data, minutes, init=None, seed=0, batch=16, log=print):
    """Returns a judge and how many pictures its parts were learnt from. init: weights whose parts are gone on from."""
    torch.manual_seed(seed)
    generator, rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    splits = [Split(os.path.join(data, s)) for s in SPLITS]
    wanted = [np.array([attributes(r) for r in records(os.path.join(data, s))]) for s in SPLITS]
    judge = Judge().train().to(memory_format=torch.channels_last)
    if init:
        known = torch.load(init, weights_only=True)
        judge.load_state_dict({k: v for k, v in known.items() if k.split(".")[0] in ("down", "up", "parts")}, strict=False)
    start = time.monotonic()

    def share():
        return (time.monotonic() - start) / (60 * minutes)

    def draw(n):
        k = int(rng.integers(len(splits)))
        index = np.sort(rng.choice(len(splits[k]), n, replace=False))
        pictures = soil(scale(splits[k].pictures[index]), generator).contiguous(memory_format=torch.channels_last)
        return *judge.look(pictures), splits[k].masks[index], torch.from_numpy(wanted[k][index])

    def learn(optimizer, rate, loss):
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    optimizer, step, losses = torch.optim.AdamW(judge.parameters(), weight_decay=0.01), 0, []
    while (done := share() / TOGETHER) < 1:
        parts, pooled, masks, truth = draw(batch)
        loss = parts_loss(parts, torch.from_numpy(masks.astype(np.int64)))
        losses.append(loss.item())
        learn(optimizer, 3e-3 * min(1, (step + 1) / 100) * max(0.01, 1 - done), loss + attributes_loss(judge.read(pooled)[1], truth))
        step += 1
        if step % 100 == 0:
            log(f"step {step} pictures {step * batch} loss of parts {np.mean(losses[-100:]):.4f}, {done:.0%}")

    judge.eval()
    kept = []
    with torch.no_grad():
        while not kept or share() < TOGETHER + COLLECTING:
            _, pooled, _, truth = draw(64)
            kept.append((pooled, truth))
    pooled, truth = (torch.cat(x) for x in zip(*kept))
    log(f"reading is learnt from {len(pooled)} pictures")
    judge.features[0].train()
    judge.features[0].momentum = None  # statistics are those of all pictures
    judge.features[0].reset_running_stats()
    with torch.no_grad():
        judge.features[0](pooled)
    judge.eval()
    optimizer = torch.optim.AdamW([*judge.features.parameters(), *judge.heads.parameters()], weight_decay=0.01)
    for i in range(READING):
        index = torch.from_numpy(rng.integers(0, len(pooled), 256))
        learn(optimizer, 2e-3 * (1 - i / READING), attributes_loss(judge.read(pooled[index])[1], truth[index]))
    return judge, step * batch


def stamp(folder):
    """SHA-256 of a split's captions, parts and pictures: by those held out it shows that the dataset is built otherwise."""
    h = hashlib.sha256()
    for kind in ("captions.jsonl", "masks", "pictures"):
        path = os.path.join(folder, kind)
        for name in [path] if os.path.isfile(path) else sorted(os.path.join(path, n) for n in os.listdir(path)):
            with open(name, "rb") as f:
                h.update(hashlib.sha256(f.read()).digest())
    return h.hexdigest()


def load(path):
    judge = Judge()
    judge.load_state_dict(torch.load(path, weights_only=True))
    return judge.eval()


def write(path, scores):
    with open(path, "w") as f:
        json.dump(scores, f, indent=1)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", required=True, help="the dataset's folder with one folder a split")
    p.add_argument("--out", required=True, help="weights to write; scores go beside them")
    p.add_argument("--minutes", type=float, default=15)
    p.add_argument("--init", help="go on from these weights' parts")
    p.add_argument("--threads", type=int, default=0, help="0 = all")
    p.add_argument("--again", action="store_true", help="train although --out is there")
    a = p.parse_args()
    if a.threads:
        torch.set_num_threads(a.threads)
    os.makedirs(os.path.dirname(os.path.abspath(a.out)), exist_ok=True)
    scores = a.out.removesuffix(".pt") + ".json"
    data = stamp(os.path.join(a.data, "test"))
    if os.path.exists(scores) and os.path.exists(a.out) and not a.again:
        with open(scores) as f:
            known = json.load(f)
        if known.get("data") == data:
            print(f"{a.out} is there: --again trains it anew")
            if known["pictures"] != REFERENCE.stop - REFERENCE.start:  # it was examined on others
                write(scores, {**known, **examine(load(a.out), os.path.join(a.data, "test"), REFERENCE)})
            return
        print(f"{a.out} is of pictures that were built otherwise: it is trained anew")
    [said(r) for r in records(os.path.join(a.data, "test"))]  # what it is examined by must be there before it is trained
    judge, pictures = train(a.data, a.minutes, a.init, log=lambda *x: print(*x, flush=True))
    if os.path.exists(scores):  # they are of other weights
        os.remove(scores)
    torch.save(judge.state_dict(), a.out)
    result = {"data": data, "pictures_seen": pictures, **examine(judge, os.path.join(a.data, "test"), REFERENCE)}
    write(scores, result)
    for kind in ("parts", "attributes"):
        print(kind, {name: round(v if kind == "parts" else v["accuracy"], 3) for name, v in result[kind].items()})


if __name__ == "__main__":
    main()
