#!/bin/sh
# SPDX-License-Identifier: MIT
# generate_all.sh COMMANDS OUT: writes every page that is made from a .in file to OUT/man, and the
# completions of all commands in the folder COMMANDS to OUT/completions.
set -eu
commands=$1
out=$2
here=$(dirname "$0")
cases=$here/../tests/tools/examples
mkdir -p "$out/man" "$out/completions/bash" "$out/completions/zsh" "$out/completions/fish"

# Written beside its place first, so that a page is never left half made.
write() {
    file=$1
    shift
    "$@" >"$file.new" || {
        rm -f "$file.new"
        exit 1
    }
    mv "$file.new" "$file"
}

for page in "$here"/*.[17].in; do
    name=$(basename "$page" .in)
    command=$commands/${name%.*}
    # A page of no command takes its version from one of them.
    [ -x "$command" ] || command=$commands/clip-embed
    write "$out/man/$name" sh "$here/generate.sh" "$command" "$page" "$cases"
done
for program in "$commands"/clip-*; do
    command=${program##*/clip-}
    write "$out/completions/bash/clip-$command" "$program" --generate=bash
    write "$out/completions/zsh/_clip-$command" "$program" --generate=zsh
    write "$out/completions/fish/clip-$command.fish" "$program" --generate=fish
done
