#!/bin/sh
# SPDX-License-Identifier: MIT
# option_tables.sh PROGRAM...: the tables of options of the commands themselves. Each follows the
# rules, its help fits 80 columns, and what two commands share is spelt and explained alike.
set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for program in "$@"; do
    "$program" --generate=faults >>"$work/faults" || echo "$program: --generate=faults failed" >>"$work/faults"
    "$program" --help | awk -v name="$(basename "$program")" \
        'length($0) > 80 { print name ": --help: longer than 80 columns: " $0 }' >>"$work/faults"
    "$program" --generate=table >>"$work/table"
done
# Columns: command, names, name of the value, text, details. What is written, how much of it, and in
# which formats, is each command's own, and so is what training makes of a name.
awk -F '\t' '
    {
        long = $2
        sub(/^-., /, "", long)
        if (split($2, parts, ", ") > 1 && parts[1] ~ /^-[^-]$/) {
            if (parts[1] in owner && owner[parts[1]] != long)
                print $1 ": " parts[1] " is " long " here and " owner[parts[1]] " in " where[parts[1]]
            owner[parts[1]] = long
            where[parts[1]] = $1
        }
        if (long ~ /^--(output|format|top|threshold|scores|batch-size|overwrite|precision|resume|seed|val)$/)
            next
        text = $2 " " $3 " " $4 " " $5
        if (long in seen && seen[long] != text)
            print $1 ": " long " is explained otherwise than in " place[long]
        seen[long] = text
        place[long] = $1
    }' "$work/table" >>"$work/faults"
if [ -s "$work/faults" ]; then
    cat "$work/faults"
    exit 1
fi
