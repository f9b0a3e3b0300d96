"""Writes config.json and shapes.json of weights/train/text_encoder.py."""

import json
import pathlib
import sys

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here.parents[1] / "train"))
from text_encoder import TextEncoder  # noqa: E402

net = TextEncoder(50, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3, max_position_embeddings=7)
(here / "config.json").write_text(json.dumps(net.config, indent=1) + "\n")
shapes = {k: list(v.shape) for k, v in net.state_dict().items()}
(here / "shapes.json").write_text("{\n" + ",\n".join(f"{json.dumps(k)}: {v}" for k, v in shapes.items()) + "\n}\n")
