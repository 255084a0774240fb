#!/bin/sh
# SPDX-License-Identifier: MIT
# What `make run` shows: a folder of real photographs embedded, classified and searched.
#
#   examples/run.sh BUILD
#
# The photographs come from two small Debian packages (puzzle-jigsaw and palapeli-data, 4 MB), which
# are unpacked below data/, not installed; where apt has none of them, from $PICTURES. $CLIP_MODEL
# names the model; without it the tiny one of the tests is used, whose weights are random numbers.
set -eu

build=$1
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
PATH=$(CDPATH='' cd -- "$build" && pwd)/cmd:$PATH
cd "$root"

pictures=${PICTURES:-data/photographs}
mkdir -p data
if [ ! -d "$pictures" ]; then
    mkdir -p data/packages "$pictures"
    for package in puzzle-jigsaw palapeli-data; do
        (cd data/packages && apt-get download -qq "$package" 2>/dev/null) ||
            echo "run: apt has no package $package here" >&2
    done
    for package in data/packages/*.deb; do
        [ -e "$package" ] && dpkg -x "$package" data/packages/unpacked
    done
    find data/packages -name '*.jpg' -path '*/collection/*' -exec cp {} "$pictures" \; 2>/dev/null
    find data/packages -name '*.jpg' -path '*jigsaw*' -exec cp {} "$pictures" \; 2>/dev/null
fi
if [ -z "$(find "$pictures" -name '*.jpg' | head -1)" ]; then
    rmdir "$pictures" 2>/dev/null
    echo "run: no photographs: name a folder of your own, PICTURES=~/photos make run" >&2
    exit 1
fi

if [ -z "${CLIP_MODEL:-}" ]; then
    export CLIP_MODEL=tests/golden/micro-vit-hf
    cat <<'TEXT'
The model: tests/golden/micro-vit-hf, a tiny one for the tests, whose weights are RANDOM NUMBERS. No
trained model comes with this version, so the labels below mean nothing; the commands and their
formats are real. With a checkpoint of yours they answer for real:
    CLIP_MODEL=/path/to/ViT-B-32.pt make run
TEXT
else
    echo "The model: $CLIP_MODEL"
fi
# Shows a command, then runs it.
show() {
    printf '\n$ %s\n' "$*"
    eval "$*" || [ $? -eq 1 ] # some pictures of a folder may be broken: they were named
}
clip_model_info="clip-model info \$CLIP_MODEL"
show "$clip_model_info"
show "clip-embed -r -o data/photographs.h5 $pictures"
show "h5dump -H -d /embedding data/photographs.h5 | head -8"
labels='--label "a castle" --label "a bridge" --label "a tiger" --label "an insect" --label "fruit"'
show "clip-classify -r $labels -k 2 $pictures | head -4"
show "clip-classify $labels -f tsv data/photographs.h5 | head -4"
show "clip-rank -q 'a castle by the water' -k 3 --sheet data/hits.html data/photographs.h5"
show "clip-rank --duplicates --threshold 0.99 data/photographs.h5 | head -3"
