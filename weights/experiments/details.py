"""How often a sentence is obeyed, attribute by attribute, from the sentence alone: one that says one thing, or a whole one.

    go run ../cmd/bundle export ../bundles/avatars --network none=cache/networks/none/export   # and so for text
    python -m details --data ../dataset/out --judge cache/judge.pt --networks cache/networks other/networks

The sentences are the `details` of the split text's last portraits, on which nothing is trained, or with --whole their captions, which
say eight things or so. Sampled in PyTorch, as quick.py does, and judged as report.py judges. What comes true in pictures of other
sentences, which say nothing of it, does so by chance.
"""

import argparse
import os
import sys

import numpy as np
import torch

from judges import ATTRIBUTES, NONE, TRUSTED, attributes, look
from measure import Held
from quick import Merge, sample

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "train"))
from data import Split, leak, lineage  # noqa: E402
from nets import Network, to_pictures  # noqa: E402
from tokenizer import words  # noqa: E402

BATCH = 64


def sentences(split, portraits, whole=False):
    """The details, or captions, of the last `portraits`: texts, what each says, bool [S, A], which values obey it, bool [S, A, V]."""
    if not 1 <= portraits <= split.validation:
        raise ValueError(f"--portraits {portraits}: want 1 to {split.validation}, the last {split.validation} are not trained on")
    texts, said, right = [], [], []
    for r in split.portraits[-portraits:]:
        for d in [r] if whole else r.get("details", []):
            texts.append(d["caption"])
            said.append([name in d["said"] for name in ATTRIBUTES])
            right.append(obeying(d["caption"], attributes(r)))
    if not texts:
        raise ValueError("the split's captions have no details: build it again (make data)")
    return texts, np.array(said), np.array(right)


def obeying(text, values):
    """Which values obey a sentence about a portrait with these, bool [A, V]: they alone, but for all ponytails that "a ponytail" is."""
    right = values[:, None] == np.arange(max(map(len, ATTRIBUTES.values())))
    styles, i = ATTRIBUTES["hair_style"], list(ATTRIBUTES).index("hair_style")
    if said := set(words(text)) & set(styles[values[i]].split() if values[i] != NONE else ()):
        right[i, : len(styles)] = [said <= set(s.split()) for s in styles]
    return right


def obeyed(seen, said, right):
    """Of what the judge saw, int64 [S, A]: by attribute in how many of the sentences that say it, of how many, it came true, and how
    often it did in pictures of the others, of how many."""
    out = {}
    for i, name in enumerate(ATTRIBUTES):
        asked = said[:, i]
        if asked.any() and not asked.all():
            chance = right[asked, i][:, seen[~asked, i]].mean()
            out[name] = int(right[asked, i, seen[asked, i]].sum()), int(asked.sum()), float(chance), int((~asked).sum())
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", required=True)
    p.add_argument("--judge", required=True)
    p.add_argument("--networks", required=True, nargs="+", help="folders with none/export and text/export: a column each")
    p.add_argument("--portraits", type=int, default=48)
    p.add_argument("--whole", action="store_true", help="captions, not details")
    p.add_argument("--levels", type=int, default=15)
    p.add_argument("--weight", type=float, default=2.0, help="of the sentence; the page's: 2")
    p.add_argument("--end", type=float, default=1.0, help="share of the way after which it lets go")
    a = p.parse_args()
    split = Split(os.path.join(a.data, "text"))
    exports = [{m: os.path.join(folder, m, "export") for m in ("none", "text")} for folder in a.networks]
    for export in (e for of in exports for e in of.values()):
        if why := leak(split, lineage(export)):
            p.error(f"{export}: {why}")
    try:
        texts, said, right = sentences(split, a.portraits, a.whole)
    except ValueError as err:
        p.error(str(err))
    held, columns = Held(a.data, a.judge), []
    for of in exports:
        networks = {m: Network.load(export) for m, export in of.items()}
        ids, pictures = torch.tensor([networks["text"].tokenizer(t) for t in texts]), []
        for i in range(0, len(ids), BATCH):
            merge = Merge(networks, {"text": ids[i : i + BATCH]}, {"text": a.weight}, {"text": a.end})
            pictures.append(to_pictures(sample(merge, len(ids[i : i + BATCH]), "ddim", a.levels, seed=i)).numpy())
        columns.append(obeyed(look(held.judge, np.concatenate(pictures))[2], said, right))
    print(f"{len(texts)} sentences of {a.portraits} portraits, {a.levels} levels, weight {a.weight:g}, end {a.end:g}; judge below "
          f"{TRUSTED:g}: in brackets\n")
    print("| attribute |" + "".join(f" {os.path.normpath(n)} | by chance |" for n in a.networks))
    print("|---|" + "---|---|" * len(columns))
    trusted = {name for name in columns[0] if held.scores["attributes"][name]["accuracy"] >= TRUSTED}
    for name in columns[0]:
        print(f"| {name if name in trusted else f'({name})'} |" + "".join(
            f" {true / asked:.2f} ({true} of {asked}) | {chance:.2f} (of {others}) |" for true, asked, chance, others in (c[name] for c in columns)))
    if trusted:  # each as often as it is said
        sums = [np.array([(true, asked, chance * asked) for true, asked, chance, _ in (c[name] for name in trusted)]).sum(0) for c in columns]
        print("| all without brackets |" + "".join(
            f" {true / asked:.3f} ({true:.0f} of {asked:.0f}) | {chance / asked:.3f} |" for true, asked, chance in sums))


if __name__ == "__main__":
    main()
