#!/bin/sh
# SPDX-License-Identifier: MIT
# Figure 2 of Radford et al. 2021 on our data: examples seen until a model answers as well.
#
#   examples/train/efficiency.sh BUILD TRAIN EVALSETS OUT
#
# TRAIN is the train.jsonl of pairs.py, EVALSETS the folder of evalsets.py. The objectives train the
# same picture tower on the same batches, once at each learning rate (OUT/trials); the run with the
# best last accuracy on $SET counts. The curves of these are OUT/efficiency.svg, and their tables go
# to standard output. What was stopped goes on when the command is given again; what is complete is
# kept.
#
# $OBJECTIVES, $RATES, $EPOCHS, $ARCH, $SET and $THREADS say otherwise than the lines below. The
# first objective is what the others are compared with.
set -eu

usage="usage: efficiency.sh BUILD TRAIN EVALSETS OUT"
build=${1:?"$usage"}/cmd
train=${2:?"$usage"}
sets=${3:?"$usage"}
out=${4:?"$usage"}
objectives=${OBJECTIVES:-contrastive bag-of-words caption}
rates=${RATES:-1e-3 3e-3}
epochs=${EPOCHS:-12}
arch=${ARCH:-ViT-w64-l3-p8-i32-e64+w64-l2-c24}
set=${SET:-emojione-group7}

# accuracies RUN: samples and validation accuracy after each epoch.
accuracies() {
    jq -r 'select(.val_accuracy != null) | "\(.samples)\t\(.val_accuracy)"' "$1/log.jsonl"
}

mkdir -p "$out/trials"
for objective in $objectives; do
    best=-1
    for rate in $rates; do
        trial=$out/trials/$objective-$rate
        # The processor time of a subshell's children is that of this run alone.
        [ -e "$trial/times" ] || (
            "$build/clip-train" -o "$trial" --resume --quiet --arch "$arch" --train-tokenizer 2048 \
                --objective "$objective" --lr "$rate" --warmup 70 --grad-clip 1 --seed 1 \
                --epochs "$epochs" -b 128 --crop-scale 0.7 --background random \
                ${THREADS:+-j "$THREADS"} --val "$sets/$set.pairs.tsv" "$train"
            times >"$trial/times"
        )
        last=$(accuracies "$trial" | awk 'END { print $2 }')
        printf '%-14s rate %-6s last accuracy %.3f, processor time %s\n' "$objective" "$rate" \
            "$last" "$(tail -n 1 "$trial/times")"
        if awk "BEGIN { exit !($last > $best) }"; then
            best=$last
            mkdir -p "$out/$objective"
            jq -c 'select(.val_accuracy != null) | {step, samples, val_accuracy}' \
                "$trial/log.jsonl" >"$out/$objective/log.jsonl"
        fi
    done
done

for objective in $objectives; do
    accuracies "$out/$objective" | sed "s/^/$objective	/"
done >"$out/accuracies.tsv"
plot=$(CDPATH='' cd -- "$build" && pwd)/clip-eval
# Their losses are of different things, so that accuracies alone are drawn.
# shellcheck disable=SC2086 # an operand each
(cd "$out" && "$plot" plot --x samples -o efficiency.svg $objectives)

# What the most common answer reaches, for every picture.
floor=$(awk -F '\t' 'NR > 1 && ++n[$2] > most { most = n[$2] } END { print most / (NR - 1) }' \
    "$sets/$set.pairs.tsv")
# Between two epochs accuracy is taken to be a line; a level is reached where it is so first.
awk -F '\t' -v floor="$floor" '
    !($1 in epochs) { name[++objectives] = $1 }
    { n = ++epochs[$1]; seen[n] = $2; samples[$1, n] = $2; accuracy[$1, n] = $3
      if ($3 > best) best = $3 }
    function needed(of, level,    n, a, b) {
        for (n = 1; n <= epochs[of]; ++n) {
            a = accuracy[of, n - 1]; b = accuracy[of, n]
            if (b < level) continue
            if (n == 1) return samples[of, 1]
            return samples[of, n] - (samples[of, n] - samples[of, n - 1]) * (b - level) / (b - a)
        }
        return 0
    }
    function head(what,    i) {
        printf "\n%-10s", what
        for (i = 1; i <= objectives; ++i) printf " %14s", name[i]
        print ""
    }
    END {
        head("examples")
        for (n = 1; n <= epochs[name[1]]; ++n) {
            printf "%-10d", seen[n]
            for (i = 1; i <= objectives; ++i) printf " %14.3f", accuracy[name[i], n]
            print ""
        }
        printf "\nThe most common answer for all pictures: %.3f\n", floor
        head("accuracy")
        for (level = 0.05; level <= best; level += 0.05) {
            if (level <= floor) continue
            first = needed(name[1], level)
            printf "%-10.2f", level
            for (i = 1; i <= objectives; ++i) {
                here = needed(name[i], level)
                text = here ? sprintf("%d", here) : "never"
                if (i > 1 && here && first) text = text sprintf(" (x%.2f)", here / first)
                printf " %14s", text
            }
            print ""
        }
    }' "$out/accuracies.tsv"
