#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes the model that ships: fetches, pairs, trains, converts, measures.
#
#   examples/train/train.sh BUILD DATA [MODEL]
#
# DATA takes the packages, the pictures and the run (5 GB); MODEL is the folder to write, by default
# share/clip/models/default. Run again after it was stopped, it goes on: what is there is kept, and
# the training continues where it was. Needs python3-pil, python3-fonttools, python3-numpy,
# librsvg2-bin and jq, which `make model` installs.
set -eu

# The recipe.
arch=RN-w32-l1.1.1.1-i64-e256+w192-l3-c32
vocabulary=4096
epochs=120
batch=256
rate=2e-3
warmup=300
seed=0
objective="--equal-captions together --grad-clip 1 --average 0.998"
augmentation="--background random --crop-scale 0.7 --zoom-out 0.2 --rotate 5 --color-jitter 0.2
    --hue 0.02"

if [ $# -lt 2 ]; then
    echo "usage: train.sh BUILD DATA [MODEL]" >&2
    exit 2
fi
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
build=$(CDPATH='' cd -- "$1" && pwd)
data=$2
model=${3:-$here/../../share/clip/models/default}
PATH=$build/cmd:$PATH

"$here/fetch.sh" "$data/packages"
[ -e "$data/pairs/train.jsonl" ] || "$here/pairs.py" "$data/packages" "$data/pairs"
if [ ! -e "$data/pairs/eval/complete" ]; then
    "$here/evalsets.py" "$data/packages" "$data/pairs"
    touch "$data/pairs/eval/complete"
fi

# shellcheck disable=SC2086 # lists of options are meant
clip-train --resume -o "$data/run" --arch $arch --train-tokenizer $vocabulary --epochs $epochs \
    --batch-size $batch --lr $rate --warmup $warmup --seed $seed $objective $augmentation \
    --val "$data/pairs/eval/emojione-names.pairs.tsv" "$data/pairs/train.jsonl"

# The weights come last, so that a model whose weights are there is whole.
clip-model convert "$data/run/model" --dtype f16 --overwrite -o "$data/float16"
mkdir -p "$model"
for file in vocab.json merges.txt open_clip_config.json open_clip_model.safetensors; do
    cp "$data/float16/$file" "$model/$file.part"
    mv "$model/$file.part" "$model/$file"
done
cp "$here/NOTICE" "$model"
clip-model check "$model"

card=
[ ! -e "$model/README.md" ] || card=$model/README.md
"$here/evaluate.sh" "$build" "$model" "$data/pairs/eval" ${card:+"$card"}
