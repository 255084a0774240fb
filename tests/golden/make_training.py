#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes training.txt: what PyTorch makes of AdamW, batch norm, the losses and a residual block.

Usage: make_training.py > training.txt    (needs python3-torch)

Each line is a name and numbers. Inputs come first, so that the test needs no generator.
"""
import torch
import torch.nn.functional as F

torch.manual_seed(5)
torch.set_default_dtype(torch.float64)


def show(name, tensor):
    print(name, *(repr(float(x)) for x in tensor.detach().reshape(-1)))


# AdamW over two groups, three steps
decayed, bare = torch.randn(5, requires_grad=True), torch.randn(3, requires_grad=True)
show("adamw.decayed", decayed)
show("adamw.bare", bare)
optimiser = torch.optim.AdamW([{"params": [decayed], "weight_decay": 0.2}, {"params": [bare], "weight_decay": 0.0}],
                              lr=1e-2, betas=(0.9, 0.98), eps=1e-6)
for step in range(3):
    decayed.grad, bare.grad = torch.randn(5) * 10 ** -step, torch.randn(3)
    show(f"adamw.grad.decayed.{step}", decayed.grad)
    show(f"adamw.grad.bare.{step}", bare.grad)
    show(f"adamw.norm.{step}", torch.cat([decayed.grad, bare.grad]).norm())
    optimiser.step()
    show(f"adamw.decayed.{step}", decayed)
    show(f"adamw.bare.{step}", bare)

# BatchNorm2d with a residual and a ReLU after it; (2, 3, 2, 2) channels first
norm = torch.nn.BatchNorm2d(3)
with torch.no_grad():
    norm.weight.copy_(torch.randn(3))
    norm.bias.copy_(torch.randn(3))
x = torch.randn(2, 3, 2, 2, requires_grad=True)
residual = torch.randn(2, 3, 2, 2, requires_grad=True)
grad_y = torch.randn(2, 3, 2, 2)
last = lambda t: t.permute(0, 2, 3, 1)
show("batch_norm.gamma", norm.weight)
show("batch_norm.beta", norm.bias)
show("batch_norm.x", last(x))
show("batch_norm.residual", last(residual))
show("batch_norm.grad_y", last(grad_y))
y = F.relu(norm(x) + residual)
y.backward(grad_y)
show("batch_norm.y", last(y))
show("batch_norm.grad_x", last(x.grad))
show("batch_norm.grad_residual", last(residual.grad))
show("batch_norm.grad_gamma", norm.weight.grad)
show("batch_norm.grad_beta", norm.bias.grad)
show("batch_norm.running_mean", norm.running_mean)
show("batch_norm.running_variance", norm.running_var)

# CLIP's loss and SigLIP's of 6 pairs of width 4
a = F.normalize(torch.randn(6, 4), dim=1).requires_grad_()
b = F.normalize(torch.randn(6, 4), dim=1).requires_grad_()
log_scale = torch.tensor(1.5, requires_grad=True)
show("loss.a", a)
show("loss.b", b)
show("loss.scale", log_scale.exp())
logits = log_scale.exp() * a @ b.t()
target = torch.arange(6)
loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.t(), target)) / 2
loss.backward()
show("loss.clip", loss)
show("loss.clip.grad_a", a.grad)
show("loss.clip.grad_b", b.grad)
show("loss.clip.grad_log_scale", log_scale.grad)
a.grad = b.grad = log_scale.grad = None
bias = torch.tensor(-2.0, requires_grad=True)
logits = log_scale.exp() * a @ b.t() + bias
loss = -F.logsigmoid((2 * torch.eye(6) - 1) * logits).sum() / 6
loss.backward()
show("loss.siglip", loss)
show("loss.siglip.grad_a", a.grad)
show("loss.siglip.grad_b", b.grad)
show("loss.siglip.grad_log_scale", log_scale.grad)
show("loss.siglip.grad_bias", bias.grad)

# A residual block of a tower: 2 sequences of 3 tokens, width 8, 2 heads, QuickGELU
W, HEADS = 8, 2
shapes = {"ln_1.gamma": (W,), "ln_1.beta": (W,), "qkv.weight": (3 * W, W), "qkv.bias": (3 * W,), "out.weight": (W, W),
          "out.bias": (W,), "ln_2.gamma": (W,), "ln_2.beta": (W,), "fc1.weight": (2 * W, W), "fc1.bias": (2 * W,),
          "fc2.weight": (W, 2 * W), "fc2.bias": (W,)}
p = {name: (0.5 * torch.randn(shape)).requires_grad_() for name, shape in shapes.items()}
x, grad_y = torch.randn(2, 3, W, requires_grad=True), torch.randn(2, 3, W)
h = F.layer_norm(x, (W,), p["ln_1.gamma"], p["ln_1.beta"])
q, k, v = (t.reshape(2, 3, HEADS, -1).transpose(1, 2) for t in F.linear(h, p["qkv.weight"], p["qkv.bias"]).chunk(3, -1))
mask = torch.full((3, 3), float("-inf")).triu(1)
a = torch.softmax(q @ k.transpose(-1, -2) / 2 + mask, -1) @ v
m = x + F.linear(a.transpose(1, 2).reshape(2, 3, W), p["out.weight"], p["out.bias"])
h = F.linear(F.layer_norm(m, (W,), p["ln_2.gamma"], p["ln_2.beta"]), p["fc1.weight"], p["fc1.bias"])
y = m + F.linear(h * torch.sigmoid(1.702 * h), p["fc2.weight"], p["fc2.bias"])
y.backward(grad_y)
show("block.x", x)
show("block.grad_y", grad_y)
show("block.y", y)
show("block.grad_x", x.grad)
for name in shapes:
    show("block." + name, p[name])
    show("block.grad." + name, p[name].grad)
