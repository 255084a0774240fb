#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Times the cases of backward_bench.cpp in PyTorch: one JSON object a case.

Usage: torch_backward.py [THREADS]    (needs torch; CPU times with one thread, as there)
"""
import json
import sys
import time

import torch
import torch.nn.functional as F

threads = int(sys.argv[1]) if len(sys.argv) > 1 else 1
torch.set_num_threads(threads)
clock = time.process_time if threads == 1 else time.perf_counter
ROWS = 128 * 65


def bench(name, run, flops=0):
    run()
    times, begin = [], time.perf_counter()
    while (len(times) < 10 or time.perf_counter() - begin < 0.3) and time.perf_counter() - begin < 4:
        start = clock()
        run()
        times.append(clock() - start)
    times.sort()
    low = times[len(times) // 10]
    print(json.dumps({"case": name, "torch": torch.__version__, "threads": threads,
                      "ms": round(times[len(times) // 2] * 1e3, 3), "p10": round(low * 1e3, 3),
                      "gflops": round(flops / low / 1e9, 1)}), flush=True)


for name, inner, outer, gelu in (("qkv", 192, 576, False), ("out", 192, 192, False),
                                 ("fc1", 192, 768, False), ("fc2", 768, 192, True)):
    x, weight, bias = torch.randn(ROWS, inner), torch.randn(outer, inner), torch.randn(outer)
    grad = torch.randn(ROWS, outer)
    flops, shape = 2.0 * ROWS * inner * outer, f"{name} {ROWS}x{inner}x{outer}"
    bench(f"linear forward {shape}", lambda: F.linear(x, weight, bias), flops)

    def grad_x():
        g = grad @ weight
        if gelu:
            gate = torch.sigmoid(1.702 * x)
            g = g * (gate * (1 + 1.702 * x * (1 - gate)))
        return g
    bench(f"linear grad_x {shape}", grad_x, flops)
    total, total_bias = torch.zeros(outer, inner), torch.zeros(outer)

    def grad_weight():
        total.add_(grad.t() @ x)
        total_bias.add_(grad.sum(0))
    bench(f"linear grad_weight {shape}", grad_weight, flops)

for batch, tokens, causal in ((128, 65, False), (128, 16, True)):
    q, k, v = (torch.randn(batch, 3, tokens, 64, requires_grad=True) for _ in range(3))
    grad = torch.randn(batch, 3, tokens, 64)
    flops, shape = 4.0 * batch * tokens * tokens * 192, f"{batch}x{tokens}x3" + (" causal" if causal else "")
    attend = lambda: F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    with torch.no_grad():
        bench(f"attention forward {shape}", attend, flops)
    bench(f"attention forward and backward {shape}", lambda: attend().backward(grad), 3.5 * flops)

x, grad = torch.randn(ROWS, 192, requires_grad=True), torch.randn(ROWS, 192)
gain, bias = torch.randn(192, requires_grad=True), torch.randn(192, requires_grad=True)
with torch.no_grad():
    bench("layer_norm forward", lambda: F.layer_norm(x, (192,), gain, bias))
bench("layer_norm forward and backward", lambda: F.layer_norm(x, (192,), gain, bias).backward(grad))
wide = torch.randn(ROWS, 768)
bench("quick_gelu forward", lambda: wide * torch.sigmoid(1.702 * wide))
for count in (128, 4096):
    a, b = (torch.randn(count, 512, requires_grad=True) for _ in range(2))
    target = torch.arange(count)

    def loss():
        logits = 50 * a @ b.t()
        ((F.cross_entropy(logits, target) + F.cross_entropy(logits.t(), target)) / 2).backward()
    bench(f"contrastive_loss {count}x512", loss, 6 * 2.0 * count * count * 512)
p = torch.nn.Parameter(torch.randn(8 << 20))
p.grad = torch.randn(8 << 20)
optimiser = torch.optim.AdamW([p], lr=1e-4, weight_decay=0.2)
bench("adamw 8M", optimiser.step)
bench("grad_norm 8M", lambda: p.grad.norm())
