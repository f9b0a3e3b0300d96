"""A split of the dataset as uint8 arrays at 64x64, packed once beside its files and memory-mapped from then on.

Also the conditions as the networks see them, with what training does to them so that partial input works later.
"""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from nets import COLOUR_GRID, IMAGE_SIZE, JOINT, JOINT_SPATIAL, LABELS, UNSHUFFLE, to_z

UNKNOWN = 255  # of a mask: this pixel's label is not given
JOINT_DROP = 0.25  # how often a joint network goes without one of its conditions, for each by itself
VALIDATION = 256  # pictures at the end of a split that are never trained on


def _halve(a):
    """Area average 2x2 of [2h, 2w, ...] in uint8."""
    h, w = a.shape[0] // 2, a.shape[1] // 2
    return ((a.reshape(h, 2, w, 2, *a.shape[2:]).sum((1, 3), dtype=np.uint16) + 2) // 4).astype(np.uint8)


def _halve_labels(a):
    """The label that most of each 2x2 carry; between equals the later one, since thin parts lie on wide ones."""
    h, w = a.shape[0] // 2, a.shape[1] // 2
    v = a.reshape(h, 2, w, 2).transpose(0, 2, 1, 3).reshape(h, w, 4)
    count = (v[..., :, None] == v[..., None, :]).sum(-1)
    best = np.argmax(count * 256 + v.astype(np.int64), -1)
    return np.take_along_axis(v, best[..., None], -1)[..., 0]


def _read(folder, seed):
    def image(kind):
        path = os.path.join(folder, kind, f"{seed}.png")
        i = Image.open(path)
        if i.size != (2 * IMAGE_SIZE, 2 * IMAGE_SIZE):
            raise ValueError(f"{path}: {i.size[0]}x{i.size[1]} pixels, want {2 * IMAGE_SIZE}x{2 * IMAGE_SIZE}")
        return i

    mask = np.asarray(image("masks"))
    if mask.ndim != 2 or ((mask >= len(LABELS)) & (mask != UNKNOWN)).any():
        raise ValueError(f"masks/{seed}.png: want one channel of labels below {len(LABELS)}, or {UNKNOWN} where unknown")
    picture = _halve(np.asarray(image("pictures").convert("RGB")))
    return picture, 255 - _halve(np.asarray(image("sketches").convert("L"))), _halve_labels(mask)


# What is said of a split's pictures, unless its folder's about.json says otherwise.
ABOUT = {"name": "Lorelei portraits", "terms": "CC0-1.0 (pictures drawn from the Lorelei set by Lisa Wischofsky, CC0 1.0)"}


class Split:
    """pictures [N,64,64,3], ink [N,64,64] (255 = line), masks [N,64,64] labels, seeds [N], captions: N texts."""

    arrays = ("pictures", "ink", "masks", "seeds")
    validation = VALIDATION

    def __init__(self, path, *more):
        """path: a split's folder, or an .npz written by pack.py; several are joined in memory, the last one's pictures last."""
        if more:
            splits = [Split(p) for p in (path, *more)]
            if any(s.about != splits[0].about for s in splits):
                raise ValueError(f"{path} and {', '.join(more)}: pictures under different terms are not joined")
            self.about = splits[0].about
            for name in self.arrays:
                setattr(self, name, np.concatenate([getattr(s, name) for s in splits]))
            self.captions = [c for s in splits for c in s.captions]
        elif path.endswith(".npz"):
            with np.load(path) as z:
                for name in self.arrays:
                    setattr(self, name, z[name] if name in z.files else None)
                self.captions = json.loads(z["captions"].tobytes()) if "captions" in z.files else None
                self.about = json.loads(z["about"].tobytes()) if "about" in z.files else ABOUT
        else:
            packed, self.about = pack_folder(path), about(path)
            for name in self.arrays:
                setattr(self, name, np.load(os.path.join(packed, name + ".npy"), mmap_mode="r"))
            with open(os.path.join(packed, "captions.json"), encoding="utf-8") as f:
                self.captions = json.load(f)

    def __len__(self):
        return len(self.pictures)

    def examples(self, network, index, rng=None, part=False):
        """The pictures `index` as the network is to make them, [B, 12, 32, 32], and its condition. There are no parts."""
        return to_z(torch.from_numpy(self.pictures[index])), self.condition(network.modality, index, network.tokenizer, rng)

    def whole(self, batch):
        """How many pictures take as long as a batch of parts."""
        return batch

    def condition(self, modality, index, tokenizer=None, rng=None):
        """What the network of this modality is given for the pictures `index`; with rng, varied for training."""
        if modality == "sketch":
            ink = torch.from_numpy(self.ink[index]).float()[:, None] / 255
            return F.pixel_unshuffle(vary_ink(ink, rng) if rng is not None else ink, UNSHUFFLE)
        if modality == "mask":
            masks = self.masks[index]
            return encode_mask(drop_labels(masks, rng) if rng is not None else masks)
        if modality == JOINT:
            parts = {m: self.condition(m, index, tokenizer, rng) for m in (*JOINT_SPATIAL, "text")}
            if rng is not None:
                for part in parts.values():  # a row of zeros: no ink, no known label, <pad> alone
                    part[torch.from_numpy(rng.random(len(index)) < JOINT_DROP)] = 0
            return torch.cat([parts[m] for m in JOINT_SPATIAL], 1), parts["text"]
        if modality == "colour":
            pictures = self.pictures[index]
            if rng is not None:
                return encode_colours(*dab(pictures, rng))
            return encode_colours(cells(pictures).mean(3), np.ones((len(pictures), COLOUR_GRID, COLOUR_GRID), bool))
        if modality == "text":
            texts = [self.captions[i] if rng is None or rng.random() > 0.05 else "" for i in index]
            return torch.tensor([tokenizer(t) for t in texts])
        return None


def about(folder):
    """Name and terms of the pictures in a split's folder."""
    path = os.path.join(folder, "about.json")
    if not os.path.exists(path):
        return ABOUT
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def records(folder):
    """What captions.jsonl says of each portrait, by seed."""
    captions = os.path.join(folder, "captions.jsonl")
    if not os.path.exists(captions):
        raise FileNotFoundError(f"{captions} is missing: the split is not complete, build the dataset first")
    with open(captions, encoding="utf-8") as f:
        return sorted((json.loads(line) for line in f if line.strip()), key=lambda r: r["seed"])


def pack_folder(folder):
    """Packs a split's folder into <folder>/packed; does nothing if it is there and of the same portraits. Returns its path."""
    out = os.path.join(folder, "packed")
    portraits = records(folder)
    seeds = [r["seed"] for r in portraits]
    try:
        if np.array_equal(np.load(os.path.join(out, "seeds.npy")), seeds):
            return out
        shutil.rmtree(out, ignore_errors=True)
    except FileNotFoundError:  # not packed yet, or another process is at it
        pass
    with ThreadPoolExecutor(4) as pool:
        pictures, ink, masks = zip(*pool.map(lambda r: _read(folder, r["seed"]), portraits))
    temporary = out + f".{os.getpid()}"
    os.makedirs(temporary)
    for name, a in dict(pictures=pictures, ink=ink, masks=masks, seeds=seeds).items():
        np.save(os.path.join(temporary, name + ".npy"), np.asarray(a))
    with open(os.path.join(temporary, "captions.json"), "w", encoding="utf-8") as f:
        json.dump([r["caption"] for r in portraits], f)
    try:
        os.rename(temporary, out)
    except OSError:  # another process was quicker
        if not os.path.isdir(out):
            raise
        shutil.rmtree(temporary)
    return out


def encode_mask(masks):
    """Labels [B,64,64], UNKNOWN anywhere -> one-hot, all zero where unknown, unshuffled [B, 44, 32, 32]."""
    m = torch.from_numpy(np.ascontiguousarray(masks))
    hot = (m[:, None] == torch.arange(len(LABELS), dtype=torch.uint8)[None, :, None, None]).float()
    return F.pixel_unshuffle(hot, UNSHUFFLE)


def cells(pictures):
    """uint8 pictures [B,64,64,3] -> their pixels in -1..1 by cells of the grid of colours: [B,8,8,64,3]."""
    g, s = COLOUR_GRID, IMAGE_SIZE // COLOUR_GRID
    x = np.asarray(pictures).reshape(-1, g, s, g, s, 3).transpose(0, 1, 3, 2, 4, 5).reshape(-1, g, g, s * s, 3)
    return x.astype(np.float32) / 127.5 - 1


def encode_colours(colours, known):
    """Colours [B,8,8,3] in -1..1, known [B,8,8] -> R, G, B and 1 where known, all zero elsewhere, repeated: [B,4,32,32]."""
    c = np.concatenate([colours, np.ones_like(colours[..., :1])], -1) * known[..., None]
    repeat = IMAGE_SIZE // UNSHUFFLE // COLOUR_GRID
    c = torch.from_numpy(c.astype(np.float32)).permute(0, 3, 1, 2)
    return c.repeat_interleave(repeat, 2).repeat_interleave(repeat, 3)


def dab(pictures, rng):
    """Colours as a hand dabs them on the grid: few of them, not quite right, and not everywhere.

    pictures uint8 [B,64,64,3]; returns colours [B,8,8,3] in -1..1 and known [B,8,8] bool. A person gives a cell on an edge
    the colour of one side, which the median of its pixels stands for, and whole regions one colour: cells near to one
    drawn at random take its colour, until none is left.
    """
    pixels = cells(pictures)
    colours = pixels.mean(3)
    known = np.ones(colours.shape[:3], bool)
    for x, c, k in zip(pixels, colours, known):
        if rng.random() < 0.5:
            c[:] = np.median(x, 2)
        if rng.random() < 0.5:
            flat, near = c.reshape(-1, 3), rng.uniform(0.2, 0.7)
            left = np.ones(len(flat), bool)
            for i in rng.permutation(len(flat)):
                if left[i]:
                    region = left & (np.linalg.norm(flat - flat[i], axis=1) < near)
                    flat[region], left = flat[i], left & ~region
        c += rng.normal(0, rng.uniform(0, 0.06), 3) + rng.normal(0, rng.uniform(0, 0.06), c.shape)
        np.clip(c, -1, 1, out=c)
        if rng.random() < 0.1:
            continue
        if rng.random() < 0.5:
            k &= rng.random(k.shape) < rng.random()
        if rng.random() < 0.6:
            kept = np.zeros_like(k)
            for _ in range(int(rng.integers(1, 5))):
                kept[rectangle(rng, 1, COLOUR_GRID, COLOUR_GRID)] = True
            k &= kept if rng.random() < 0.7 else ~kept
        if rng.random() < 0.05:
            k[:] = False
    return colours, known


def rectangle(rng, low, high, size=IMAGE_SIZE):
    """A random rectangle with sides of low..high of a square of `size`, cut at the border: (rows, columns)."""
    out = []
    for _ in range(2):
        side = int(rng.integers(low, high + 1))
        start = int(rng.integers(-side // 2, size - side // 2))
        out.append(slice(max(0, start), max(0, start + side)))
    return tuple(out)


def vary_ink(ink, rng):
    """A drawing made by hand: paler or stronger, a bit beside, thicker, with parts not drawn. ink [B,1,64,64] in 0..1."""
    out = torch.empty_like(ink)
    for i, x in enumerate(ink):
        if rng.random() < 0.15:
            thick = F.max_pool2d(x, 3, 1, 1)
            x = torch.maximum(x, thick * float(rng.uniform(0.4, 1)))
        if rng.random() < 0.3:
            dy, dx = rng.integers(-1, 2, 2)
            x = F.pad(x, (1, 1, 1, 1))[:, 1 + dy : 1 + dy + IMAGE_SIZE, 1 + dx : 1 + dx + IMAGE_SIZE]
        x = (x * float(rng.uniform(0.6, 1.6))).clamp(max=1)
        if rng.random() < 0.5:
            x = x.clone()
            for _ in range(int(rng.integers(1, 4))):
                x[0][rectangle(rng, 8, 44)] = 0
        if rng.random() < 0.05:
            x = torch.zeros_like(x)
        out[i] = x
    return out


def drop_labels(masks, rng):
    """Partial masks: labels and rectangles that become UNKNOWN. masks uint8 [B,64,64]."""
    out = np.array(masks)
    for m in out:
        if rng.random() < 0.15:
            continue
        u = rng.random()
        lost = np.flatnonzero(rng.random(len(LABELS)) < u)
        m[np.isin(m, lost)] = UNKNOWN
        if rng.random() < 0.3:
            for _ in range(int(rng.integers(1, 4))):
                m[rectangle(rng, 8, 44)] = UNKNOWN
        if rng.random() < 0.05:
            m[:] = UNKNOWN
    return out

