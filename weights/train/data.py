"""A split of the dataset as uint8 arrays at 64x64, packed once beside its files and memory-mapped from then on.

Also the conditions as the networks see them, with what training does to them so that partial input works later.
"""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from nets import COLOUR_GRID, IMAGE_SIZE, JOINT, JOINT_SPATIAL, LABELS, UNSHUFFLE, to_z
from tokenizer import words

UNKNOWN = 255  # of a mask: this pixel's label is not given
JOINT_DROP = 0.25  # how often a joint network goes without one of its conditions, for each by itself
VALIDATION = 256  # pictures at the end of a split that are never trained on
# As in dataset/files.mjs: seeds of each split of portraits, and from which of these on they validate.
SPAN, HELD = 1_000_000, 990_000


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
    """pictures [N,64,64,3], ink [N,64,64] (255 = line), masks [N,64,64] labels, seeds [N], captions: N texts.

    more: of each picture further texts, which training draws from as well; the caption alone validates. details: texts that say
    one thing each, drawn together as often as any other one.
    """

    arrays = ("pictures", "ink", "masks", "seeds")
    validation = VALIDATION
    tokens = None

    def __init__(self, path, *more):
        """path: a split's folder; several are joined in memory, the last one's pictures last: of these the last validate."""
        if more:
            splits = [Split(p) for p in (path, *more)]
            if any(s.about != splits[0].about for s in splits):
                raise ValueError(f"{path} and {', '.join(more)}: pictures under different terms are not joined")
            self.about = splits[0].about
            for name in self.arrays:
                setattr(self, name, np.concatenate([getattr(s, name) for s in splits]))
            self.portraits = [r for s in splits for r in s.portraits]
            starts = accumulate(map(len, splits[:-1]), initial=0)
            self.trained = np.concatenate([start + s.trained for start, s in zip(starts, splits)])
        else:
            portraits = records(path)
            packed, self.about = pack_folder(path, portraits), about(path)
            for name in self.arrays:
                setattr(self, name, np.load(os.path.join(packed, name + ".npy"), mmap_mode="r"))
            self.portraits = portraits
            self.trained = np.arange(len(self) - self.validation)

    def __len__(self):
        return len(self.pictures)

    @property
    def captions(self):
        return [r["caption"] for r in self.portraits]

    def tell_only(self, attributes):
        """Leaves of the pictures to train on the sentences that say nothing but these, and the pictures that have one."""
        kept, known = [], set()
        for i in self.trained:
            r = self.portraits[i]
            sentences = [s for s in texts(r) if s.get("said")]
            known.update(a for s in sentences for a in s["said"])
            told = [s for s in sentences if set(s["said"]) <= set(attributes)]
            if told:
                self.portraits[i] = {**told[0], "more": told[1:], "details": []}
                kept.append(i)
        must_be_said(attributes, known)
        self.trained, self.tokens = np.array(kept, np.int64), None

    def words_of(self, attributes):
        """The words of the sentences to train on that say nothing but these: with what is in every sentence, those that name them."""
        out, known = set(), set()
        for i in self.trained:
            r = self.portraits[i]
            for s in texts(r):
                said = set(s.get("said", []))
                known |= said
                if said and said <= set(attributes):
                    out.update(words(s["caption"]))
        must_be_said(attributes, known)
        return out

    def to(self, device):
        """Moves what training reads to a GPU; on the CPU it stays mapped."""
        if torch.device(device).type != "cpu":
            for name in ("pictures", "ink", "masks"):
                setattr(self, name, torch.from_numpy(np.array(getattr(self, name))).to(device))
        return self

    def rows(self, name, index):
        """The array's rows of the pictures `index`, as a tensor where the array lies."""
        array = getattr(self, name)
        if isinstance(array, torch.Tensor):
            return array[torch.from_numpy(index).to(array.device)]
        return torch.from_numpy(array[index])

    def examples(self, network, index, rng=None, part=False):
        """The pictures `index` as the network is to make them, [B, 12, 32, 32], and its condition. There are no parts."""
        return to_z(self.rows("pictures", index)), self.condition(network.modality, index, network.tokenizer, rng)

    def whole(self, batch):
        """How many pictures take as long as a batch of parts."""
        return batch

    def condition(self, modality, index, tokenizer=None, rng=None):
        """What the network of this modality is given for the pictures `index`; with rng, varied for training."""
        if modality == "sketch":
            ink = self.rows("ink", index).float()[:, None] / 255
            return F.pixel_unshuffle(vary_ink(ink, rng) if rng is not None else ink, UNSHUFFLE)
        if modality == "mask":
            masks = self.rows("masks", index)
            return encode_mask(drop_labels(masks, rng) if rng is not None else masks)
        if modality == JOINT:
            parts = {m: self.condition(m, index, tokenizer, rng) for m in (*JOINT_SPATIAL, "text")}
            if rng is not None:
                for part in parts.values():  # a row of zeros: no ink, no known label, <pad> alone
                    part[Draws(rng, part).chance(JOINT_DROP, len(index))] = 0
            return torch.cat([parts[m] for m in JOINT_SPATIAL], 1), parts["text"]
        if modality == "colour":
            pictures = self.rows("pictures", index)
            if rng is not None:
                return encode_colours(*dab(pictures, rng))
            colours = cells(pictures).mean(3)
            return encode_colours(colours, torch.ones_like(colours[..., 0]))
        if modality == "text":
            ids, first, whole, details = self.ids(tokenizer)
            at = first[index]
            if rng is None:
                return ids[at]
            draw = Draws(rng, ids)
            whole, details = whole[index], details[index]
            one = (draw.uniform(0, 1, len(at)) * (whole + (details > 0))).long()
            detail = (draw.uniform(0, 1, len(at)) * details).long()
            ids = ids[at + one + torch.where(one == whole, detail, 0)]
            ids[draw.chance(0.05, len(ids))] = 0
            return ids
        return None

    def sentences(self, n=None):
        """All texts of the pictures [:n], each picture's caption before its others, details last."""
        return [s["caption"] for r in self.portraits[:n] for s in texts(r)]

    def ids(self, tokenizer):
        """All sentences in the tokenizer's numbers [S, L]; of each picture the first one, how many it has before details, and how many of these: [N]."""
        if self.tokens is None or self.tokens[0] is not tokenizer:
            whole, details = ([n + len(r.get(name, [])) for r in self.portraits] for n, name in ((1, "more"), (0, "details")))
            first = [0, *accumulate(map(sum, zip(whole, details)))][:-1]
            self.tokens = tokenizer, (torch.tensor([tokenizer(s) for s in self.sentences()]),
                                      *map(torch.tensor, (first, whole, details)))
        return self.tokens[1]


def texts(record):
    """All texts of a picture: its caption's record, its others, details last."""
    return record, *record.get("more", []), *record.get("details", [])


def must_be_said(attributes, known):
    if missing := sorted(set(attributes) - known):
        raise ValueError(f"no sentence says {', '.join(missing)}: want some of {', '.join(sorted(known))}")


def about(folder):
    """Name and terms of the pictures in a split's folder."""
    path = os.path.join(folder, "about.json")
    if not os.path.exists(path):
        return ABOUT
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def records(folder):
    """What captions.jsonl says of each portrait; the last ones validate."""
    captions = os.path.join(folder, "captions.jsonl")
    if not os.path.exists(captions):
        raise FileNotFoundError(f"{captions} is missing: the split is not complete, build the dataset first")
    with open(captions, encoding="utf-8") as f:
        return [json.loads(line) for line in f if line.strip()]


def ranges(seeds):
    """The first and the last of the seeds, of each split."""
    split = seeds // SPAN
    return [[int(of(seeds[split == k])) for of in (np.min, np.max)] for k in np.unique(split)]


def lineage(export):
    """What mcdm.json of an exported network says of the runs that made it, its own first. Before runs listed all of theirs, the last
    entry may stand for several."""
    with open(os.path.join(export, "mcdm.json"), encoding="utf-8") as f:
        runs = [json.load(f).get("training", {})]
    while isinstance(earlier := runs[-1].pop("started_from", []), dict):
        runs.append(earlier)
    return runs + earlier


def leak(split, runs):
    """Why what validates of a split says nothing of a network that these runs made: one was trained on it; "" if none was.

    None was ever trained on seeds from HELD on. Runs that do not say what validated have it among their seeds, as the last ones. The
    numbers of photos tell nothing.
    """
    held = np.asarray(split.seeds[-split.validation :])
    held = held[held % SPAN < HELD] if split.about == ABOUT else held[:0]
    for r in runs:
        for first, last in np.reshape(r.get("seeds", []), (-1, 2)):
            if ((first <= held) & (held <= last - (0 if "validation" in r else split.validation))).any():
                return (f"seeds {first} to {last} were trained on ({r['dataset']}), among them those that validate here, {held.min()} to "
                        f"{held.max()}: build the split again, then others do (node build.mjs, in weights/dataset)")
    return ""


def pack_folder(folder, portraits):
    """Packs a split's folder into <folder>/packed; does nothing if it is there and of the same portraits. Returns its path."""
    out = os.path.join(folder, "packed")
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
    os.makedirs(temporary, exist_ok=True)  # in a container a process that was killed had the same number
    try:
        for name, a in dict(pictures=pictures, ink=ink, masks=masks, seeds=seeds).items():
            np.save(os.path.join(temporary, name + ".npy"), np.asarray(a))
        os.rename(temporary, out)
    except OSError:
        if not os.path.isdir(out):  # else another process was quicker
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return out


def encode_mask(masks):
    """Labels [B,64,64], UNKNOWN anywhere -> one-hot, all zero where unknown, unshuffled [B, 44, 32, 32]."""
    m = masks if isinstance(masks, torch.Tensor) else torch.from_numpy(np.array(masks))
    hot = (m[:, None] == torch.arange(len(LABELS), dtype=torch.uint8, device=m.device)[None, :, None, None]).float()
    return F.pixel_unshuffle(hot, UNSHUFFLE)


def cells(pictures):
    """uint8 pictures [B,64,64,3] -> their pixels in -1..1 by cells of the grid of colours: [B,8,8,64,3]."""
    g, s = COLOUR_GRID, IMAGE_SIZE // COLOUR_GRID
    x = torch.as_tensor(pictures).reshape(-1, g, s, g, s, 3).permute(0, 1, 3, 2, 4, 5).reshape(-1, g, g, s * s, 3)
    return x.float() / 127.5 - 1


def encode_colours(colours, known):
    """Colours [B,8,8,3] in -1..1, known [B,8,8] -> R, G, B and 1 where known, all zero elsewhere, repeated: [B,4,32,32]."""
    c = torch.cat([colours, torch.ones_like(colours[..., :1])], -1) * known[..., None]
    repeat = IMAGE_SIZE // UNSHUFFLE // COLOUR_GRID
    return c.permute(0, 3, 1, 2).repeat_interleave(repeat, 2).repeat_interleave(repeat, 3)


class Draws:
    """Random draws for the pictures of a batch, on the device where they lie: a factor or a choice for each."""

    def __init__(self, rng, like):
        self.device = like.device
        self.generator = torch.Generator(self.device).manual_seed(int(rng.integers(2**63)))

    def uniform(self, low, high, *shape):
        return low + (high - low) * torch.rand(shape, generator=self.generator, device=self.device)

    def chance(self, p, *shape):
        """True with probability p, a number or a tensor that is broadcast."""
        return torch.rand(shape, generator=self.generator, device=self.device) < p

    def integer(self, low, high, *shape):
        """low..high, both included."""
        return torch.randint(low, high + 1, shape, generator=self.generator, device=self.device)

    def normal(self, *shape):
        return torch.randn(shape, generator=self.generator, device=self.device)

    def rectangles(self, batch, low, high, most, size=IMAGE_SIZE):
        """bool [B, size, size], true within 1..most rectangles of each, whose sides are low..high, cut at the border."""
        side = self.integer(low, high, batch, most, 2)
        start = self.integer(0, size - 1, batch, most, 2) - side // 2
        p = torch.arange(size, device=self.device)
        inside = (p >= start[..., None]) & (p < (start + side)[..., None])
        drawn = torch.arange(most, device=self.device) < self.integer(1, most, batch, 1)
        return (inside[:, :, 0, :, None] & inside[:, :, 1, None, :] & drawn[:, :, None, None]).any(1)


def dab(pictures, rng):
    """Colours as a hand dabs them on the grid: few of them, not quite right, and not everywhere.

    pictures uint8 [B,64,64,3]; returns colours [B,8,8,3] in -1..1 and known [B,8,8] bool. A person gives a cell on an edge
    the colour of one side, which the median of its pixels stands for, and whole regions one colour.
    """
    pixels = cells(pictures)
    b, middle = len(pixels), pixels.shape[3] // 2
    draw = Draws(rng, pixels)
    median = pixels.sort(3).values[..., middle - 1 : middle + 1, :].mean(3)
    colours = torch.where(draw.chance(0.5, b, 1, 1, 1), median, pixels.mean(3))
    regions = merge_near(colours.flatten(1, 2), draw.uniform(0.2, 0.7, b, 1, 1), draw).view_as(colours)
    colours = torch.where(draw.chance(0.5, b, 1, 1, 1), regions, colours)
    colours = colours + draw.normal(b, 1, 1, 3) * draw.uniform(0, 0.06, b, 1, 1, 1)
    colours = colours + draw.normal(*colours.shape) * draw.uniform(0, 0.06, b, 1, 1, 1)
    known = ~draw.chance(0.5, b, 1, 1) | draw.chance(draw.uniform(0, 1, b, 1, 1), b, COLOUR_GRID, COLOUR_GRID)
    kept = draw.rectangles(b, 1, COLOUR_GRID, 4, COLOUR_GRID) ^ draw.chance(0.3, b, 1, 1)
    known &= ~draw.chance(0.6, b, 1, 1) | kept
    known &= ~draw.chance(0.05, b, 1, 1)
    return colours.clamp(-1, 1), known | draw.chance(0.1, b, 1, 1)


def merge_near(colours, near, draw):
    """One after the other in random order, each of the colours [B,N,3] that is left takes those nearer than near [B,1,1].

    All pictures at once: a colour leads once no earlier one near to it may lead, and follows the first leader near to it.
    """
    close = (colours[:, :, None] - colours[:, None]).square().sum(3).sqrt() < near
    order = draw.uniform(0, 1, *colours.shape[:2])
    before = close & (order[:, None] < order[:, :, None])
    leads = torch.zeros_like(order, dtype=torch.bool)
    left = ~leads
    while left.any():
        follows = left & (before & leads[:, None]).any(2)
        first = left & ~(before & (left | leads)[:, None]).any(2)
        leads, left = leads | first, left & ~(first | follows)
    leader = order[:, None].expand_as(close).masked_fill(~(close & leads[:, None]), 2).argmin(2)
    return colours.gather(1, leader[..., None].expand_as(colours))


def vary_ink(ink, rng):
    """Drawings made by hand: paler or stronger, a bit beside, thicker, with parts not drawn. ink [B,1,64,64] in 0..1."""
    b, draw = len(ink), Draws(rng, ink)
    thick = torch.maximum(ink, F.max_pool2d(ink, 3, 1, 1) * draw.uniform(0.4, 1, b, 1, 1, 1))
    x = torch.where(draw.chance(0.15, b, 1, 1, 1), thick, ink)
    beside = 1 + draw.integer(-1, 1, b, 2, 1) * draw.chance(0.3, b, 1, 1)
    at = beside + torch.arange(IMAGE_SIZE, device=ink.device)  # [B, 2, 64]: rows and columns of the picture with a margin of 1
    picture = torch.arange(b, device=ink.device)[:, None, None]
    x = F.pad(x, (1, 1, 1, 1))[picture, 0, at[:, 0, :, None], at[:, 1, None, :]][:, None]
    x = (x * draw.uniform(0.6, 1.6, b, 1, 1, 1)).clamp(max=1)
    gone = draw.rectangles(b, 8, 44, 3) & draw.chance(0.5, b, 1, 1) | draw.chance(0.05, b, 1, 1)
    return x.masked_fill(gone[:, None], 0)


def drop_labels(masks, rng):
    """Partial masks: labels and rectangles that become UNKNOWN. masks uint8 [B,64,64]."""
    b, draw = len(masks), Draws(rng, masks)
    lost = draw.chance(draw.uniform(0, 1, b, 1), b, len(LABELS) + 1)  # the last one's stand for UNKNOWN itself
    gone = lost.gather(1, masks.flatten(1).long().clamp(max=len(LABELS))).view_as(masks)
    gone |= draw.rectangles(b, 8, 44, 3) & draw.chance(0.3, b, 1, 1)
    gone |= draw.chance(0.05, b, 1, 1)
    return masks.masked_fill(gone & ~draw.chance(0.15, b, 1, 1), UNKNOWN)
