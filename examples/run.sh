#!/bin/sh
# SPDX-License-Identifier: MIT
# What `make run` shows: the model that ships, on pictures that it was never trained on.
#
#   examples/run.sh BUILD
#
# The pictures come from four small Debian packages (13 MB), which are unpacked below data/, not
# installed; where apt has one of them not, what needs it is left out. Photographs of your own:
# $PICTURES. Another model: $CLIP_MODEL.
set -eu

build=$1
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
PATH=$(CDPATH='' cd -- "$build" && pwd)/cmd:$PATH
cd "$root"

packages=data/packages
heldout=data/heldout
mkdir -p $packages $heldout

# Unpacks a package, once; fails where apt has it not.
fetch() {
    [ ! -d "$packages/$1" ] || return 0
    rm -rf "$packages/$1.part"
    mkdir "$packages/$1.part"
    if (cd "$packages/$1.part" && apt-get download -qq -o APT::Sandbox::User=root "$1" &&
        dpkg -x "$1"_*.deb . && rm "$1"_*.deb) >/dev/null 2>&1; then
        mv "$packages/$1.part" "$packages/$1"
    else
        rm -rf "$packages/$1.part"
        echo "run: apt has no package $1 here: what shows its pictures is left out" >&2
        return 1
    fi
}

# Shows a command, then runs it.
show() {
    printf '\n$ %s\n' "$*"
    eval "$*" || [ $? -eq 1 ] # some pictures of a folder may be broken: they were named
}

title() {
    printf '\n== %s ==\n' "$1"
}

title "The model"
if [ -z "${CLIP_MODEL:-}" ] && [ ! -e share/clip/models/default/open_clip_model.safetensors ]; then
    export CLIP_MODEL=tests/golden/micro-vit-hf
    echo "This copy has no share/clip/models/default: RANDOM WEIGHTS are used; no label means anything."
fi
show "clip-model info | head -5"
show "clip-classify -l 'red circle,blue circle,green stripes,grey stripes' -k 1 -f tsv -r tests/tools/pictures"

if fetch ruby-gemojione; then
    title "Emoji of a vendor whose pictures it never saw"
    folder=$packages/ruby-gemojione/usr/share/rubygems-integration/all/gems/gemojione-3.3.0/assets/png
    awk -F '\t' -v OFS='\t' -v to=$heldout -v folder=$folder '
        { print folder "/" $1, $2 >(to "/names.tsv") }
        NF == 3 { print folder "/" $1, $3 >(to "/groups.tsv") }' examples/heldout/emojione.tsv
    cut -f 1 $heldout/names.tsv >$heldout/names.txt
    for truth in names groups; do
        cut -f 2 $heldout/$truth.tsv | sort -u >$heldout/$truth.labels
    done
    show "clip-embed --quiet -o $heldout/emoji.h5 <$heldout/names.txt"
    echo "
Which of $(wc -l <$heldout/names.labels) names fits best? All are asked; then what seven of them are, and are taken for:"
    show "clip-classify --labels $heldout/names.labels --truth $heldout/names.tsv -k 1 \\
    -o $heldout/names.jsonl $heldout/emoji.h5 2>&1 | sed -n 1p"
    show "grep -E '/1F(34C|3C0|408|511|69A|3B8|355)\\.png' $heldout/names.jsonl | \\
    jq -r '.truth + \": \" + .label'"
    echo "
And which of $(wc -l <$heldout/groups.labels) groups? (Symbols are in none of them.)"
    show "clip-classify --labels $heldout/groups.labels --truth $heldout/groups.tsv -k 1 \\
    $heldout/emoji.h5 2>&1 >/dev/null | sed -n 1p"
fi

if fetch iso-flags-png-320x240; then
    title "Flags as other artists draw them"
    folder=$packages/iso-flags-png-320x240/usr/share/iso-flags-png-320x240
    sed "s|^|$folder/|" examples/heldout/iso-flags.tsv >$heldout/flags.tsv
    cut -f 2 $heldout/flags.tsv | sort -u >$heldout/flags.labels
    show "cut -f 1 $heldout/flags.tsv | clip-eval zeroshot --labels $heldout/flags.labels \\
    --truth $heldout/flags.tsv | jq -c '{n, metric, value, interval}'"
fi

pictures=${PICTURES:-data/photographs}
if [ ! -d "$pictures" ]; then
    for package in puzzle-jigsaw palapeli-data; do
        fetch $package || true
    done
    mkdir -p "$pictures"
    find $packages -name '*.jpg' \( -path '*/collection/*' -o -path '*jigsaw*' \) \
        -exec cp {} "$pictures" \;
fi
if [ -z "$(find "$pictures" -name '*.jpg' | head -1)" ]; then
    rmdir "$pictures" 2>/dev/null || true
    echo "run: no photographs: name a folder of your own, PICTURES=~/photos make run" >&2
    exit 0
fi
title "Photographs"
echo "The model that ships saw drawings and hardly any photographs: do not believe these labels. With a
checkpoint of OpenAI or open_clip the same commands answer: CLIP_MODEL=ViT-B-32.pt make run"
show "clip-embed -r --quiet -o data/photographs.h5 $pictures"
show "h5dump -H -d /embedding data/photographs.h5 | head -8"
labels='--label "a castle" --label "a bridge" --label "a tiger" --label "an insect" --label "fruit"'
show "clip-classify $labels -k 1 -f tsv data/photographs.h5 | head -6"
show "clip-rank -q 'a castle by the water' -k 3 --sheet data/hits.html data/photographs.h5"
show "clip-rank --duplicates --threshold 0.99 data/photographs.h5 | head -3"
