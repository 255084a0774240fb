#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""ViT-B/32's picture tower in ONNX Runtime's CPU build, to stand beside tower_bench.

  onnxruntime_vit.py export --oracle clip_oracle.py --out vit.onnx     (a python3 with torch)
  onnxruntime_vit.py run vit.onnx [--threads 2] [--count 64] [--batch 64] [--repeat 5]
                                                                (a python3 with onnxruntime, numpy)

`run` prints one JSON line with the keys of tower_bench.
"""
import argparse, importlib.util, json, sys, time


def export(a):
    import torch
    spec = importlib.util.spec_from_file_location("clip_oracle", a.oracle)
    oracle = importlib.util.module_from_spec(spec)
    sys.modules["clip_oracle"] = oracle
    spec.loader.exec_module(oracle)
    visual = oracle.build(oracle.ARCHS["ViT-B/32"], 1).visual
    torch.onnx.export(visual, torch.zeros(2, 3, 224, 224), a.out, input_names=["x"], output_names=["y"],
                      dynamic_axes={"x": {0: "n"}, "y": {0: "n"}}, opset_version=14)


def run(a):
    import numpy as np
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads = a.threads
    session = ort.InferenceSession(a.model, options, providers=["CPUExecutionProvider"])
    x = np.sin(0.37 * (np.arange(a.count * 3 * 224 * 224, dtype=np.int64) % 100003)).astype(np.float32)
    x = x.reshape(a.count, 3, 224, 224)
    seconds = []
    for _ in range(a.repeat + 1):
        start = time.perf_counter()
        for i in range(0, a.count, a.batch):
            session.run(None, {"x": x[i:i + a.batch]})
        seconds.append(time.perf_counter() - start)
    seconds = sorted(seconds[1:])
    print(json.dumps({"model": "ViT-B-32", "what": "pictures", "precision": "fp32", "threads": a.threads, "count": a.count,
                      "batch": a.batch, "implementation": "onnxruntime " + ort.__version__,
                      "per_second_best": round(a.count / seconds[0], 2),
                      "per_second_median": round(a.count / seconds[len(seconds) // 2], 2)}))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = p.add_subparsers(dest="what", required=True)
    q = sub.add_parser("export")
    q.add_argument("--oracle", required=True)
    q.add_argument("--out", required=True)
    q = sub.add_parser("run")
    q.add_argument("model")
    for name, value in (("--threads", 2), ("--count", 64), ("--batch", 64), ("--repeat", 5)):
        q.add_argument(name, type=int, default=value)
    a = p.parse_args()
    export(a) if a.what == "export" else run(a)


if __name__ == "__main__":
    main()
