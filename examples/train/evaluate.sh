#!/bin/sh
# SPDX-License-Identifier: MIT
# Measures a model on the sets of evalsets.py and writes what came out as a Markdown table.
#
#   examples/train/evaluate.sh BUILD MODEL EVAL [CARD]
#
# EVAL is the folder eval below the pairs. With CARD, a model card, the table goes between its lines
# <!-- figures --> and <!-- end of figures -->; else to standard output. Sets that are not there are
# left out. Needs jq.
set -eu

if [ $# -lt 3 ]; then
    echo "usage: evaluate.sh BUILD MODEL EVAL [CARD]" >&2
    exit 2
fi
PATH=$(CDPATH='' cd -- "$1" && pwd)/cmd:$PATH
model=$2
eval=$3
card=${4:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# "38.3 % (34.1 to 42.6)", from the JSON of clip-eval.
# shellcheck disable=SC2016 # what has a $ here is jq's
figure='def pc: (. * 1000 | round) as $v | "\($v / 10 | floor).\($v % 10)";
    "\(.value | pc) % (\(.interval[0] | pc) to \(.interval[1] | pc))"'

# zeroshot SET METRIC [.raw]: the JSON of the set's pictures on white, or as their packages have them.
zeroshot() {
    cut -f 1 "$eval/$1${3:-}.tsv" | clip-eval zeroshot -m "$model" --metric "$2" \
        --labels "$eval/$1.labels" --truth "$eval/$1${3:-}.tsv"
}

# top5 SET [.raw]: the same of the share whose label is among the first five, which clip-classify
# counts; the interval is Wilson's.
top5() {
    cut -f 1 "$eval/$1${2:-}.tsv" | clip-classify -m "$model" -k 5 --labels "$eval/$1.labels" \
        --truth "$eval/$1${2:-}.tsv" --summary "$work/summary.json" >/dev/null 2>&1
    jq '.n as $n | .top5 as $p | (2.8070338 * 2.8070338 / $n) as $z
        | (($z * ($p * (1 - $p) + $z / 4)) | sqrt) as $half
        | {n: $n, value: $p, interval: [($p + $z / 2 - $half) / (1 + $z),
                                        ($p + $z / 2 + $half) / (1 + $z)]}' "$work/summary.json"
}

# row NAME LABELS METRIC JSON [JSON of the raw pictures]
row() {
    of_raw=
    [ -z "${5:-}" ] || of_raw=$(jq -r "$figure" "$5")
    tries=1
    [ "$3" != top-5 ] || tries=5
    chance=$(awk -v n="$2" -v k=$tries 'BEGIN { printf "%.1f", 100 * k / n }')
    echo "| $1 | $(jq .n "$4") | $2 | $3 | $(jq -r "$figure" "$4") | $of_raw | $chance % |"
}

table() {
    clip-model info "$model" | awk '
        { value[$1] = $2 }
        END { print "Of `" value["model"] "`, " value["parameters"] " parameters:\n" }'
    echo "| set | pictures | labels | metric | on white | as the files are | chance |"
    echo "|---|---|---|---|---|---|---|"
    for labels in "$eval"/*.labels; do
        name=$(basename "$labels" .labels)
        echo "evaluate: $name" >&2
        metric=accuracy
        case $name in
        fashion-mnist-train) continue ;;           # what the probe is fitted on
        stamps18 | scenes) metric=mean-per-class ;; # of very different numbers
        esac
        zeroshot "$name" $metric >"$work/white.json"
        raw=
        if [ -e "$eval/$name.raw.tsv" ]; then
            raw=$work/raw.json
            zeroshot "$name" $metric .raw >"$raw"
        fi
        row "$name" "$(wc -l <"$labels")" $metric "$work/white.json" "$raw"
        if [ "$name" = emojione-names ]; then
            top5 "$name" >"$work/white.json"
            top5 "$name" .raw >"$raw"
            row "$name" "$(wc -l <"$labels")" "top-5" "$work/white.json" "$raw"
        fi
    done
    if [ -e "$eval/fashion-mnist-train.tsv" ]; then
        echo "evaluate: fashion-mnist, linear probe" >&2
        cat "$eval/fashion-mnist-train.tsv" "$eval/fashion-mnist.tsv" >"$work/truth.tsv"
        for part in -train ''; do
            cut -f 1 "$eval/fashion-mnist$part.tsv" | clip-embed -m "$model" --quiet \
                --layer penultimate -o "$work/features$part.h5"
        done
        clip-eval probe --train "$work/features-train.h5" --test "$work/features.h5" \
            --truth "$work/truth.tsv" >"$work/probe.json"
        row "fashion-mnist, linear probe" "$(wc -l <"$eval/fashion-mnist.labels")" accuracy \
            "$work/probe.json"
    fi
}

table >"$work/table.md"
if [ -z "$card" ]; then
    cat "$work/table.md"
    exit
fi
awk -v table="$work/table.md" '
    /^<!-- end of figures -->$/ { inside = 0 }
    !inside
    /^<!-- figures -->$/ { inside = 1; while ((getline line < table) > 0) print line }
' "$card" >"$work/card.md"
cat "$work/card.md" >"$card"
