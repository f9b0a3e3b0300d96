"""A small pre-norm transformer encoder. Tensor names are those of Hugging Face's CLIPTextModel; there is no mask."""

import json
import os

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

EPS = 1e-5


class SelfAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x):  # [B, L, D]
        b, n, d = x.shape
        q, k, v = (p(x).view(b, n, self.heads, -1).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj))
        y = F.scaled_dot_product_attention(q, k, v)
        return self.out_proj(y.transpose(1, 2).reshape(b, n, d))


class MLP(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))  # exact, with erf


class Layer(nn.Module):
    def __init__(self, width, hidden, heads):
        super().__init__()
        self.self_attn = SelfAttention(width, heads)
        self.layer_norm1 = nn.LayerNorm(width, eps=EPS)
        self.mlp = MLP(width, hidden)
        self.layer_norm2 = nn.LayerNorm(width, eps=EPS)

    def forward(self, x):
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class Embeddings(nn.Module):
    def __init__(self, vocabulary, length, width):
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.position_embedding = nn.Embedding(length, width)
        # Of order one: much smaller ones drown in the layers' biases, and all texts look alike for thousands of steps.
        nn.init.normal_(self.token_embedding.weight, std=1.0)
        nn.init.normal_(self.position_embedding.weight, std=0.3)

    def forward(self, ids):
        return self.token_embedding(ids) + self.position_embedding.weight


class TextEncoder(nn.Module):
    """ids [B, L] -> [B, L, D]; L is fixed: pads are tokens like others, as in Stable Diffusion."""

    def __init__(self, vocab_size, hidden_size=128, intermediate_size=512, num_hidden_layers=3,
                 num_attention_heads=4, max_position_embeddings=32):
        super().__init__()
        self.config = {
            "_class_name": "TextEncoder",
            "vocab_size": vocab_size,
            "hidden_size": hidden_size,
            "intermediate_size": intermediate_size,
            "num_hidden_layers": num_hidden_layers,
            "num_attention_heads": num_attention_heads,
            "max_position_embeddings": max_position_embeddings,
        }
        t = nn.Module()
        t.embeddings = Embeddings(vocab_size, max_position_embeddings, hidden_size)
        t.encoder = nn.Module()
        t.encoder.layers = nn.ModuleList(
            Layer(hidden_size, intermediate_size, num_attention_heads) for _ in range(num_hidden_layers))
        t.final_layer_norm = nn.LayerNorm(hidden_size, eps=EPS)
        nn.init.constant_(t.final_layer_norm.weight, 3.0)  # makes cross-attention tell tokens apart from the start
        self.text_model = t

    def forward(self, ids):
        x = self.text_model.embeddings(ids)
        for layer in self.text_model.encoder.layers:
            x = layer(x)
        return self.text_model.final_layer_norm(x)

    def save_pretrained(self, folder):
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "config.json"), "w") as f:
            json.dump(self.config, f, indent=2)
        state = {k: v.detach().contiguous().cpu() for k, v in self.state_dict().items()}
        save_file(state, os.path.join(folder, "model.safetensors"))

    @classmethod
    def from_pretrained(cls, folder):
        with open(os.path.join(folder, "config.json")) as f:
            config = json.load(f)
        config.pop("_class_name")
        encoder = cls(**config)
        encoder.load_state_dict(load_file(os.path.join(folder, "model.safetensors")))
        return encoder
