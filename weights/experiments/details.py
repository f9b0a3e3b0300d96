"""How often a sentence that says one thing is obeyed, attribute by attribute, from the sentence alone.

    go run ../cmd/bundle export ../bundles/avatars --network none=cache/networks/none/export   # and so for text
    python -m details --data ../dataset/out --judge cache/judge.pt --networks cache/networks other/networks

The sentences are the `details` of the split text's last portraits, on which nothing is trained. Sampled in PyTorch, as quick.py
does, and judged as report.py judges. What comes true in pictures of other sentences, which say nothing of it, does so by chance.
"""

import argparse
import os
import sys

import numpy as np
import torch

from judges import ATTRIBUTES, TRUSTED, attributes, look
from measure import Held
from quick import Merge, sample

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "train"))
from data import Split  # noqa: E402
from nets import Network, to_pictures  # noqa: E402

BATCH = 64


def sentences(split, portraits):
    """The details of the last `portraits`, their texts, what each says, bool [S, A], and the values that are meant, int64 [S, A]."""
    if portraits > split.validation:
        raise ValueError(f"--portraits {portraits}: the last {split.validation} are not trained on")
    texts, said, values = [], [], []
    for r in split.portraits[-portraits:]:
        for d in r.get("details", []):
            texts.append(d["caption"])
            said.append([name in d["said"] for name in ATTRIBUTES])
            values.append(attributes(r))
    if not texts:
        raise ValueError("the split's captions have no details: build it again (make data)")
    return texts, np.array(said), np.array(values)


def obeyed(seen, said, values):
    """Of what the judge saw, int64 [S, A]: by attribute how many sentences say it, how often it came true then, and how often it
    did in all pictures whose sentences do not say it."""
    out = {}
    for i, name in enumerate(ATTRIBUTES):
        asked = said[:, i]
        if asked.any() and not asked.all():
            other = seen[~asked, i]
            chance = np.mean([(other == v).mean() for v in values[asked, i]])
            out[name] = int(asked.sum()), float((seen[asked, i] == values[asked, i]).mean()), float(chance)
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", required=True)
    p.add_argument("--judge", required=True)
    p.add_argument("--networks", required=True, nargs="+", help="folders with none/export and text/export: a column each")
    p.add_argument("--portraits", type=int, default=48)
    p.add_argument("--levels", type=int, default=15)
    p.add_argument("--weight", type=float, default=2.0, help="of the sentence; the page's: 2")
    p.add_argument("--end", type=float, default=1.0, help="share of the way after which it lets go")
    a = p.parse_args()
    held = Held(a.data, a.judge)
    try:
        texts, said, values = sentences(Split(os.path.join(a.data, "text")), a.portraits)
    except ValueError as err:
        p.error(str(err))
    columns = []
    for folder in a.networks:
        networks = {m: Network.load(os.path.join(folder, m, "export")) for m in ("none", "text")}
        ids, pictures = torch.tensor([networks["text"].tokenizer(t) for t in texts]), []
        for i in range(0, len(ids), BATCH):
            merge = Merge(networks, {"text": ids[i : i + BATCH]}, {"text": a.weight}, {"text": a.end})
            pictures.append(to_pictures(sample(merge, len(ids[i : i + BATCH]), "ddim", a.levels, seed=i)).numpy())
        columns.append(obeyed(look(held.judge, np.concatenate(pictures))[2], said, values))
    print(f"{len(texts)} sentences of {a.portraits} portraits, {a.levels} levels, weight {a.weight:g}, end {a.end:g}; judge below "
          f"{TRUSTED:g}: in brackets\n")
    print("| attribute | sentences |" + "".join(f" {os.path.normpath(n)} | by chance |" for n in a.networks))
    print("|---|---|" + "---|---|" * len(columns))
    for name, (count, _, _) in columns[0].items():
        trusted = held.scores["attributes"][name]["accuracy"] >= TRUSTED
        print(f"| {name if trusted else f'({name})'} | {count} |" + "".join(f" {c[name][1]:.2f} | {c[name][2]:.2f} |" for c in columns))


if __name__ == "__main__":
    main()
