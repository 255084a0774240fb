#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes objectives.txt: losses, gradients and scores of the predictive objectives by PyTorch.

Usage: make_objectives.py > objectives.txt    (needs python3-torch)

Each line is a name and numbers. Weights and pictures are a hash of their name and place, which
tests/trainer/tiny_run.hpp computes too; so only results are written.
"""
import numpy
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

E, SIDE, PATCH, DV, HV, MV = 12, 8, 4, 16, 2, 32
T, V, DT, HT, MT, LAYERS = 10, 40, 16, 2, 32, 2
START, END = 38, 39
CAPTIONS = [[3, 7, 7, 12], [1], [20, 21, 22, 23, 24, 25, 26, 27], [5, 3], [7, 30, 2, 30, 30, 11]]


def hashed(name, shape):
    """Numbers in -0.5..0.5."""
    seed = 2166136261
    for byte in name.encode():
        seed = ((seed ^ byte) * 16777619) % 2**32
    x = (seed + numpy.arange(int(numpy.prod(shape, dtype=int)), dtype=numpy.uint64) * 0x9E3779B9) % 2**32
    x ^= x >> 16
    x = x * 0x85EBCA6B % 2**32
    x ^= x >> 13
    x = x * 0xC2B2AE35 % 2**32
    x ^= x >> 16
    return (x.astype(numpy.float64) / 2.0**32 - 0.5).reshape(shape)


def tensor(name, shape):
    u = hashed(name, shape)
    gain = ".ln_" in "." + name and name.endswith("weight")
    values = 1 + 0.4 * u if gain else 0.6 * u
    return torch.tensor(values.astype(numpy.float32).astype(numpy.float64), requires_grad=True)


def block_shapes(prefix, d, m):
    return {prefix + "ln_1.weight": (d,), prefix + "ln_1.bias": (d,),
            prefix + "attn.in_proj_weight": (3 * d, d), prefix + "attn.in_proj_bias": (3 * d,),
            prefix + "attn.out_proj.weight": (d, d), prefix + "attn.out_proj.bias": (d,),
            prefix + "ln_2.weight": (d,), prefix + "ln_2.bias": (d,),
            prefix + "mlp.c_fc.weight": (m, d), prefix + "mlp.c_fc.bias": (m,),
            prefix + "mlp.c_proj.weight": (d, m), prefix + "mlp.c_proj.bias": (d,)}


VISION = {"visual.conv1.weight": (DV, 3, PATCH, PATCH), "visual.class_embedding": (DV,),
          "visual.positional_embedding": ((SIDE // PATCH) ** 2 + 1, DV), "visual.ln_pre.weight": (DV,),
          "visual.ln_pre.bias": (DV,), **block_shapes("visual.transformer.resblocks.0.", DV, MV),
          "visual.ln_post.weight": (DV,), "visual.ln_post.bias": (DV,), "visual.proj": (DV, E)}
TEXT = {"token_embedding.weight": (V, DT), "positional_embedding": (T, DT),
        **{name: shape for i in range(LAYERS)
           for name, shape in block_shapes(f"transformer.resblocks.{i}.", DT, MT).items()},
        "ln_final.weight": (DT,), "ln_final.bias": (DT,)}


def norm(w, name, x):
    return F.layer_norm(x, x.shape[-1:], w[name + ".weight"], w[name + ".bias"], 1e-5)


def block(w, p, x, heads, causal, activation):
    """x (L, D) of one sequence."""
    length, d = x.shape
    q, k, v = F.linear(norm(w, p + "ln_1", x), w[p + "attn.in_proj_weight"], w[p + "attn.in_proj_bias"]).split(d, 1)
    by_head = lambda t: t.reshape(length, heads, d // heads).transpose(0, 1)
    logits = by_head(q) @ by_head(k).transpose(1, 2) / (d // heads) ** 0.5
    if causal:
        logits = logits.masked_fill(torch.ones(length, length).triu(1).bool(), float("-inf"))
    mixed = (logits.softmax(-1) @ by_head(v)).transpose(0, 1).reshape(length, d)
    x = x + F.linear(mixed, w[p + "attn.out_proj.weight"], w[p + "attn.out_proj.bias"])
    hidden = activation(F.linear(norm(w, p + "ln_2", x), w[p + "mlp.c_fc.weight"], w[p + "mlp.c_fc.bias"]))
    return x + F.linear(hidden, w[p + "mlp.c_proj.weight"], w[p + "mlp.c_proj.bias"])


def features(w, picture):
    x = F.conv2d(picture[None], w["visual.conv1.weight"], stride=PATCH).reshape(DV, -1).t()
    x = torch.cat([w["visual.class_embedding"][None], x]) + w["visual.positional_embedding"]
    x = block(w, "visual.transformer.resblocks.0.", norm(w, "visual.ln_pre", x), HV, False,
              lambda t: t * torch.sigmoid(1.702 * t))
    return norm(w, "visual.ln_post", x[0]) @ w["visual.proj"]


def bag_of_words(w, picture, caption):
    log_p = F.log_softmax(F.linear(features(w, picture), w["bag_of_words.weight"], w["bag_of_words.bias"]), 0)
    return log_p[sorted(set(caption))].mean()


def caption_log_p(w, picture, caption):
    tokens = [START] + caption
    prefix = F.linear(features(w, picture), w["caption.prefix.weight"], w["caption.prefix.bias"])
    x = torch.cat([prefix[None], w["token_embedding.weight"][tokens] + w["positional_embedding"][:len(tokens)]])
    for i in range(LAYERS):
        x = block(w, f"transformer.resblocks.{i}.", x, HT, True, F.gelu)
    log_p = F.log_softmax(norm(w, "ln_final", x[1:]) @ w["token_embedding.weight"].t(), 1)
    following = caption + [END]
    return log_p[range(len(following)), following].mean()


pictures = torch.tensor((3 * hashed("pictures", (len(CAPTIONS), 3, SIDE, SIDE))).astype(numpy.float32)
                        .astype(numpy.float64))


def show(name, values):
    print(name, *(f"{float(x):.5e}" for x in values.detach().reshape(-1)))


for name, shapes, fit in (
        ("bag_of_words", {**VISION, "bag_of_words.weight": (V, E), "bag_of_words.bias": (V,)}, bag_of_words),
        ("caption", {**VISION, **TEXT, "caption.prefix.weight": (DT, E), "caption.prefix.bias": (DT,)},
         caption_log_p)):
    w = {key: tensor(key, shape) for key, shape in shapes.items()}
    scores = torch.stack([torch.stack([fit(w, p, c) for c in CAPTIONS]) for p in pictures])
    loss = -scores.diagonal().mean()
    loss.backward()
    print(f"{name}.loss {float(loss)!r}")
    show(f"{name}.scores", scores)
    for key in shapes:
        show(f"{name}.grad.{key}", w[key].grad)
