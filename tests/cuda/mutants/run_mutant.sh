#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs tests against a plugin with a broken kernel in it: they have to fail, and to say so themselves.
#
#   run_mutant.sh PLUGIN PROGRAM FILTER
set -u
if [ ! -f "$1" ]; then
    echo "there is no $1"
    exit 1
fi
said=$(CLIP_TEST_DEVICE=cuda CLIP_CUDA_PLUGIN=$1 "$2" --test-case="$3" --abort-after=1 2>&1)
status=$?
case $said in
*"test cases: 0 |"* | *"test cases:  0 |"* | *"test cases:   0 |"*)
    echo "no test is called $3"
    exit 1
    ;;
*"plugin"*)
    printf '%s\n' "$said" | grep plugin
    exit 1
    ;;
esac
# A test that fails ends with 1; anything else is a crash or a plugin that does not load.
if [ "$status" -eq 1 ] && printf '%s' "$said" | grep -q 'Status: FAILURE'; then
    printf '%s\n' "$said" | grep -m 3 -E 'ERROR|run |race|out of bounds|never written'
    exit 0
fi
printf '%s\n' "$said" | tail -20
echo "the broken kernel passed $3 (status $status)"
exit 1
