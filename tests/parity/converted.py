#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What `clip-model convert` and `average` write, read by the toolkits that it is written for.

  converted.py transformers|open_clip --golden tests/golden

Every small golden checkpoint is converted and opened with CLIPModel.from_pretrained() or
open_clip.create_model_from_pretrained("local-dir:..."), neither of which may miss a weight or find
one too many. Vectors of pictures and texts, tokens and pixels of theirs are then held against those
of clip-embed and clip-model with the original; logit_scale must be the same number. Averages are
held against float64 arithmetic on the tensors that the toolkit loaded.

Needs clip-* in $PATH, torch, numpy, Pillow and the toolkit: transformers 4 or later, open_clip 3 or
later. `pip install --no-deps` of these two, huggingface_hub, tokenizers, safetensors, timm,
torchvision, ftfy and regex is enough beside Debian's python3-torch.
"""
import argparse, json, os, subprocess, sys, tempfile, warnings

sys.dont_write_bytecode = True
warnings.filterwarnings("ignore")
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error")
import numpy as np
import torch
from PIL import Image

TEXTS = ["a photo of a dog", "two \"red\" discs, the other thing", "x"]
VIT = ["micro-vit-openai-jit", "micro-vit-hf", "micro-vit-hf-bin", "micro-vit-open_clip-train",
       "micro-gelu-hf-sharded", "micro-gelu-open_clip"]
RESNET = ["micro-rn-openai-jit", "micro-rn-open_clip"]
failures = 0


def expect(condition, message):
    global failures
    if not condition:
        failures += 1
        print(f"  {message}")


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return done.stdout


def embed(model, *arguments):
    lines = run("clip-embed", "--quiet", "-m", model, *arguments).splitlines()
    return np.array([json.loads(line)["embedding"] for line in lines], dtype=np.float64)


def tokens(model, config_length, vocabulary):
    rows = np.zeros((len(TEXTS), config_length), dtype=np.int64)
    lines = run("clip-model", "tokens", "-m", model, *TEXTS).splitlines()
    for row, line in zip(rows, lines):
        ids = [vocabulary - 2, *json.loads(line)["tokens"][:config_length - 2], vocabulary - 1]
        row[:len(ids)] = ids
    return rows


def unit(rows):
    rows = rows.detach().double().numpy()
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def check_close(what, got, want, limit=2e-5):
    error = np.abs(got - want).max() / np.abs(want).max()
    expect(got.shape == want.shape and error <= limit, f"{what}: off by {error:.1e}")


def pixels(model, pictures, scratch):
    rows = []
    for picture in pictures:
        file = os.path.join(scratch, "pixels.npy")
        run("clip-model", "pixels", "-m", model, "-o", file, picture)
        rows.append(np.load(file))
    return np.stack(rows)


def with_transformers(original, folder, pictures, scratch):
    from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer, CLIPTokenizerFast
    model, said = CLIPModel.from_pretrained(folder, output_loading_info=True)
    expect(not any(said.values()), f"from_pretrained says {said}")
    model = model.float().eval()
    ours = pixels(original, pictures, scratch)
    processor = CLIPImageProcessor.from_pretrained(folder)
    theirs = processor([Image.open(p).convert("RGB") for p in pictures], return_tensors="np")["pixel_values"]
    check_close("pixels", theirs.astype(np.float64), ours.astype(np.float64), 1e-6)
    check_close("pictures", unit(model.get_image_features(torch.from_numpy(ours))), embed(original, *pictures))
    length, vocabulary = (model.config.text_config.max_position_embeddings, model.config.text_config.vocab_size)
    want = tokens(original, length, vocabulary)
    for kind in (CLIPTokenizer, CLIPTokenizerFast):
        ids = kind.from_pretrained(folder)(TEXTS, padding="max_length", truncation=True,
                                           return_tensors="np")["input_ids"]
        for row, ours_row in zip(ids, want):
            end = int(ours_row.argmax()) + 1
            expect((row[:end] == ours_row[:end]).all(), f"{kind.__name__}: {row} instead of {ours_row}")
        check_close("texts", unit(model.get_text_features(torch.from_numpy(ids))),
                    embed(original, "--text", *TEXTS))
    return model


def with_open_clip(original, folder, pictures, scratch):
    import open_clip
    model, transform = open_clip.create_model_from_pretrained("local-dir:" + folder)
    model = model.float().eval()
    ours = pixels(original, pictures, scratch)
    theirs = np.stack([transform(Image.open(p).convert("RGB")).numpy() for p in pictures])
    check_close("pixels", theirs.astype(np.float64), ours.astype(np.float64), 1e-6)
    check_close("pictures", unit(model.encode_image(torch.from_numpy(ours))), embed(original, *pictures))
    ids = tokens(original, model.context_length, model.vocab_size)
    check_close("texts", unit(model.encode_text(torch.from_numpy(ids))), embed(original, "--text", *TEXTS))
    return model


def check_average(load, models, layout, arguments, shares, scratch):
    parts = []
    for i, model in enumerate(models):
        run("clip-model", "convert", "--quiet", model, "--layout", layout, "-o", f"{scratch}/part{i}", "--overwrite")
        parts.append(load(f"{scratch}/part{i}").state_dict())
    folder = f"{scratch}/average"
    run("clip-model", "average", "--quiet", *models, *arguments, "--layout", layout, "-o", folder, "--overwrite")
    got = load(folder).state_dict()
    for name, value in got.items():
        if not value.is_floating_point():
            continue
        want = sum(share * part[name].double() for share, part in zip(shares, parts)).float()
        expect(torch.equal(value.float(), want), f"average: {name} differs")
    expect(len(got) > 30, "average: too few tensors")


def other_weights(golden, scratch):
    """Models of the architecture micro-vit with other weights, as state dicts."""
    state = torch.load(f"{golden}/micro-vit-openai-state/model.pt")
    torch.manual_seed(1)
    paths = []
    for i in range(2):
        paths.append(f"{scratch}/other{i}.pt")
        torch.save({k: v.float() * (1 + 0.1 * torch.randn_like(v.float())) for k, v in state.items()}, paths[-1])
    return paths


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("toolkit", choices=("transformers", "open_clip"))
    parser.add_argument("--golden", required=True)
    a = parser.parse_args()
    hf = a.toolkit == "transformers"
    layout, check = ("hf", with_transformers) if hf else ("open_clip", with_open_clip)
    pictures = [os.path.join(a.golden, "pixels", p) for p in ("rgb.jpg", "tall.png", "wide.png")]
    with tempfile.TemporaryDirectory() as scratch:
        for name in VIT + ([] if hf else RESNET):
            original = f"{a.golden}/{name}"
            scale = json.loads(run("clip-model", "info", "-f", "json", original))["logit_scale"]
            for dtype in ("stored", "f32", "f16"):
                before = failures
                run("clip-model", "convert", "--quiet", original, "--layout", layout, "--dtype", dtype,
                    "-o", f"{scratch}/out", "--overwrite")
                model = check(original, f"{scratch}/out", pictures, scratch)
                got = float(np.float32(np.exp(np.float64(model.logit_scale.item()))))
                expect(abs(got - scale) <= 1e-6 * scale, f"logit_scale {got} instead of {scale}")
                if failures > before:
                    print(f"{name} as {dtype}: see above")

        def load(folder):
            if hf:
                from transformers import CLIPModel
                return CLIPModel.from_pretrained(folder)
            import open_clip
            return open_clip.create_model_from_pretrained("local-dir:" + folder)[0]

        others = other_weights(a.golden, scratch)
        check_average(load, others, layout, ["--weight", "0.3"], [0.7, 0.3], scratch)
        check_average(load, [f"{a.golden}/micro-vit-hf", *others], layout, [], [1 / 3] * 3, scratch)
    module = __import__(a.toolkit)
    version = getattr(module, "__version__", None) or module.version.__version__
    print(f"{a.toolkit} {version} with torch {torch.__version__}: {'as it should be' if failures == 0 else 'DIFFERS'}")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
