#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The examples of the manual pages do what the pages say, whatever the threads and the batch size.
load setup
load case_files

# Runs every case with the options, and says which outputs are not as written.
run_all() {
    local file name failures=0 count=0
    for file in "$BATS_TEST_DIRNAME"/examples/*.case; do
        # The linear probe is not in every build.
        if [[ $file == *probe.case ]] && clip-eval probe --train x 2>&1 | grep -q 'not in this build'; then
            continue
        fi
        while IFS= read -r name; do
            count=$((count + 1))
            case_folder folder
            cd folder || return 1
            run_case "$file" "$name" "$@"
            case_part "$file" "$name" '>' >../want
            local want
            want=$(case_part "$file" "$name" '?')
            if [ "$case_status" -ne "${want:-0}" ] || ! cmp -s ../want got; then
                echo "$name: status $case_status (want ${want:-0}); want < got >:"
                diff ../want got | cut -c1-200
                cat messages
                failures=$((failures + 1))
            fi
            cd ..
        done < <(case_names "$file")
    done
    [ $count -gt 10 ]
    [ $failures -eq 0 ]
}

@test "examples: output and status are as written" { run_all; }

@test "examples: the same with two threads" { run_all --threads 2; }

@test "examples: the same one input at a time" { run_all --batch-size 1; }

@test "examples: names are used once" {
    cat "$BATS_TEST_DIRNAME"/examples/*.case | sed -n 's/^# name: //p' | sort >names
    [ -z "$(uniq -d names)" ]
}
