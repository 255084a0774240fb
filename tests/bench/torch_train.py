#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The step of train_bench.cpp in PyTorch, on the CPU: the same towers, batch, loss and AdamW.

  torch_train.py [--width 192 --layers 12 ...] [--checkpoint]    (needs torch 2 from PyPI; Debian's has no fast BLAS)

Written as its users write it: scaled_dot_product_attention, torch.optim.AdamW (fused where the build has it
for the CPU), one tensor of tokens for all texts. As in train_bench, texts have --tokens tokens; --context pads them
to a context as CLIP's own code does. Prints a JSON object.
"""
import argparse, json, resource, sys, time
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint


class Block(nn.Module):
    def __init__(self, width, causal):
        super().__init__()
        self.heads, self.causal = width // 64, causal
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc, self.proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        n, length, width = x.shape
        q, k, v = self.qkv(self.ln_1(x)).view(n, length, 3, self.heads, 64).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + self.out(y.transpose(1, 2).reshape(n, length, width))
        h = self.fc(self.ln_2(x))
        return x + self.proj(h * torch.sigmoid(1.702 * h))


class Towers(nn.Module):
    def __init__(self, a):
        super().__init__()
        self.keep = a.checkpoint
        grid = a.image // a.patch
        self.conv1 = nn.Conv2d(3, a.width, a.patch, a.patch, bias=False)
        self.cls, self.pos = nn.Parameter(0.05 * torch.randn(a.width)), nn.Parameter(0.05 * torch.randn(grid * grid + 1, a.width))
        self.ln_pre, self.ln_post = nn.LayerNorm(a.width), nn.LayerNorm(a.width)
        self.blocks = nn.ModuleList(Block(a.width, False) for _ in range(a.layers))
        self.proj = nn.Parameter(a.width ** -0.5 * torch.randn(a.width, a.embed))
        self.table = nn.Embedding(a.vocab, a.text_width)
        self.text_pos = nn.Parameter(0.01 * torch.randn(max(a.tokens, a.context), a.text_width))
        self.text_blocks = nn.ModuleList(Block(a.text_width, True) for _ in range(a.text_layers))
        self.ln_final = nn.LayerNorm(a.text_width)
        self.text_proj = nn.Parameter(a.text_width ** -0.5 * torch.randn(a.text_width, a.embed))
        self.logit_scale = nn.Parameter(torch.tensor(2.6593))

    def through(self, blocks, x):
        for block in blocks:
            x = checkpoint(block, x, use_reentrant=False) if self.keep else block(x)
        return x

    def forward(self, images, tokens):
        x = self.conv1(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(x), 1, -1), x], 1) + self.pos
        x = self.ln_post(self.through(self.blocks, self.ln_pre(x))[:, 0]) @ self.proj
        t = self.through(self.text_blocks, self.table(tokens) + self.text_pos[:tokens.shape[1]])
        t = self.ln_final(t)[torch.arange(len(t)), tokens.argmax(-1)] @ self.text_proj
        logits = self.logit_scale.exp() * F.normalize(x, dim=-1) @ F.normalize(t, dim=-1).t()
        target = torch.arange(len(x))
        return (F.cross_entropy(logits, target) + F.cross_entropy(logits.t(), target)) / 2


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in dict(image=64, patch=8, width=192, layers=12, embed=128, text_width=128, text_layers=12,
                              vocab=8192, tokens=16, context=0, batch=128, steps=8, threads=2).items():
        p.add_argument("--" + name.replace("_", "-"), type=int, default=default)
    p.add_argument("--checkpoint", action="store_true")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(1)
    model = Towers(a)
    bare = [q for q in model.parameters() if q.ndim < 2]
    rest = [q for q in model.parameters() if q.ndim >= 2]
    groups = [{"params": bare, "weight_decay": 0.0}, {"params": rest, "weight_decay": 0.2}]
    try:
        optimizer = torch.optim.AdamW(groups, lr=1e-4, betas=(0.9, 0.98), eps=1e-6, fused=True)
    except (RuntimeError, TypeError):
        optimizer = torch.optim.AdamW(groups, lr=1e-4, betas=(0.9, 0.98), eps=1e-6)
    images = torch.randn(a.batch, 3, a.image, a.image)
    length = max(a.tokens, a.context)
    tokens = torch.zeros(a.batch, length, dtype=torch.long)
    tokens[:, :a.tokens] = torch.randint(0, a.vocab - 2, (a.batch, a.tokens))
    tokens[:, 0], tokens[:, a.tokens - 1] = a.vocab - 2, a.vocab - 1
    seconds = []
    for step in range(a.steps + 1):
        begin = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss = model(images, tokens)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, 4.6052)
        if step:
            seconds.append(time.perf_counter() - begin)
    seconds.sort()
    print(json.dumps({"bench": "train_step", "torch": torch.__version__, "batch": a.batch, "tokens": a.tokens, "context": length,
                      "threads": a.threads, "checkpoint": a.checkpoint, "seconds": round(seconds[len(seconds) // 2], 4),
                      "least": round(seconds[0], 4), "parameters": sum(q.numel() for q in model.parameters()),
                      "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000, "loss": round(loss.item(), 4)}))


if __name__ == "__main__":
    main()
