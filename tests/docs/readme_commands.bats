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

# Prints the command of the README that makes the folder sorted, with its spaces made single.
sorting_command() {
    sed -n 's/^\$ \(clip-classify .*sorted.*\)/\1/p' "$1/README.md" | tr -s ' '
}

@test "readme: sorting into folders loses no picture, whatever its name" {
    command -v jq >/dev/null || skip "jq is not installed"
    root=$(realpath "$BATS_TEST_DIRNAME/../..")
    export PATH="${CLIP_COMMANDS:?the folder of the commands}:$PATH"
    export LC_ALL=C.UTF-8 CLIP_MODEL=$root/tests/golden/micro-vit-hf
    cd "$BATS_TEST_TMPDIR" || return 1
    mkdir -p pictures/a pictures/b pictures/c
    # Each picture has bytes of its own, behind the end of the PNG.
    number=0
    for name in a/1.png b/1.png c/1.png a/-n.png $'a/t\tab.png' 'b/back\slash.png' "b/it's.png" \
        'b/$(touch evil).png' $'c/line\nbreak.png' 'c/a  b.png'; do
        number=$((number + 1))
        { cat "$root/tests/tools/pictures/disc/red.png" && echo $number; } >"pictures/$name"
    done
    checksums() { find "$1" -type f -exec sha256sum -z {} + | tr '\0\n' '\n?' | cut -c 1-64 | sort; }
    command=$(sorting_command "$root")
    [ -n "$command" ]
    bash -c "$command"
    [ "$(checksums sorted | wc -l)" -eq 10 ]
    diff <(checksums pictures) <(checksums sorted)
    [ -z "$(find . -name 'evil*')" ]
    # What is in the folder pictures at the start of a path: operands with a leading dash.
    cd pictures/a
    bash -c "${command/-r pictures/-- -n.png ./1.png}"
    [ "$(checksums sorted | wc -l)" -eq 2 ]
}

@test "readme: clip(7) sorts into folders by the same command" {
    root=$(realpath "$BATS_TEST_DIRNAME/../..")
    source "$root/tests/tools/case_files.bash"
    page=$(case_part "$root/tests/tools/examples/clip.case" pipeline-sort-into-folders '$' |
        sed '/^find/d' | tr -s '\n ' ' ')
    [ "${page% }" = "$(sorting_command "$root")" ]
}

@test "readme: names no place that only some machine has" {
    root=$(realpath "$BATS_TEST_DIRNAME/../..")
    ! grep -nE '/(work|home|root|tmp)/' "$root/README.md"
}
