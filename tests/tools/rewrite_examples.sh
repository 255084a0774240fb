#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# rewrite_examples.sh COMMANDS: makes the output that COMMANDS/clip-* give now the expected one of
# all .case files. What changed is left as a difference to read before it is committed.
set -euo pipefail
commands=$(realpath "$1")
here=$(dirname "$(realpath "$0")")
source "$here/case_files.bash"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PATH=$commands:$PATH LC_ALL=C.UTF-8 HOME=$work

for file in "$here"/examples/*.case; do
    # What stands before the first case is kept.
    sed '/^# name: /,$d' "$file" >"$work/new"
    separator=
    while IFS= read -r name; do
        case_folder "$work/folder"
        cd "$work/folder"
        run_case "$file" "$name"
        {
            printf '%s# name: %s\n' "$separator" "$name"
            case_part "$file" "$name" '$' | sed 's/^/$ /'
            case_part "$file" "$name" '<' | sed 's/^/< /'
            sed 's/^/> /' got
            echo "? $case_status"
        } >>"$work/new"
        separator=$'\n'
    done < <(case_names "$file")
    cp "$work/new" "$file"
done
