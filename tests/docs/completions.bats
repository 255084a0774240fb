#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The committed completions of the commands themselves; tests/cli asks the generator everything else.

setup() {
    completions=$(realpath "$BATS_TEST_DIRNAME/../../completions")
    cd "$BATS_TEST_TMPDIR" || return 1
    mkdir photos
    touch a.jpg 'a b.h5'
}

# The words of a line as readline splits them; the last one is being completed.
complete_line() {
    bash --norc -c '
        source "$1/bash/$2"
        shift
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        _${1//-/_}
        printf "%s\n" "${COMPREPLY[@]}"' bash "$completions" "$@" | LC_ALL=C sort | tr '\n' ' '
}

@test "completions: bash completes the commands" {
    for file in "$completions"/bash/*; do bash -n "$file"; done
    [ "$(complete_line clip-embed --res)" = "--resume " ]
    [ "$(complete_line clip-embed --format = '')" = "h5 jsonl npy " ]
    [ "$(complete_line clip-embed -f n)" = "npy " ]
    [ "$(complete_line clip-embed --precision '')" = "auto bf16 fp16 fp32 int8 " ]
    [ "$(complete_line clip-embed -o a)" = "a b.h5 a.jpg " ]
    [ "$(complete_line clip-embed -r p)" = "photos " ]
    [ "$(complete_line clip-classify --scores l)" = "logit " ]
    [ "$(complete_line clip-classify --truth f)" = "folder " ]
    [ "$(complete_line clip-model '')" = "average check convert info pixels tokens " ]
    [ "$(complete_line clip-model pixels --cr)" = "--crop " ]
    [ "$(complete_line clip-model convert --layout '')" = "hf open_clip " ]
}

@test "completions: bash loads them by the command's name" {
    for file in "$completions"/bash/*; do
        grep -qx "complete -F _$(basename "$file" | tr - _) $(basename "$file")" "$file"
    done
}

@test "completions: zsh reads them" {
    command -v zsh >/dev/null || skip "zsh is not installed"
    for file in "$completions"/zsh/_*; do
        zsh -n "$file"
        head -n 1 "$file" | grep -q "^#compdef $(basename "$file" | cut -c 2-)"
    done
    matches() { zsh -f "$BATS_TEST_DIRNAME/../cli/zsh_matches.zsh" "$completions/zsh" "$1" | tr '\n' ' '; }
    [ "$(matches 'clip-embed --res')" = "--resume " ]
    [ "$(matches 'clip-model pixels --crop=')" = "center none " ]
}

@test "completions: fish reads them" {
    command -v fish >/dev/null || skip "fish is not installed"
    for file in "$completions"/fish/*.fish; do fish --no-execute "$file"; done
    export XDG_CONFIG_HOME=$PWD XDG_DATA_HOME=$PWD
    matches() {
        fish --no-config -c "source $completions/fish/$1.fish; complete -C '$2'" | cut -f 1 |
            LC_ALL=C sort | tr '\n' ' '
    }
    [ "$(matches clip-embed 'clip-embed --resum')" = "--resume " ]
    [ "$(matches clip-classify 'clip-classify --scores ')" = "cosine logit softmax " ]
}
