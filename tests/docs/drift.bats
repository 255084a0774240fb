#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What is committed is what `make docs` makes of the commands as they are now.

setup() {
    root=$(realpath "$BATS_TEST_DIRNAME/../..")
    export LC_ALL=C.UTF-8
    sh "$root/man/generate_all.sh" "${CLIP_COMMANDS:?the folder of the commands}" "$BATS_TEST_TMPDIR"
}

@test "docs: the manual pages are those of the commands (else: make docs)" {
    for page in "$BATS_TEST_TMPDIR"/man/*; do
        diff -u "$root/man/$(basename "$page")" "$page"
    done
}

@test "docs: the completions are those of the commands (else: make docs)" {
    diff -ru "$root/completions" "$BATS_TEST_TMPDIR/completions"
}

@test "docs: every option of a command is in its page" {
    for command in embed classify train model; do
        "$CLIP_COMMANDS/clip-$command" --generate=table | cut -f 2 | grep -oE -- '--[a-z0-9-]+' |
            sed 's/-/\\-/g' | while IFS= read -r option; do
            grep -qF -- "$option" "$root/man/clip-$command.1" || { echo "clip-$command: $option"; exit 1; }
        done
    done
}
