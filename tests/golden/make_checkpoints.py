#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes the small golden checkpoints of this folder, and what the model answers for each.

  make_checkpoints.py ORACLE.py [--vocab bpe_simple_vocab_16e6.txt.gz] [--out FOLDER]

ORACLE.py is the PyTorch oracle. Every weight is rounded through float16 first, so that all layouts
of one architecture hold the same values whatever their element types, and share one digest.

  <arch>-<layout>/             the checkpoint
  <arch>/expected.safetensors  inputs, the outputs of every stage, embeddings: all float32, except
                               tokens (int64). Shapes are (N, ...) with N the number of inputs.
"""
import argparse, importlib.util, json, os, shutil, sys, zipfile

sys.dont_write_bytecode = True
import torch

LAYOUTS = {
    "micro-vit": ["openai-jit", "openai-state", "hf", "hf-bin", "open_clip", "open_clip-bin", "open_clip-train"],
    "micro-gelu": ["open_clip", "hf-sharded"],
    "micro-rn": ["openai-jit", "open_clip"],
}


def load_oracle(path):
    spec = importlib.util.spec_from_file_location("clip_oracle", path)
    oracle = importlib.util.module_from_spec(spec)
    sys.modules["clip_oracle"] = oracle
    spec.loader.exec_module(oracle)
    A = oracle.Arch
    oracle.ARCHS["micro-vit"] = A(32, 32, 1, 64, 8, context_length=16, vocab_size=530, text_width=64,
                                  text_heads=1, text_layers=1)
    # Head widths that only a config can tell, and enough layers for their order to matter.
    oracle.ARCHS["micro-gelu"] = A(24, 48, 3, 32, 16, context_length=12, vocab_size=530, text_width=32,
                                   text_heads=4, text_layers=3, head_width=16, quick_gelu=False)
    oracle.ARCHS["micro-rn"] = A(32, 64, (1, 2, 1, 1), 4, context_length=16, vocab_size=530, text_width=64,
                                 text_heads=1, text_layers=1)
    build = oracle.build

    def build_rounded(arch, seed):
        model = build(arch, seed)
        with torch.no_grad():
            for t in [*model.parameters(), *model.buffers()]:
                if t.is_floating_point():
                    t.copy_(t.half().float())
        return model

    oracle.build = build_rounded
    return oracle


def write_layout(oracle, name, layout, out):
    shutil.rmtree(out, ignore_errors=True)
    half = {"dtype": "float16"}
    if layout in ("hf-sharded", "hf-bin"):
        oracle.make(name, 7, "hf", out, **half)
        state = {k: v.half().contiguous() for k, v in oracle.hf_state(oracle.build(oracle.ARCHS[name], 7),
                                                                     oracle.ARCHS[name]).items()}
        os.remove(os.path.join(out, "model.safetensors"))
        if layout == "hf-bin":
            torch.save(state, os.path.join(out, "pytorch_model.bin"))
            return
        names, index = sorted(state), {}
        for part in range(2):
            file = f"model-{part + 1:05d}-of-00002.safetensors"
            mine = names[part::2]
            oracle.save_safetensors(os.path.join(out, file), {n: state[n] for n in mine}, {"format": "pt"})
            index.update({n: file for n in mine})
        json.dump({"metadata": {"total_size": sum(2 * t.numel() for t in state.values())}, "weight_map": index},
                  open(os.path.join(out, "model.safetensors.index.json"), "w"), indent=1)
    elif layout == "open_clip-bin":
        oracle.make(name, 7, "open_clip", out, **half)
        os.remove(os.path.join(out, "open_clip_model.safetensors"))
        state = {k: v.half() if v.is_floating_point() else v
                 for k, v in oracle.build(oracle.ARCHS[name], 7).state_dict().items()}
        torch.save(state, os.path.join(out, "open_clip_pytorch_model.bin"))
    else:
        oracle.make(name, 7, layout, out, **half)
        if name == "micro-rn" and layout == "openai-jit":
            rezip(os.path.join(out, "model.pt"))


def rezip(path):
    """Drops the debug records; Python's zipfile does not align entries, and the code is deflated."""
    with zipfile.ZipFile(path) as old:
        entries = [(i.filename, old.read(i)) for i in old.infolist() if not i.filename.endswith(".debug_pkl")]
    with zipfile.ZipFile(path, "w") as new:
        for name, data in entries:
            small = name.endswith((".py", ".pkl", "/data/1"))
            new.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED if small else zipfile.ZIP_STORED)


def expected(oracle, name):
    arch = oracle.ARCHS[name]
    model = oracle.build(arch, 7)
    saved = {}
    by_token = lambda t: t.transpose(0, 1)  # (L, N, D) -> (N, L, D)
    hooks = []

    def keep(module, key, change=lambda t: t):
        hooks.append(module.register_forward_hook(lambda m, i, o: saved.__setitem__(key, change(o).detach().clone())))

    if arch.vit:
        keep(model.visual.ln_pre, "vision.input")                        # (N, L, D) after ln_pre
        for i, block in enumerate(model.visual.transformer.resblocks):
            keep(block, f"vision.block.{i}", by_token)                   # (N, L, D)
        keep(model.visual.ln_post, "vision.pooled")                      # (N, D)
    else:
        keep(model.visual.bn3, "vision.stem", lambda t: torch.nn.functional.avg_pool2d(torch.relu(t), 2))
        for i in (1, 2, 3, 4):
            keep(getattr(model.visual, f"layer{i}"), f"vision.layer{i}")  # (N, C, H, W)
    keep(model.token_embedding, "text.tokens_embedded")                  # (N, L, D) before positions
    for i, block in enumerate(model.transformer.resblocks):
        keep(block, f"text.block.{i}", by_token)                         # (N, L, D)
    keep(model.ln_final, "text.normed")                                  # (N, L, D)

    n, c, y, x = torch.meshgrid(torch.arange(2), torch.arange(3), torch.arange(arch.image_size),
                                torch.arange(arch.image_size), indexing="ij")
    pixels = (1.5 * torch.sin(0.7 * n + 0.9 * c + 0.31 * x.double() + 0.023 * y * (c + 1 + n))).float()
    start, end = arch.vocab_size - 2, arch.vocab_size - 1
    tokens = torch.zeros(3, arch.context_length, dtype=torch.int64)
    tokens[0, :2] = torch.tensor([start, end])
    tokens[1, :5] = torch.tensor([start, 320, 64, 515, end])
    tokens[2] = torch.tensor([start, *[(37 * i + 11) % 512 for i in range(arch.context_length - 2)], end])
    with torch.no_grad():
        image, text = model.encode_image(pixels), model.encode_text(tokens)
        logits = model(pixels, tokens)[0]
    saved.update({"pixels": pixels, "tokens": tokens, "image.embedding": image, "text.embedding": text,
                  "logits_per_image": logits, "logit_scale": model.logit_scale.detach()})
    return saved


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("oracle")
    p.add_argument("--vocab")
    p.add_argument("--out", default=os.path.dirname(os.path.abspath(__file__)))
    a = p.parse_args()
    if a.vocab:
        os.environ["CLIP_VOCAB"] = a.vocab
    oracle = load_oracle(a.oracle)
    for name, layouts in LAYOUTS.items():
        os.makedirs(os.path.join(a.out, name), exist_ok=True)
        oracle.save_safetensors(os.path.join(a.out, name, "expected.safetensors"), expected(oracle, name),
                                {"arch": name, "torch": torch.__version__})
        for layout in layouts:
            write_layout(oracle, name, layout, os.path.join(a.out, f"{name}-{layout}"))


if __name__ == "__main__":
    main()
