"""Packs training data and weights small enough to travel to a machine with a GPU, and back.

    python -m pack --data ../dataset/out --runs runs --out pack            # one .npz a split, weights to start from
    python -m pack --unpack pack --runs runs                               # there: runs/none/export, to start from
    python -m train --network text --data pack/text.npz --out runs/text --init runs/none --minutes 10
    python -m pack --runs runs --out "$OUT"                                # there: the weights alone
    python -m pack --unpack DIR --runs runs                                # here: runs/<network>/export again

Each split holds only what its network needs: about 1.5 KB a picture, so that 5 splits of 6,000 and the unconditional
network stay below 60 MiB. Weights travel as fp16 EMA without the optimizer, in files below 16 MiB.
"""

import argparse
import json
import os
import zipfile

import numpy as np
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from data import VALIDATION, Split
from nets import MODALITIES

NEEDED = {"none": (), "sketch": ("ink",), "mask": ("masks",), "text": (), "colour": ()}
FILE = 15 << 20  # bytes of tensors in a file of weights
WEIGHTS = {"": "diffusion_pytorch_model.safetensors", "text_encoder/": "text_encoder/model.safetensors"}
TEXTS = ("config.json", "mcdm.json", "text_encoder/config.json", "text_encoder/vocab.txt")


def pack_split(split, modality, out, count):
    """Writes out/<modality>.npz with `count` pictures of a split, its validation pictures among them."""
    n = len(split)
    index = np.r_[0 : max(0, min(count, n) - VALIDATION), max(0, n - VALIDATION) : n]
    arrays = {name: np.asarray(getattr(split, name))[index] for name in ("pictures", "seeds", *NEEDED[modality])}
    if modality == "text":
        captions = json.dumps([split.captions[i] for i in index]).encode()
        arrays["captions"] = np.frombuffer(captions, np.uint8)
    arrays["about"] = np.frombuffer(json.dumps(split.about).encode(), np.uint8)
    path = os.path.join(out, modality + ".npz")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as z:
        for name, a in arrays.items():
            with z.open(name + ".npy", "w", force_zip64=True) as f:
                np.lib.format.write_array(f, np.ascontiguousarray(a), allow_pickle=False)
    return path


def pack_weights(folder, out):
    """Writes an exported folder as fp16 into a few files of at most 16 MiB; returns their paths."""
    texts = {}
    for name in TEXTS:
        path = os.path.join(folder, name)
        if os.path.exists(path):
            with open(path, encoding="utf-8") as f:
                texts[name] = f.read()
    parts, size = [{}], 0
    for prefix, name in WEIGHTS.items():
        path = os.path.join(folder, name)
        for key, w in load_file(path).items() if os.path.exists(path) else ():
            if size + 2 * w.numel() > FILE:
                parts, size = parts + [{}], 0
            parts[-1][prefix + key] = w.half()
            size += 2 * w.numel()
    modality = json.loads(texts["mcdm.json"])["modality"]
    paths = [os.path.join(out, f"{modality}.weights-{i}.safetensors") for i in range(len(parts))]
    for path, part in zip(paths, parts):
        save_file(part, path, metadata=texts)
    return paths


def unpack_weights(paths, folder):
    """The inverse: a diffusers folder with float32 tensors."""
    tensors = {}
    for path in paths:
        with safe_open(path, "pt") as f:
            texts = f.metadata()
            for key in f.keys():
                tensors[key] = f.get_tensor(key).float()
    for name, text in texts.items():
        os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(text)
    encoder = {k: v for k, v in tensors.items() if k.startswith("text_encoder/")}
    own = {k: v for k, v in tensors.items() if k not in encoder}
    save_file(own, os.path.join(folder, WEIGHTS[""]), metadata={"format": "pt"})
    if encoder:
        save_file({k.removeprefix("text_encoder/"): v for k, v in encoder.items()},
                  os.path.join(folder, WEIGHTS["text_encoder/"]))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", help="the dataset's folder with one folder a split")
    p.add_argument("--runs", default="runs")
    p.add_argument("--out", default="pack")
    p.add_argument("--count", type=int, default=6000, help="pictures of each split")
    p.add_argument("--networks", nargs="+", choices=MODALITIES, default=MODALITIES)
    p.add_argument("--weights", nargs="*", choices=MODALITIES,
                   help="networks whose weights are packed: with --data the unconditional one, else all")
    p.add_argument("--unpack", metavar="DIR", help="take weights from DIR back into --runs")
    a = p.parse_args()
    if a.unpack:
        names = sorted(n for n in os.listdir(a.unpack) if ".weights-" in n)
        for m in a.networks:
            paths = [os.path.join(a.unpack, n) for n in names if n.startswith(m + ".")]
            if paths:
                unpack_weights(paths, os.path.join(a.runs, m, "export"))
                print(f"{m}: {os.path.join(a.runs, m, 'export')}")
        return
    os.makedirs(a.out, exist_ok=True)
    weights = a.weights if a.weights is not None else ["none"] if a.data else a.networks
    paths = []
    for m in a.networks:
        if a.data:
            paths.append(pack_split(Split(os.path.join(a.data, m)), m, a.out, a.count))
        export = os.path.join(a.runs, m, "export")
        if m in weights and os.path.exists(os.path.join(export, "mcdm.json")):
            paths += pack_weights(export, a.out)
    for path in paths:
        print(f"{path}: {os.path.getsize(path) / 2**20:.1f} MiB")
    print(f"total {sum(map(os.path.getsize, paths)) / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
