#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Times in PyTorch what cuda_bench times: linear layers, attention and layer norm of ViT-B/32 and ViT-L/14.

Usage: torch_gpu.py [REPEAT]    (needs torch with CUDA; prints one JSON object a case, as cuda_bench does)
"""
import json
import sys

import torch
import torch.nn.functional as F

REPEAT = int(sys.argv[1]) if len(sys.argv) > 1 else 20
BATCH = 256
NAME = torch.cuda.get_device_name()
torch.backends.cuda.matmul.allow_tf32 = False
SCRATCH = torch.empty(2 * torch.cuda.get_device_properties(0).L2_cache_size, dtype=torch.uint8, device="cuda")


def bench(op, model, shape, dtype, flop, run):
    for _ in range(3):
        run()
    events = []
    for i in range(REPEAT):
        SCRATCH.fill_(i)
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        events.append((start, end))
    torch.cuda.synchronize()
    times = sorted(1e3 * start.elapsed_time(end) for start, end in events)
    median = times[REPEAT // 2]
    print(json.dumps({"op": op, "model": model, "shape": shape, "dtype": dtype, "us": round(median, 2),
                      "us_p10": round(times[REPEAT // 10], 2), "us_p90": round(times[-1 - REPEAT // 10], 2),
                      "tflops": round(flop / median / 1e6, 2), "engine": f"torch {torch.__version__}",
                      "device": NAME}), flush=True)


@torch.inference_mode()
def run_all():
    for model, tokens, width in (("ViT-B/32", 50, 768), ("ViT-L/14", 257, 1024)):
        rows = BATCH * tokens
        for name, dtype in (("f16", torch.float16), ("bf16", torch.bfloat16), ("f32", torch.float32)):
            def random(*shape):
                return torch.randn(*shape, device="cuda", dtype=dtype)
            x, gain, shift = random(rows, width), random(width), random(width)
            bench("layer norm", model, f"{rows}x{width}", name, 0, lambda: F.layer_norm(x, (width,), gain, shift))
            for layer, inner, outer in (("qkv", width, 3 * width), ("out", width, width), ("up", width, 4 * width),
                                        ("down", 4 * width, width)):
                a, weight, bias = random(rows, inner), random(outer, inner), random(outer)
                bench(f"linear {layer}", model, f"{rows}x{inner}x{outer}", name, 2 * rows * inner * outer,
                      lambda: F.linear(a, weight, bias))
            heads = width // 64
            q, k, v = (random(BATCH, heads, tokens, 64) for _ in range(3))
            bench("attention", model, f"{BATCH}x{tokens}x{heads}x64", name, 4 * rows * tokens * width,
                  lambda: F.scaled_dot_product_attention(q, k, v))


run_all()
