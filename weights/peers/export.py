"""One composed step of the avatars' four networks for the peers: ONNX files, the step's inputs and what PyTorch makes of them.

    python export.py NETWORKS OUT

NETWORKS holds the folders none, sketch, mask and text that `bundle export` wrote. OUT gets

    step.onnx         all four networks and their merge as one graph: one session, one run per step
    step.safetensors  sample, timestep, cond.sketch, cond.mask, encoder_hidden_states.text; abar, the schedule;
                      and eps, PyTorch's merged prediction, which every peer must reach

The sentence is encoded here, once, since no implementation encodes it again at every step.
"""

import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "train"))

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from data import encode_mask
from nets import IMAGE_SIZE, LATENT, UNSHUFFLE, Network, alphas_cumprod

EXAMPLES = os.path.join(HERE, "..", "dataset", "examples")
NETWORKS = ("none", "sketch", "mask", "text")
TIMESTEP, SEED = 400, 0
OPSET = 18


class Step(nn.Module):
    """(12) with every weight 1: eps_c = sum_i eps_i - (N - 1) eps_0, from networks that predict v."""

    def __init__(self, networks):
        super().__init__()
        self.none, self.sketch, self.mask, self.text = (networks[m].unet for m in NETWORKS)
        self.register_buffer("abar", alphas_cumprod().float())

    def forward(self, z, t, sketch, mask, text):
        """z [1, 12, 32, 32], t [1], sketch [1, 4, 32, 32], mask [1, 44, 32, 32], text [1, L, D] -> eps_c like z."""
        v = (self.sketch(torch.cat([z, sketch], 1), t).sample + self.mask(torch.cat([z, mask], 1), t).sample
             + self.text(z, t, text).sample - 2 * self.none(z, t).sample)
        abar = self.abar[t.long()].view(-1, 1, 1, 1)
        return abar.sqrt() * v + (1 - abar).sqrt() * z


def halve(a, how):
    """A picture of twice the networks' size: every second pixel, or the mean of each four."""
    return a[::2, ::2] if how == "labels" else a.reshape(IMAGE_SIZE, 2, IMAGE_SIZE, 2).mean((1, 3))


def inputs(networks):
    """The first example's drawing, parts and sentence, and noise."""
    with open(os.path.join(EXAMPLES, "examples.json"), encoding="utf-8") as f:
        example = json.load(f)[0]

    def image(kind):
        return Image.open(os.path.join(EXAMPLES, f"{example['seed']}-{kind}.png"))

    ink = 1 - halve(np.asarray(image("sketch").convert("L"), np.float32), "ink") / 255
    text = networks["text"]
    return {
        "sample": torch.randn(1, LATENT, IMAGE_SIZE // UNSHUFFLE, IMAGE_SIZE // UNSHUFFLE,
                              generator=torch.Generator().manual_seed(SEED)),
        "timestep": torch.tensor([float(TIMESTEP)]),
        "cond.sketch": F.pixel_unshuffle(torch.from_numpy(ink)[None, None], UNSHUFFLE),
        "cond.mask": encode_mask(halve(np.asarray(image("mask")), "labels")[None]),
        "encoder_hidden_states.text": text.text_encoder(torch.tensor([text.tokenizer(example["caption"])])),
    }


@torch.no_grad()
def main(folder, out):
    os.makedirs(out, exist_ok=True)
    networks = {m: Network.load(os.path.join(folder, m)) for m in NETWORKS}
    step, x = Step(networks).eval(), inputs(networks)
    args = tuple(x.values())
    x["eps"] = step(*args)
    x["abar"] = step.abar

    # The exporter that traces gives the plainer graph: group norm as reshapes around one InstanceNormalization.
    torch.onnx.export(step, args, os.path.join(out, "step.onnx"), dynamo=False, opset_version=OPSET,
                      input_names=["z", "t", "sketch", "mask", "text"], output_names=["eps"])
    # Last: whoever finds it finds all.
    save_file({k: v.contiguous() for k, v in x.items()}, os.path.join(out, "step.safetensors"))


if __name__ == "__main__":
    main(*sys.argv[1:])
