#!/bin/sh
# SPDX-License-Identifier: MIT
# Small files: a word at 400 lines, a failure at 600. Tables of data may be longer.
set -eu
cd "$(dirname "$0")/../.."
git ls-files lib cmd tests man cmake | grep -E '\.(cpp|hpp|cu|cuh|sh|py|bats|cmake|awk)$' |
    grep -vE '_(table|data)\.(hpp|cpp)$' | {
    status=0
    while IFS= read -r file; do
        [ -f "$file" ] || continue
        lines=$(wc -l <"$file")
        if [ "$lines" -gt 600 ]; then
            echo "$file: $lines lines: split it (at most 600)"
            status=1
        elif [ "$lines" -gt 400 ]; then
            echo "$file: $lines lines: think again (warning)"
        fi
    done
    exit $status
}
