"""Packs weights small enough to travel from a machine with a GPU.

    python -m pack --runs runs --out DIR               # there: fp16 in files below 16 MiB, without the optimizer
    python -m pack --unpack DIR --runs runs            # here: runs/<network>/export again

Data need not travel: the builder makes a split there in seconds (--packed).
"""

import argparse
import json
import os

from safetensors import safe_open
from safetensors.torch import load_file, save_file

from nets import JOINT, MODALITIES

FILE = 15 << 20  # bytes of tensors in a file of weights
WEIGHTS = {"": "diffusion_pytorch_model.safetensors", "text_encoder/": "text_encoder/model.safetensors"}
TEXTS = ("config.json", "mcdm.json", "text_encoder/config.json", "text_encoder/vocab.txt")


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
    p.add_argument("--runs", required=True)
    p.add_argument("--networks", nargs="+", choices=(*MODALITIES, JOINT), default=(*MODALITIES, JOINT))
    way = p.add_mutually_exclusive_group(required=True)
    way.add_argument("--out", metavar="DIR", help="pack the runs' weights into DIR")
    way.add_argument("--unpack", metavar="DIR", help="take weights from DIR into --runs")
    a = p.parse_args()
    for network in a.networks:
        export = os.path.join(a.runs, network, "export")
        if a.unpack:
            paths = sorted(n for n in os.listdir(a.unpack) if n.startswith(network + ".weights-"))
            if paths:
                unpack_weights([os.path.join(a.unpack, n) for n in paths], export)
                print(export)
        elif os.path.exists(os.path.join(export, "mcdm.json")):
            os.makedirs(a.out, exist_ok=True)
            for path in pack_weights(export, a.out):
                print(f"{path}: {os.path.getsize(path) / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
