#!/bin/sh
# SPDX-License-Identifier: MIT
# generate.sh PROGRAM PAGE.in [FOLDER OF .case FILES]: writes a manual page to standard output.
#
# In the page these stand alone on a line:
#   @OPTIONS@       the option list, from PROGRAM --generate=man-options
#   @EXIT_STATUS@   exit-status.inc, beside this script
#   @EXAMPLE name@  the case "# name: NAME" of a .case file: its command, input and output
#   @INCLUDE name@  NAME.inc, beside this script: what several pages say
#   @FILE name@     the file NAME of the folder examples, as it stands
# and anywhere in a line:
#   @VERSION@       the last word of the first line of PROGRAM --version
#
# A .case file holds records of lines "# name: NAME", "$ command", "< a line of standard input",
# "> a line of standard output", "? exit status".
set -eu
program=$1
page=$2
cases=${3-}
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$program" --generate=man-options >"$work/options"
version=$("$program" --version | sed -n '1s/.* //p')
: >"$work/cases"
if [ -n "$cases" ]; then
    find "$cases" -name '*.case' | LC_ALL=C sort | while IFS= read -r file; do
        cat "$file"
        echo
    done >"$work/cases"
fi

LC_ALL=C awk -v options="$work/options" -v here="$here" -v cases="$work/cases" \
    -v version="$version" -v page="$page" '
    function insert(file, line, count) {
        for (count = 0; (getline line < file) > 0; ++count)
            print line
        close(file)
        if (!count) {
            print page ": nothing to insert from " file > "/dev/stderr"
            exit failed = 1
        }
    }
    # A line of an example as roff source; a page is 80 columns wide and these are indented.
    function verbatim(text) {
        if (length(text) > 72)
            text = substr(text, 1, 69) "..."
        gsub(/\\/, "\\e", text)
        gsub(/-/, "\\-", text)
        gsub(/\047/, "\\(aq", text)
        gsub(/"/, "\\(dq", text)
        gsub(/`/, "\\(ga", text)
        gsub(/\^/, "\\(ha", text)
        gsub(/~/, "\\(ti", text)
        if (text ~ /^\./)
            text = "\\&" text
        print text
    }
    function example(name, line, found, input) {
        input = 0
        while ((getline line < cases) > 0) {
            if (line ~ /^# name: /) {
                if (found == 1)
                    found = 2
                if (line == "# name: " name) {
                    found = 1
                    print ".PP\n.EX"
                }
            } else if (found == 1 && line ~ /^\$ /) {
                if (length(line) > 72) {
                    print page ": a command that is too wide: " line > "/dev/stderr"
                    exit failed = 1
                }
                # An indented line goes on with the command: the prompt stands once.
                verbatim(line ~ /^\$    / ? " " substr(line, 2) : line)
            } else if (found == 1 && line ~ /^< /) {
                if (!input++)
                    print ".I \\(lastandard input\\(ra"
                verbatim(substr(line, 3))
            } else if (found == 1 && line ~ /^> /) {
                if (input > 0) {
                    print ".I \\(lastandard output\\(ra"
                    input = -1000000
                }
                verbatim(substr(line, 3))
            }
        }
        close(cases)
        if (!found) {
            print page ": there is no example " name > "/dev/stderr"
            exit failed = 1
        }
        print ".EE"
    }
    /^@OPTIONS@$/ { insert(options); next }
    /^@EXIT_STATUS@$/ { insert(here "/exit-status.inc"); next }
    /^@INCLUDE [a-z-]*@$/ { insert(here "/" substr($2, 1, length($2) - 1) ".inc"); next }
    /^@FILE [^@]*@$/ {
        file = here "/../examples/" substr($2, 1, length($2) - 1)
        for (count = 0; (getline line < file) > 0; ++count)
            verbatim(line)
        close(file)
        if (!count) {
            print page ": nothing to insert from " file > "/dev/stderr"
            exit failed = 1
        }
        next
    }
    /^@EXAMPLE [^@]*@$/ { example(substr($0, 10, length($0) - 10)); next }
    {
        gsub(/@VERSION@/, version)
        if ($0 ~ /^@/) {
            print page ": unknown directive " $0 > "/dev/stderr"
            exit failed = 1
        }
        print
    }
    END { exit failed }
' "$page"
