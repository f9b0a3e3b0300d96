"""The networks, by the name of their modality, and the folders they are exported to.

All see z = pixel_unshuffle(picture, 2): [B, 12, 32, 32]. Spatial conditions are concatenated after z: those of pixels
unshuffled alike, a grid of colours repeated to z's size. Text enters by cross-attention.
"""

import json
import os
import shutil

import torch
from diffusers import UNet2DConditionModel, UNet2DModel
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from text_encoder import TextEncoder
from tokenizer import LENGTH, Tokenizer

MODALITIES = ("none", "sketch", "mask", "text", "colour")
# One network that takes all of them at once, to compare the merge with: spatial conditions concatenated in this order,
# text by cross-attention. What is not given is an empty sketch, a mask that is nowhere known, a text without words.
JOINT, JOINT_SPATIAL = "joint", ("sketch", "mask")
LABELS = ["background", "skin", "hair", "brows", "eyes", "nose", "mouth", "glasses", "beard", "earrings", "accessories"]
IMAGE_SIZE, UNSHUFFLE = 64, 2
LATENT = 3 * UNSHUFFLE**2
COLOUR_GRID = 8  # cells of a side, each of one mean colour
# Channels that are concatenated to z.
CONDITION_CHANNELS = {"none": 0, "sketch": UNSHUFFLE**2, "mask": len(LABELS) * UNSHUFFLE**2, "text": 0, "colour": 4}
CONDITION_CHANNELS[JOINT] = sum(CONDITION_CHANNELS[m] for m in JOINT_SPATIAL)
SCHEDULE = {"name": "linear", "num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02}
WIDTHS, TEXT_WIDTH = (64, 128, 192), 128
# Groups of 8 channels and more: group norm erases each group's mean over the picture, and with the usual 32 groups of two
# channels a network this narrow does not learn the mean of eps, which at high t alone decides the colours.
GROUPS = 8


def reads_text(modality):
    return modality in ("text", JOINT)


def move(condition, device):
    """A condition, the two of a joint network or none, on another device."""
    if isinstance(condition, tuple):
        return tuple(c.to(device) for c in condition)
    return condition if condition is None else condition.to(device)


def alphas_cumprod():
    """abar_t for t = 0..T-1, float64 [T]."""
    beta = torch.linspace(SCHEDULE["beta_start"], SCHEDULE["beta_end"], SCHEDULE["num_train_timesteps"],
                          dtype=torch.float64)
    return torch.cumprod(1 - beta, 0)


def unet(modality, widths=WIDTHS, groups=GROUPS):
    size = IMAGE_SIZE // UNSHUFFLE
    common = dict(sample_size=size, out_channels=LATENT, block_out_channels=widths, layers_per_block=1,
                  norm_num_groups=groups)
    channels = LATENT + CONDITION_CHANNELS[modality]
    if reads_text(modality):
        return UNet2DConditionModel(
            in_channels=channels,
            down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
            mid_block_type="UNetMidBlock2DCrossAttn",
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
            # In UNet2DConditionModel this is the number of heads, whatever its name says (diffusers issue 2011).
            attention_head_dim=4,
            cross_attention_dim=TEXT_WIDTH,
            **common)
    return UNet2DModel(
        in_channels=channels,
        down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        attention_head_dim=32,  # channels of a head
        **common)


PARTS = ("coarse", "attention")  # of a network that can be trained alone


class Network(nn.Module):
    """A model of v: a UNet, with its text encoder where it has one."""

    prediction_type = "v_prediction"

    def __init__(self, modality, tokenizer=None, widths=WIDTHS, groups=GROUPS):
        super().__init__()
        self.modality, self.tokenizer = modality, tokenizer
        self.unet = unet(modality, widths, groups)
        if reads_text(modality):
            self.text_encoder = TextEncoder(len(tokenizer), TEXT_WIDTH, max_position_embeddings=LENGTH)

    def forward(self, z, t, condition=None):
        """v [B, 12, h, w] for z [B, 12, h, w], t [B]; condition: None, [B, Cc, h, w], token ids [B, L], or these two."""
        spatial, ids = condition if self.modality == JOINT else (None, condition) if reads_text(self.modality) else (condition, None)
        x = z if spatial is None else torch.cat([z, spatial], 1)
        if ids is None:
            return self.unet(x, t).sample
        return self.unet(x, t, self.text_encoder(ids)).sample

    def start_from(self, folder):
        """Starts from an exported network, unconditional or of the same modality, or a joint one from text; returns how many tensors
        were taken, of how many.

        New input channels get zero weights, so that a spatial network begins as the unconditional one. Where text is read there
        are other attention layers: it takes all that agree in name and shape, and its attention starts by adding nothing. From a
        network that reads text the encoder is taken as well; its tokenizer must be that network's.
        """
        with open(os.path.join(folder, "mcdm.json")) as f:
            modality = json.load(f)["modality"]
        if modality not in ("none", self.modality) and (modality, self.modality) != ("text", JOINT):
            raise ValueError(f"{folder}: a network of {self.modality} does not start from one of {modality}")
        source = load_file(os.path.join(folder, "diffusion_pytorch_model.safetensors"))
        own = self.unet.state_dict()
        taken = 0
        for name, w in own.items():
            s = source.get(name)
            if s is None:
                continue
            if name == "conv_in.weight" and w.shape[1] > s.shape[1]:
                w.zero_()
                w[:, : s.shape[1]] = s
            elif w.shape == s.shape:
                w.copy_(s)
            else:
                continue
            taken += 1
        if reads_text(self.modality):
            for name, w in own.items():
                if ".proj_out." in name and name not in source:
                    w.zero_()
        self.unet.load_state_dict(own)
        encoder = os.path.join(folder, "text_encoder", "model.safetensors")
        if reads_text(self.modality) and os.path.exists(encoder):
            self.text_encoder.load_state_dict(load_file(encoder))
        return taken, len(own)

    def follow(self, new, old, share):
        """Adds share (new - old) of two exported unconditional networks: what the one that this network once started from has
        learnt since (task arithmetic, Ilharco et al. 2023). Shares of 0.3 to 0.6 lowered the losses of four networks by 1 to 4%
        at once; all of it raised three of them.
        """
        new, old = (load_file(os.path.join(f, "diffusion_pytorch_model.safetensors")) for f in (new, old))
        for name, w in self.unet.state_dict().items():
            if name in new:
                difference = share * (new[name] - old[name])
                if name == "conv_in.weight":
                    w[:, : difference.shape[1]] += difference
                elif w.shape == difference.shape:
                    w += difference

    def train_only(self, part):
        """Leaves one of PARTS to be trained, and the text encoder; all else stays as it is.

        coarse: the layers of the coarsest grid and the time embedding: layout and colours are decided there. attention: how
        sentences are heard, while what the network draws stays. Nothing is computed backwards through the finer layers of the
        way down and no weights' gradients on the way up, which hold most of the arithmetic.
        """
        coarse = (f"down_blocks.{len(WIDTHS) - 1}.", "mid_block.", "up_blocks.0.", "time_embedding.")
        for name, p in self.unet.named_parameters():
            p.requires_grad_(name.startswith(coarse) if part == "coarse" else ".attentions." in name)

    def facts(self):
        """What mcdm.json says of the network itself."""
        facts = {
            "modality": self.modality,
            "condition_channels": CONDITION_CHANNELS[self.modality],
            "image_size": IMAGE_SIZE,
            "pixel_unshuffle": UNSHUFFLE,
        }
        if self.modality in ("mask", JOINT):
            facts["labels"] = LABELS
        if self.modality == "colour":
            facts["grid"] = COLOUR_GRID
        return facts

    def export(self, folder, training):
        """Writes the diffusers folder, whole or not at all. `training`: what is known of the training, for mcdm.json."""
        temporary, old = folder + ".new", folder + ".old"
        os.makedirs(temporary, exist_ok=True)
        self.unet.save_pretrained(temporary)
        meta = {**self.facts(), "schedule": SCHEDULE, "prediction_type": self.prediction_type, "training": training}
        if reads_text(self.modality):
            self.text_encoder.save_pretrained(os.path.join(temporary, "text_encoder"))
            self.tokenizer.save(os.path.join(temporary, "text_encoder", "vocab.txt"))
        with open(os.path.join(temporary, "mcdm.json"), "w") as f:
            json.dump(meta, f, indent=2)
        if os.path.isdir(folder):
            shutil.rmtree(old, ignore_errors=True)  # left by one that was interrupted
            os.rename(folder, old)
        os.rename(temporary, folder)
        shutil.rmtree(old, ignore_errors=True)

    @classmethod
    def load(cls, folder):
        """An exported network, in eval mode."""
        with open(os.path.join(folder, "mcdm.json")) as f:
            modality = json.load(f)["modality"]
        network = cls.__new__(cls)
        nn.Module.__init__(network)
        network.modality, network.tokenizer = modality, None
        if reads_text(modality):
            network.unet = UNet2DConditionModel.from_pretrained(folder, low_cpu_mem_usage=False)
            network.text_encoder = TextEncoder.from_pretrained(os.path.join(folder, "text_encoder"))
            network.tokenizer = Tokenizer.load(os.path.join(folder, "text_encoder", "vocab.txt"))
        else:
            network.unet = UNet2DModel.from_pretrained(folder, low_cpu_mem_usage=False)
        return network.eval()


def to_z(pictures):
    """uint8 [B, 64, 64, 3] -> z [B, 12, 32, 32] in [-1, 1]."""
    return F.pixel_unshuffle(pictures.permute(0, 3, 1, 2).float() / 127.5 - 1, UNSHUFFLE)


def to_pictures(z):
    """z -> uint8 [B, 64, 64, 3]."""
    x = F.pixel_shuffle(z, UNSHUFFLE).clamp(-1, 1)
    return ((x + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1)
