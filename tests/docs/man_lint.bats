#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The committed pages are good roff, and say what a page has to say.

setup() {
    cd "$BATS_TEST_DIRNAME/../../man" || return 1
}

@test "man: groff has nothing to say" {
    command -v groff >/dev/null || skip "groff is not installed"
    [ -e /usr/share/groff/current/tmac/an.tmac ] || skip "groff has no man macros here"
    for page in *.[1-9]; do
        words=$(groff -man -ww -z "$page" 2>&1)
        [ -z "$words" ] || { echo "$page: $words"; false; }
    done
}

@test "man: mandoc has nothing to say" {
    command -v mandoc >/dev/null || skip "mandoc is not installed"
    for page in *.[1-9]; do
        words=$(mandoc -Tlint -Wwarning "$page") || { echo "$page: $words"; false; }
    done
}

@test "man: no line is wider than 80 columns" {
    command -v groff >/dev/null || skip "groff is not installed"
    [ -e /usr/share/groff/current/tmac/an.tmac ] || skip "groff has no man macros here"
    for page in *.[1-9]; do
        width=$(groff -man -Tutf8 -rLL=80n -P-cbou "$page" | LC_ALL=C.UTF-8 wc -L)
        [ "$width" -le 80 ] || { echo "$page: $width columns"; false; }
    done
}

@test "man: pages have the sections that they need" {
    for page in *.[1-9]; do
        sections="NAME DESCRIPTION EXAMPLES SEE.ALSO"
        case $page in
        *.1) sections="$sections SYNOPSIS OPTIONS EXIT.STATUS ENVIRONMENT FILES" ;;
        esac
        for section in $sections; do
            grep -Eq "^\.SH \"?$section" "$page" || { echo "$page: no $section"; false; }
        done
    done
}

@test "man: what a page refers to is there" {
    for page in *.[1-9]; do
        grep -oE 'clip(\\-[a-z]+)? ?\([1-9]\)' "$page" | tr -d '\\ ' | tr '()' '. ' | sort -u |
            while read -r other; do
                [ -e "$other" ] || { echo "$page: refers to $other"; exit 1; }
            done
    done
}

@test "man: each .in has its page, and no directive is left in one" {
    for source in *.[1-9].in; do [ -s "${source%.in}" ]; done
    ! grep -n '^@' *.[1-9]
}
