#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The model that ships: whole, small, and found without being named.

load setup

# Names no model; what is left is the one that ships.
shipped() {
    unset CLIP_MODEL
    model=$BATS_TEST_DIRNAME/../../share/clip/models/default
    [ -e "$model/open_clip_model.safetensors" ] || skip "share/clip/models/default has no weights"
    local tool
    for tool in jq "$@"; do
        command -v "$tool" >/dev/null || skip "$tool is not installed"
    done
}

# Draws a heart on white as PPM: heart RED GREEN BLUE, each from 0 to 255.
heart() {
    awk -v red="$1" -v green="$2" -v blue="$3" 'BEGIN {
        print "P3 64 64 255"
        for (i = 0; i < 64; i++)
            for (j = 0; j < 64; j++) {
                x = (j - 31.5) / 22
                y = (30 - i) / 22
                inside = (x * x + y * y - 1) ^ 3 - x * x * y ^ 3 <= 0
                print inside ? red " " green " " blue : "255 255 255"
            }
    }'
}

@test "default model: at most 30 MB, sound, in float16, with its card, tokenizer and notice" {
    shipped
    [ "$(cat "$model"/* | wc -c)" -le 30000000 ]
    clip-model check "$model" | grep ': sound: '
    clip-model info "$model" | grep '^layout  *open_clip$'
    # What open_clip keeps in float32 where the rest is float16 is small.
    weights=$(stat -c %s "$model/open_clip_model.safetensors")
    parameters=$(clip-model info "$model" | awk '$1 == "parameters" { print $2 }')
    echo "$weights bytes of $parameters parameters"
    [ "$weights" -le $((parameters * 5 / 2)) ]
    clip-model info "$model" | grep '^stored  *f16 '
    for file in README.md NOTICE vocab.json merges.txt open_clip_config.json; do
        [ -s "$model/$file" ]
    done
    cmp "$BATS_TEST_DIRNAME/../../examples/train/NOTICE" "$model/NOTICE"
    # The card's figures are of these weights.
    grep -qF "$(clip-model info "$model" | awk '$1 == "model" { print $2 }')" "$model/README.md"
}

@test "default model: found from the build tree, and answers" {
    shipped
    heart 220 20 40 >red.ppm
    heart 20 60 220 >blue.ppm
    clip-classify -l 'red heart,blue heart' red.ppm blue.ppm >out
    jq -r .label out
    [ "$(jq -r .label out | xargs)" = "red heart blue heart" ]
    [ "$(clip-model info | awk '$1 == "model"')" = "$(clip-model info "$model" | awk '$1 == "model"')" ]
    clip-model info | grep "^path  *.*/share/clip/models/default$"
}

@test "default model: installed with the commands, and found where the tree is moved to" {
    shipped cmake
    cmake --install "$CLIP_COMMANDS/.." --prefix "$PWD/first" >log || { cat log; return 1; }
    mv first moved
    heart 220 20 40 >red.ppm
    moved/bin/clip-model info | grep "^path  *$PWD/moved/share/clip/models/default$"
    diff -r "$model" moved/share/clip/models/default
    clip-classify -l 'red heart,blue heart' red.ppm >built
    moved/bin/clip-classify -l 'red heart,blue heart' red.ppm >out
    cmp built out
}

@test "default model: -m and CLIP_MODEL come before it" {
    shipped
    tiny=$CLIP_GOLDEN/micro-vit-hf
    clip-model info | grep -q '^model  *ViT-w64-l1-p8-i32@' && return 1
    CLIP_MODEL=$tiny clip-model info | grep '^model  *ViT-w64-l1-p8-i32@'
    heart 0 0 0 >black.ppm
    clip-embed -m "$tiny" black.ppm | jq -r .model | grep '^ViT-w64-l1-p8-i32@'
}
