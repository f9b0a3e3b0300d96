"""What the experiments measure. Functions of arrays; no file is read here.

A picture is uint8 [64,64,3], ink is bool [64,64], a mask uint8 [64,64] with UNKNOWN where no label was given. `edge_f1` and
`mean_iou` take counts summed over portraits, `kernel_distance` how often each portrait counts: a bootstrap only has to draw that.
"""

import os
import sys

import numpy as np
import torch
from torch.nn import functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "train"))
from data import UNKNOWN  # noqa: E402
from nets import LABELS  # noqa: E402

# Of the steepest change of a colour, levels of 255 a pixel, from where on it is an edge; and of ink, from where on it is a
# line. 300 training portraits score F1 .987 at 10, .984 at 15, .977 at 20, .950 at 30, .868 at 50 against their own sketches,
# and .64 to .57 against each other's: 20 costs little and lets fainter mottling pass that nobody would call an edge.
EDGE, LINE = 20.0, 0.35
TOLERANCE = 1  # pixels, along each axis
RESAMPLES = 1000


def edges(pictures):
    """Edges of [N,64,64,3]: bool [N,64,64]. Where the steepest colour changes by EDGE a pixel or more and is at its steepest.

    Sobel's derivatives of each colour, of the colour with the largest one; thinned along the gradient's nearest axis or
    diagonal as by Canny 1986.
    """
    x = torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float()
    n, c, h, w = x.shape
    sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
    x = F.pad(x, (1, 1, 1, 1), mode="replicate").reshape(n * c, 1, h + 2, w + 2)
    g = F.conv2d(x, torch.stack([sobel, sobel.T])[:, None]).reshape(n, c, 2, h, w)
    size, strongest = g.square().sum(2).sqrt().max(1)
    g = g.gather(1, strongest[:, None, None].expand(n, 1, 2, h, w))[:, 0]
    direction = (torch.atan2(g[:, 1], g[:, 0]) / (np.pi / 4)).round().long() % 4
    padded = F.pad(size, (1, 1, 1, 1))

    def at(dy, dx):
        return padded[:, 1 + dy : 1 + dy + h, 1 + dx : 1 + dx + w]

    steepest = torch.zeros_like(size, dtype=torch.bool)
    for k, (dy, dx) in enumerate(((0, 1), (1, 1), (1, 0), (1, -1))):
        # Of two equal neighbours one stays.
        steepest |= (direction == k) & (size >= at(dy, dx)) & (size > at(-dy, -dx))
    return (steepest & (size >= EDGE)).numpy()


def lines(ink):
    """Where a sketch has a line: ink uint8 [N,64,64], 255 = line -> bool."""
    return np.asarray(ink) >= LINE * 255


def edge_counts(found, drawn):
    """[found near a line, found, lines near an edge, lines], in pixels: what `edge_f1` needs of one picture."""
    def near(a):
        a = torch.from_numpy(a[None, None].astype(np.float32))
        return F.max_pool2d(a, 2 * TOLERANCE + 1, 1, TOLERANCE)[0, 0].numpy() > 0

    return np.array([(found & near(drawn)).sum(), found.sum(), (drawn & near(found)).sum(), drawn.sum()])


def edge_f1(counts):
    """Harmonic mean of precision and recall of edge_counts, summed over pictures or of one."""
    hit, found, met, drawn = counts
    if found == 0 or drawn == 0:
        return float(found == drawn)
    precision, recall = hit / found, met / drawn
    return 2 * precision * recall / max(precision + recall, 1e-12)


def chamfer(found, drawn):
    """Mean of the two mean distances, in pixels, from each edge to the nearest line and back; the diagonal where one is empty."""
    a, b = (torch.from_numpy(np.argwhere(x)).float() for x in (found, drawn))
    if len(a) == 0 or len(b) == 0:
        return 0.0 if len(a) == len(b) else float(np.hypot(*found.shape))
    d = torch.cdist(a, b)
    return float((d.amin(1).mean() + d.amin(0).mean()) / 2)


def colour_distance(pictures, wanted, cells=8):
    """Mean distance of the mean colours of cells x cells parts, levels of 255: [N] of uint8 [N,64,64,3], [N,64,64,3]."""
    def means(x):
        n, side = len(x), x.shape[1] // cells
        return np.asarray(x).reshape(n, cells, side, cells, side, 3).mean((2, 4))

    return np.abs(means(pictures) - means(wanted)).mean((1, 2, 3))


def intersections(found, wanted):
    """Pixels by part, of those with a wanted label: in both, in either. int64 [2, P]."""
    known = wanted != UNKNOWN
    pair = np.bincount(wanted[known].astype(np.int64) * len(LABELS) + found[known], minlength=len(LABELS) ** 2)
    m = pair.reshape(len(LABELS), len(LABELS))
    both = np.diag(m)
    return np.stack([both, m.sum(0) + m.sum(1) - both])


def mean_iou(counts, parts=slice(None)):
    """Mean over the parts that occur of intersections, summed over pictures or of one."""
    both, either = counts[0][parts], counts[1][parts]
    there = either > 0
    return float((both[there] / either[there]).mean()) if there.any() else float("nan")


def frechet(a, b):
    """Frechet distance of two sets of features [N,F], [M,F] taken as Gaussians; biased upwards where N is not far above F."""
    def moments(x):
        return x.mean(0), np.cov(x, rowvar=False)

    (m, s), (n, t) = moments(a), moments(b)
    root = np.sqrt(np.maximum(np.linalg.eigvals(s @ t).real, 0)).sum()
    return float(np.square(m - n).sum() + np.trace(s) + np.trace(t) - 2 * root)


def kernel_distance(a, b, weights=None):
    """Unbiased squared maximum mean discrepancy (Gretton et al. 2012, lemma 6), kernel (x.y/F + 1)^3 (Binkowski et al. 2018).

    weights [N]: how often each of `a` counts. Pairs of one with itself never count, so that a resampled set, in which
    some repeat, is as unbiased as the first.
    """
    def kernel(x, y):
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x, w):
        k = kernel(x, x)
        np.fill_diagonal(k, 0)
        pairs = np.outer(w, w)
        np.fill_diagonal(pairs, 0)
        return (k * pairs).sum() / pairs.sum()

    w = np.ones(len(a)) if weights is None else weights
    return float(within(a, w) + within(b, np.ones(len(b))) - 2 * (w @ kernel(a, b)).mean() / w.sum())


def spread(features):
    """Mean distance between two of the features [S,F] of one portrait's samples."""
    d = torch.cdist(*2 * (torch.from_numpy(features)[None].double(),))[0].numpy()
    return float(d[np.triu_indices(len(d), 1)].mean())


def interval(statistic, n, rng):
    """95% bootstrap interval of statistic(weights [n]) over n portraits drawn again."""
    values = [statistic(np.bincount(rng.integers(0, n, n), minlength=n)) for _ in range(RESAMPLES)]
    return tuple(np.nanpercentile(values, (2.5, 97.5)))
