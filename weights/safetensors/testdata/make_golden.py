"""Writes python.safetensors with the Python package safetensors: one tensor of every kind that the reader meets."""

import pathlib

import torch
from safetensors.torch import save_file

values = torch.tensor([[0.0, -0.0, 1.0], [-2.5, 65504.0, 6.103515625e-05]])
save_file(
    {
        "f32": values,
        "f16": values.half(),
        "bf16": values.bfloat16(),
        "f16.small": torch.tensor([5.960464477539063e-08, float("inf"), float("nan")]).half(),
        "i8": torch.tensor([[-128, 127, 0, 1]], dtype=torch.int8),
        "i64": torch.arange(3),
        "scalar": torch.tensor(0.5),
        "empty": torch.zeros(0, 4),
        "naïve \"name\"": torch.ones(1),
    },
    pathlib.Path(__file__).parent / "python.safetensors",
    metadata={"format": "pt"},
)
