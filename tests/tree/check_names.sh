#!/bin/sh
# SPDX-License-Identifier: MIT
# Names and first lines of the files in the tree.
set -eu
cd "$(dirname "$0")/../.."
failed=$(mktemp)
trap 'rm -f "$failed"' EXIT

git ls-files lib cmd tests man cmake completions Makefile CMakeLists.txt >"$failed.all"
trap 'rm -f "$failed" "$failed.all"' EXIT

grep -E '(^|/)(utils?|misc|common|helpers?)(_test)?(\.[a-z]+)?(/|$)' "$failed.all" |
    sed 's|$|: a name that says nothing|' >>"$failed" || true
grep -E '^(lib|cmd|tests)/' "$failed.all" | grep -E '\.(cpp|hpp|cu|cuh)$' |
    grep -vE '(^|/)[a-z0-9_]+\.[a-z]+$' | sed 's|$|: not snake_case|' >>"$failed" || true

grep -E '\.(cpp|hpp|cu|cuh|sh|py|bats|awk)$' "$failed.all" | while IFS= read -r file; do
    [ -s "$file" ] || continue
    # Scripts have their interpreter first.
    head -n 2 "$file" | grep -q 'SPDX-License-Identifier: MIT' || echo "$file: no SPDX line at its top"
    case $file in
    *.hpp | *.cuh) grep -q '^#pragma once' "$file" || echo "$file: no #pragma once" ;;
    esac
    # Bytes outside printable ASCII, tab and line break.
    if LC_ALL=C grep -qn '[^ -~	]' "$file"; then
        LC_ALL=C grep -n '[^ -~	]' "$file" | head -n 1 | cut -d: -f1 |
            sed "s|^|$file: not plain ASCII in line |"
    fi
    case $file in
    *.cpp | *.hpp | *.cu | *.cuh)
        grep -nE '\<(TODO|FIXME|XXX|HACK)\>([^(#]|$)' "$file" | sed "s|^|$file:|;s|\$| (a note without an issue's number)|" || true
        ;;
    esac
done >>"$failed"

if [ -s "$failed" ]; then
    cat "$failed"
    exit 1
fi
