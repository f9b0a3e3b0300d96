"""Judges the sampled pictures of the experiments: cells of index.json as numbers by portrait."""

import functools
import json
import os

import numpy as np
from PIL import Image

from judges import ATTRIBUTES, REFERENCE, TRUSTED, Split, attributes, load, look, records, said
from metrics import (LABELS, chamfer, colour_distance, edge_counts, edge_f1, edges, frechet, intersections, interval, kernel_distance, lines,
                     mean_iou, spread)


class Held:
    """The held-out portraits as the judge is told to look at them."""

    def __init__(self, data, judge_path):
        folder = os.path.join(data, "test")
        self.split, lines_ = Split(folder), records(folder)
        self.captions = self.split.captions
        self.at = {int(seed): i for i, seed in enumerate(self.split.seeds)}
        self.ink = lines(self.split.ink)
        self.masks = np.asarray(self.split.masks)
        self.attributes = np.array([attributes(r) for r in lines_])
        self.judge = load(judge_path)
        with open(judge_path.removesuffix(".pt") + ".json") as f:
            self.scores = json.load(f)
        self.parts = [i for i, name in enumerate(LABELS) if self.scores["parts"][name] >= TRUSTED]
        trusted = np.array([self.scores["attributes"][name]["accuracy"] >= TRUSTED for name in ATTRIBUTES])
        # By whether the sentence is a brief one.
        self.said = {brief: np.array([said(r, brief) for r in lines_]) & trusted for brief in (False, True)}
        _, reference, _ = look(self.judge, self.split.pictures[REFERENCE])
        self.scale = reference.std(0)  # distances are in deviations of held-out portraits
        self.reference = reference / self.scale
        # Of pictures unlike all that it learnt from, good ones among them, the judge's features may be many times anything
        # it ever said, and one such picture would decide a kernel's mean: none counts as farther out than these.
        self.least, self.most = self.reference.min(0), self.reference.max(0)

    def features(self, found):
        """What look found [n,F], in deviations of held-out portraits and within their range."""
        return np.clip(found / self.scale, self.least, self.most)


class Seen:
    """What was seen in pictures that shall obey the conditions of portraits: arrays with a row a portrait."""

    def __init__(self, held, portraits, pictures, obey=None, brief=False):
        """portraits: numbers [n]; pictures uint8 [n,64,64,3]; obey: whose conditions they are held against, if not their own;
        brief: their sentences are the brief ones."""
        self.portraits, self.held = np.asarray(portraits), held
        obey = self.portraits if obey is None else np.asarray(obey)
        if len(self.portraits) == 0:
            return
        parts, features, values = look(held.judge, pictures)
        self.features = held.features(features)
        found = edges(pictures)
        self.edges = np.array([edge_counts(f, held.ink[i]) for f, i in zip(found, obey)])
        self.chamfer = np.array([chamfer(f, held.ink[i]) for f, i in zip(found, obey)])
        self.colours = colour_distance(pictures, held.split.pictures[obey])
        self.iou = np.array([intersections(p, held.masks[i]) for p, i in zip(parts, obey)])
        self.told = held.said[brief][obey]  # bool [n,A]
        self.right = (values == held.attributes[obey]) & self.told

    def only(self, portraits):
        """The same for some of the portraits."""
        keep = np.isin(self.portraits, portraits)
        out = Seen(self.held, [], [])
        for name in ("portraits", "features", "edges", "chamfer", "colours", "iou", "told", "right"):
            setattr(out, name, getattr(self, name)[keep])
        return out

    # Each score takes how often each portrait counts.
    def sketch(self, w):
        return edge_f1(w @ self.edges)

    def distance(self, w):
        return float(w @ self.chamfer / w.sum())

    def colour(self, w):
        return float(w @ self.colours / w.sum())

    def mask(self, w):
        return mean_iou(np.tensordot(w, self.iou, 1), self.held.parts)

    def text(self, w):
        return float((w @ self.right).sum() / max(1, (w @ self.told).sum()))

    def kernel(self, w):
        return kernel_distance(self.features, self.held.reference, w)

    def scores(self):
        """name: (value, low, high), for the table's columns; None where there are too few portraits."""
        n, out = len(self.portraits), {}
        if n == 0:
            return out
        for name, least in (("sketch", 1), ("distance", 1), ("mask", 1), ("text", 1), ("colour", 1), ("kernel", 10)):
            f = getattr(self, name)
            known = n >= least and not (name == "mask" and not self.held.parts) and not (name == "text" and not self.told.sum())
            out[name] = bounded(f, n) if known else None
        # No interval: portraits that are drawn twice make a set narrower, and the distance of every resampled set larger.
        out["frechet"] = (frechet(self.features, self.held.reference), np.nan, np.nan) if n >= 70 else None
        return out


def bounded(score, n):
    """(value, low, high) of a score of n portraits; an interval of fewer than five says nothing."""
    return (float(score(np.ones(n))), *(interval(score, n, np.random.default_rng(0)) if n >= 5 else (np.nan, np.nan)))


def read_cell(samples, entry, held):
    """The pictures of a cell: {portrait: {seed: uint8 [64,64,3]}}."""
    folder, out = os.path.join(samples, entry["folder"]), {}
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        stem, kind = os.path.splitext(name)
        if kind != ".png":
            continue
        portrait, seed = (int(x) for x in stem.split("-"))
        i = held.at[portrait]
        if entry["first"] <= i < entry["first"] + entry["count"]:
            out.setdefault(i, {})[seed] = np.asarray(Image.open(os.path.join(folder, name)).convert("RGB"))
    return out


def see(held, pictures, seed=0, brief=False):
    """Seen, of one seed of every portrait of read_cell."""
    order = sorted(i for i in pictures if seed in pictures[i])
    return Seen(held, order, np.array([pictures[i][seed] for i in order]) if order else [], brief=brief)


def diversity(held, pictures, seeds):
    """(value, low, high, portraits): mean distance between two of the `seeds` samples of one portrait; None if there is none."""
    whole = [i for i in sorted(pictures) if len(pictures[i]) >= seeds]
    if not whole:
        return None
    each = []
    for i in whole:
        _, features, _ = look(held.judge, np.array([pictures[i][s] for s in sorted(pictures[i])[:seeds]]))
        each.append(spread(held.features(features)))
    return (*bounded(lambda w: w @ each / w.sum(), len(each)), len(each))


def averaged(seen, name):
    """A score as a function of how often each portrait counts: the mean of it over what was seen with several seeds."""
    return lambda w: np.mean([getattr(s, name)(w) for s in seen])


def mean(seen, name):
    """Such a score: (value, low, high)."""
    return bounded(averaged(seen, name), len(seen[0].portraits))


def paired(a, b, name):
    """The difference b - a of such scores over the portraits of all: (value, low, high, portraits); None of fewer than five."""
    common = functools.reduce(np.intersect1d, (s.portraits for s in (*a, *b)))
    if len(common) < 5:
        return None
    a, b = (averaged([s.only(common) for s in seen], name) for seen in (a, b))
    return (*bounded(lambda w: b(w) - a(w), len(common)), len(common))


def read_index(samples):
    with open(os.path.join(samples, "index.json")) as f:
        return json.load(f)
