#!/bin/sh
# SPDX-License-Identifier: MIT
# man_page.sh CLI_TOY: a page put together by man/generate.sh, judged by groff and mandoc.
set -u
toy=$1
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
fail() {
    echo "FAILED $1"
    failures=$((failures + 1))
}

"$here/../../man/generate.sh" "$toy" "$here/page.1.in" "$here" >"$work/page.1" || fail 'generate.sh'
grep -q '^@' "$work/page.1" && fail 'a directive is left'
grep -q '"clip-tools 1.2.3"' "$work/page.1" || fail 'the version'
cat >"$work/want" <<'EOF'
Two labels:
.PP
.EX
$ cli\-toy \-l cat \-l \(aqa dog\(aq \-
.I \(lastandard input\(ra
{\(dqpath\(dq:\(dqa\etb.jpg\(dq}
\&.second
.I \(lastandard output\(ra
{\(dqpath\(dq:\(dqred_16.png\(dq,\(dqid\(dq:7,\(dqlabel\(dq:\(dqdog\(dq,\(dqscore\(dq:0.5031,\(dqmore\(dq:\(dqxxxx...
\(aqend\(aq
.EE
EOF
sed -n '/^Two labels/,$p' "$work/page.1" | diff "$work/want" - || fail 'the example'

echo '@EXAMPLE nowhere@' >"$work/bad.1.in"
"$here/../../man/generate.sh" "$toy" "$work/bad.1.in" "$here" >/dev/null 2>&1 && fail 'a missing example'
echo '@OPTIONSS@' >"$work/bad.1.in"
"$here/../../man/generate.sh" "$toy" "$work/bad.1.in" >/dev/null 2>&1 && fail 'an unknown directive'

if command -v groff >/dev/null && [ -e /usr/share/groff/current/tmac/an.tmac ]; then
    words=$(groff -man -ww -z "$work/page.1" 2>&1)
    [ -z "$words" ] || fail "groff: $words"
else
    echo 'skipped: groff with its man macros is not installed'
fi
if command -v mandoc >/dev/null; then
    words=$(mandoc -Tlint -Wwarning "$work/page.1")
    [ -z "$words" ] || fail "mandoc: $words"
    text=$(mandoc -Tascii "$work/page.1" | sed 's/.\x08//g')
    echo "$text" | grep -q -e '-j, --threads N' || fail 'mandoc: the options'
    echo "$text" | grep -qF '.Several templates are averaged; a \ stays one.' || fail 'mandoc: escapes'
else
    echo 'skipped: mandoc is not installed'
fi
[ $failures -eq 0 ] && echo 'man page: as expected'
exit $((failures > 0))
