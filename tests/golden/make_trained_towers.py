#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes trained_towers.txt: what PyTorch makes of small towers in training mode, in double.

Usage: make_trained_towers.py > trained_towers.txt    (needs python3-torch)

Weights and pictures are functions of their names (made() below and in tests/trainer/made_towers.hpp),
so none are stored. The gradients are those of sum(features * made("probe.features")). Lines:
  CASE.features VALUES...
  CASE.grad.NAME LARGEST DOT VALUES...      all elements of a small tensor, else every few of them;
                                            DOT is with made("probe." + NAME) and so has all of them
  CASE.running.NAME VALUES...               batch norms' statistics after the one batch
"""
import math

import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
MASK = (1 << 64) - 1
SAMPLES = 24  # of a tensor's elements, about
EMBED = 8


def made(name, shape, scale=1.0, base=0.0):
    """base + scale * u in float32, u in [-1, 1) from a linear congruential generator seeded by the
    FNV-1a hash of the name."""
    state = 14695981039346656037
    for byte in name.encode():
        state = ((state ^ byte) * 1099511628211) & MASK
    values = np.empty(math.prod(shape))
    for i in range(values.size):
        state = (state * 6364136223846793005 + 1442695040888963407) & MASK
        values[i] = base + scale * ((state >> 40) / 8388608 - 1)
    return torch.tensor(values.astype(np.float32).astype(np.float64)).reshape(shape)


def weight(name, shape):
    if len(shape) >= 2:
        return made(name, shape, math.sqrt(3 / (math.prod(shape) // shape[0])))
    return made(name, shape, 0.25, 1.0 if name.endswith((".weight", ".running_var")) else 0.0)


class Model:
    """Makes each weight when it is first asked for."""

    def __init__(self):
        self.weights, self.running = {}, {}

    def __call__(self, name, *shape):
        if name not in self.weights:
            self.weights[name] = weight(name, shape).requires_grad_()
        return self.weights[name]

    def linear(self, name, x, out):
        return F.linear(x, self(name + ".weight", out, x.shape[-1]), self(name + ".bias", out))

    def layer_norm(self, name, x):
        d = x.shape[-1]
        return F.layer_norm(x, (d,), self(name + ".weight", d), self(name + ".bias", d))

    def conv(self, conv, norm, x, out, side=1, stride=1):
        x = F.conv2d(x, self(conv + ".weight", out, x.shape[1], side, side), stride=stride, padding=side // 2)
        for part in (".running_mean", ".running_var"):
            self.running[norm + part] = weight(norm + part, (out,))
        return F.batch_norm(x, self.running[norm + ".running_mean"], self.running[norm + ".running_var"],
                            self(norm + ".weight", out), self(norm + ".bias", out), training=True)

    def blocks(self, name, x, layers, heads, mlp, act, causal):
        """x (N, L, D)"""
        n, length, d = x.shape
        mask = torch.full((length, length), float("-inf")).triu(1) if causal else torch.zeros(length, length)
        split = lambda t: t.reshape(n, length, heads, d // heads).transpose(1, 2)
        for i in range(layers):
            at = f"{name}{i}."
            h = self.layer_norm(at + "ln_1", x)
            qkv = F.linear(h, self(at + "attn.in_proj_weight", 3 * d, d), self(at + "attn.in_proj_bias", 3 * d))
            q, k, v = map(split, qkv.chunk(3, -1))
            a = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(d // heads) + mask, -1) @ v
            x = x + self.linear(at + "attn.out_proj", a.transpose(1, 2).reshape(n, length, d), d)
            h = act(self.linear(at + "mlp.c_fc", self.layer_norm(at + "ln_2", x), mlp))
            x = x + self.linear(at + "mlp.c_proj", h, d)
        return x


def quick_gelu(x):
    return x * torch.sigmoid(1.702 * x)


def vit(model, pictures, act):
    width, patch = 16, 8
    x = F.conv2d(pictures, model("visual.conv1.weight", width, 3, patch, patch), stride=patch).flatten(2).transpose(1, 2)
    x = torch.cat([model("visual.class_embedding", width).expand(len(x), 1, width), x], 1)
    x = model.layer_norm("visual.ln_pre", x + model("visual.positional_embedding", x.shape[1], width))
    x = model.blocks("visual.transformer.resblocks.", x, 2, 2, 32, act, False)
    return model.layer_norm("visual.ln_post", x[:, 0]) @ model("visual.proj", width, EMBED)


def text(model):
    width, rows = 16, []
    table, positions = model("token_embedding.weight", 20, width), model("positional_embedding", 8, width)
    for i, length in enumerate((3, 8, 5)):
        ids = [(7 * i + 3 * j + 1) % 19 for j in range(length - 1)] + [19]
        x = (table[ids] + positions[:length])[None]
        x = model.blocks("transformer.resblocks.", x, 2, 2, 32, quick_gelu, True)
        rows.append(model.layer_norm("ln_final", x[0, -1]) @ model("text_projection", width, EMBED))
    return torch.stack(rows)


def bottleneck(model, name, x, planes, stride):
    pool = lambda t: F.avg_pool2d(t, stride) if stride > 1 else t
    h = F.relu(model.conv(name + "conv1", name + "bn1", x, planes))
    h = F.relu(model.conv(name + "conv2", name + "bn2", h, planes, 3))
    h = model.conv(name + "conv3", name + "bn3", pool(h), 4 * planes)
    if stride > 1 or x.shape[1] != 4 * planes:
        x = model.conv(name + "downsample.0", name + "downsample.1", pool(x), 4 * planes)
    return F.relu(h + x)


def resnet(model, pictures):
    width, heads, x = 4, 4, pictures
    for i, out in enumerate((width // 2, width // 2, width), 1):
        x = F.relu(model.conv(f"visual.conv{i}", f"visual.bn{i}", x, out, 3, 2 if i == 1 else 1))
    x = F.avg_pool2d(x, 2)
    for stage, count in enumerate((1, 2, 1, 1)):
        for i in range(count):
            x = bottleneck(model, f"visual.layer{stage + 1}.{i}.", x, width << stage, 2 if stage and not i else 1)
    n, d = x.shape[:2]
    x = x.flatten(2).transpose(1, 2)
    x = torch.cat([x.mean(1, keepdim=True), x], 1)
    x = x + model("visual.attnpool.positional_embedding", x.shape[1], d)
    split = lambda t: t.reshape(n, -1, heads, d // heads).transpose(1, 2)
    q, k, v = (split(model.linear(f"visual.attnpool.{p}_proj", t, d)) for p, t in (("q", x[:, :1]), ("k", x), ("v", x)))
    a = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(d // heads), -1) @ v
    return model.linear("visual.attnpool.c_proj", a.transpose(1, 2).reshape(n, d), EMBED)


def show(name, *tensors):
    values = torch.cat([t.detach().reshape(-1) for t in tensors])
    print(name, *(f"{float(v):.9g}" for v in values))


CASES = {
    "vit": lambda model: vit(model, made("pictures", (3, 3, 16, 16)), quick_gelu),
    "vit-gelu": lambda model: vit(model, made("pictures", (3, 3, 16, 16)), F.gelu),
    "text": text,
    "resnet": lambda model: resnet(model, made("pictures", (3, 3, 64, 64))),
}
for case, run in CASES.items():
    model = Model()
    features = run(model)
    (features * made("probe.features", features.shape)).sum().backward()
    show(case + ".features", features)
    for name, p in model.weights.items():
        flat = p.grad.reshape(-1)
        dot = (flat * made("probe." + name, flat.shape)).sum()
        show(f"{case}.grad.{name}", flat.abs().max(), dot, flat[:: max(1, len(flat) // SAMPLES)])
    for name, statistics in model.running.items():
        show(f"{case}.running.{name}", statistics)
