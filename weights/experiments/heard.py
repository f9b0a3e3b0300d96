"""How much a long sentence's word for something small tells a network: by what share its loss there is less than with another word.

    python -m heard --data ../dataset/out cache/networks/text/export other/text/export

The split text's last portraits, on which nothing is trained, noised to some t: the error of v around the mouth (the brows), given
the sentence, and given it with the one word for the mouth ("a frowning person ...") put in for another kind's. Says sooner than
sampled pictures do whether training gets anywhere: these obey a word long after it is heard.
"""

import argparse
import os
import sys

import numpy as np
import torch
from torch.nn import functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "train"))
from data import Split, leak, lineage  # noqa: E402
from nets import LABELS, LATENT, UNSHUFFLE, Network, alphas_cumprod, to_z  # noqa: E402
from tokenizer import words  # noqa: E402

# Of an attribute the part where it shows, and the words that stand for one kind each.
SMALL = {
    "mouth": ("mouth", {"smiling": "smile", "smirking": "smirk", "laughing": "laugh", "grinning": "grin", "pouting": "pout", "surprised": "open",
                        "frowning": "frown", "sad": "frown", "nervous": "teeth", "serious": "serious"}),
    "eyebrows": ("brows", {w: w for w in ("dot", "raised", "thick", "thin", "angry", "bushy", "uneven", "worried", "broken")}),
}
LEVELS = (350, 500, 650)
BATCH = 32


def other(text, kinds, rng):
    """The text with its one word of kinds put in for one of another kind; None where it has none, or several."""
    text = words(text)
    at = [i for i, w in enumerate(text) if w in kinds]
    if len(at) != 1:
        return None
    text[at[0]] = rng.choice([w for w, kind in kinds.items() if kind != kinds[text[at[0]]]])
    return " ".join(text)


@torch.no_grad()
def losses(network, split, index, texts, label, t):
    """The mean squared error of v at t, given texts, in the pixels of the label and next to them."""
    ids, abar = torch.tensor([network.tokenizer(s) for s in texts]), alphas_cumprod()[t].float()
    a, s, generator = abar.sqrt(), (1 - abar).sqrt(), torch.Generator().manual_seed(t)
    error = pixels = 0.0
    for i in range(0, len(index), BATCH):
        x = to_z(split.rows("pictures", index[i : i + BATCH]))
        eps = torch.randn(x.shape, generator=generator)
        there = F.max_pool2d((split.rows("masks", index[i : i + BATCH]) == label)[:, None].float(), 3, 1, 1)
        there = F.pixel_unshuffle(there.expand(-1, LATENT // UNSHUFFLE**2, -1, -1), UNSHUFFLE)
        v = network(a * x + s * eps, torch.full((len(x),), t), ids[i : i + BATCH])
        error += ((v - (a * eps - s * x)).square() * there).sum().item()
        pixels += there.sum().item()
    return error / pixels


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", required=True)
    p.add_argument("exports", nargs="+", help="folders of text networks")
    a = p.parse_args()
    split = Split(os.path.join(a.data, "text"))
    for export in a.exports:
        if why := leak(split, lineage(export)):
            p.error(f"{export}: {why}")
    held = range(len(split) - split.validation, len(split))
    print("| network | word for | sentences |" + "".join(f" t = {t} |" for t in LEVELS))
    print("|---|---|---|" + "---|" * len(LEVELS))
    for export in a.exports:
        network = Network.load(export)
        for attribute, (part, kinds) in SMALL.items():
            rng = np.random.default_rng(0)
            swapped = {i: text for i in held if (text := other(split.captions[i], kinds, rng))}
            if not swapped:
                p.error(f"{a.data}: no sentence of the last {len(held)} portraits has one word for the {attribute}")
            index, right = np.array(list(swapped)), [split.captions[i] for i in swapped]
            gains = []
            for t in LEVELS:
                own, another = (losses(network, split, index, texts, LABELS.index(part), t) for texts in (right, list(swapped.values())))
                gains.append(1 - own / another)
            print(f"| {os.path.normpath(export)} | {attribute} | {len(index)} |" + "".join(f" {100 * g:.1f}% |" for g in gains), flush=True)


if __name__ == "__main__":
    main()
