#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs nvcc and keeps what its assembler says of each kernel (registers, spills, shared memory).
#
#   keep_ptxas_report.sh FOLDER COMMAND... -o NAME.cu.o ...    -> FOLDER/NAME.txt
set -eu

folder=$1
shift
object=
previous=
for word in "$@"; do
    [ "$previous" != -o ] || object=$word
    previous=$word
done
name=$(basename "$object" .cu.o)
said=$(mktemp)
trap 'rm -f "$said"' EXIT
status=0
"$@" 2>"$said" || status=$?
# Whatever is no part of the report is for the person who builds.
report='^ptxas info|^ +[0-9]+ bytes stack frame|^ptxas *: info'
grep -vE "$report" "$said" >&2 || true
if [ "$status" -eq 0 ] && grep -qE "$report" "$said"; then
    mkdir -p "$folder"
    grep -E "$report" "$said" >"$folder/$name.txt.$$"
    mv "$folder/$name.txt.$$" "$folder/$name.txt"
fi
exit "$status"
