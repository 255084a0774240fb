#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Every ```console block of the README, from first to last in one folder: commands follow "$ ", and
# what stands below each is what it writes. A line that ends in "..." is the beginning of one.

@test "readme: the commands write what the README shows" {
    for tool in jq h5dump; do
        command -v $tool >/dev/null || skip "$tool is not installed"
    done
    root=$(realpath "$BATS_TEST_DIRNAME/../..")
    export PATH="${CLIP_COMMANDS:?the folder of the commands}:$PATH"
    export LC_ALL=C.UTF-8 HOME=$BATS_TEST_TMPDIR CLIP_MODEL=../golden/micro-vit-hf
    mkdir "$BATS_TEST_TMPDIR/tools"
    ln -s "$root/tests/golden" "$BATS_TEST_TMPDIR/golden"
    cp -r "$root/tests/tools/pictures" "$BATS_TEST_TMPDIR/tools"
    cd "$BATS_TEST_TMPDIR/tools" || return 1

    awk '/^```/ { inside = $0 == "```console"; next } inside' "$root/README.md" >../lines
    : >../want
    command='' count=0 failures=0
    run_command() {
        [ -n "$command" ] || return 0
        count=$((count + 1))
        bash -c "$command" >../got 2>&1 || { echo "failed: $command"; failures=$((failures + 1)); }
        # Shorten what came to what is shown.
        awk 'NR == FNR { want[FNR] = $0; next }
             want[FNR] ~ /\.\.\.$/ { $0 = substr($0, 1, length(want[FNR]) - 3) "..." }
             { print }' ../want ../got >../shown
        diff ../want ../shown || { echo "from: $command"; failures=$((failures + 1)); }
    }
    while IFS= read -r line; do
        if [[ $line == '$ '* ]]; then
            run_command
            command=${line#'$ '}
            : >../want
        else
            printf '%s\n' "$line" >>../want
        fi
    done <../lines
    run_command
    [ "$count" -gt 15 ]
    [ "$failures" -eq 0 ]
}

@test "readme: names no place that only some machine has" {
    root=$(realpath "$BATS_TEST_DIRNAME/../..")
    ! grep -nE '/(work|home|root|tmp)/' "$root/README.md"
}
