#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# clip-eval plot: the curves of logs, and logs that are damaged.
load setup

# log STEPS RATE: a log of clip-train, validated every tenth step.
log() {
    awk -v steps="$1" -v rate="$2" 'BEGIN {
        for (i = 1; i <= steps; ++i) {
            printf "{\"step\":%d,\"epoch\":0,\"loss\":%.4f,\"lr\":0.001,\"samples\":%d,\"samples_per_second\":%d}\n",
                i, 1 + 4 / i + (i % 2) / 10, i * 64, rate
            if (i % 10 == 0)
                printf "{\"step\":%d,\"epoch\":0,\"samples\":%d,\"val_loss\":%.4f,\"val_accuracy\":%.4f}\n",
                    i, i * 64, 2 + 4 / i, 1 - 1 / i
        }
    }'
}

texts() { grep -oE '<text[^>]*>[^<]*' "$1" | sed 's/.*>//'; }
lines() { grep -c '<polyline' "$1"; }

@test "eval plot: loss, validation and accuracy of one run" {
    mkdir run
    log 200 100 >run/log.jsonl
    for operand in run run/ run/log.jsonl; do
        expect_status 0 clip-eval plot "$operand" -o curve.svg
        [ ! -s out ] && [ ! -s err ]
        texts curve.svg >words
        for word in 'Loss, run' 'Validation accuracy, run' loss accuracy step training validation 200; do
            grep -qxF "$word" words
        done
    done
    # Without smoothing the pale line is the line.
    number=$(lines curve.svg)
    expect_status 0 clip-eval plot --smooth 1 run -o plain.svg
    [ "$(lines plain.svg)" -eq $((number - 1)) ]
    # A log without validation has one plot.
    grep -v val_ run/log.jsonl | expect_status 0 clip-eval plot -o training.svg
    ! texts training.svg | grep -qi validation || false
    [ "$(grep -oE ' height="[0-9]+"' training.svg | head -n 1 | tr -dc 0-9)" -lt \
        "$(grep -oE ' height="[0-9]+"' curve.svg | head -n 1 | tr -dc 0-9)" ]
}

@test "eval plot: a validation without accuracy has its loss drawn" {
    log 40 100 | sed 's/"val_accuracy":[0-9.]*/"val_accuracy":null/' >log
    expect_status 0 clip-eval plot log -o curve.svg
    [ ! -s err ]
    texts curve.svg | grep -qx validation
    ! texts curve.svg | grep -q accuracy || false
    # A loss is never null.
    sed 's/"val_loss":[0-9.]*/"val_loss":null/' log | expect_status 1 clip-eval plot -o curve.svg
    grep -q 'val_loss is no finite number' err
}

@test "eval plot: what has no loss has no plot of losses" {
    # As where runs of several objectives are compared, whose losses have nothing in common.
    log 100 100 | jq -c 'select(.val_accuracy) | {step, samples, val_accuracy}' >log
    expect_status 0 clip-eval plot --x samples log -o accuracy.svg
    texts accuracy.svg | grep -q '^Validation accuracy'
    ! texts accuracy.svg | grep -q '^[Ll]oss' || false
}

@test "eval plot: several runs, told apart by their names" {
    mkdir -p one two other/two
    log 100 100 >one/log.jsonl
    log 50 100 >two/log.jsonl
    log 20 100 >other/two/log.jsonl
    expect_status 0 clip-eval plot one two -o curves.svg
    texts curves.svg | grep -qx one
    texts curves.svg | grep -qx 'two, validation'
    expect_status 0 clip-eval plot one two other/two -o curves.svg
    texts curves.svg | grep -qx one
    texts curves.svg | grep -qx other/two/log.jsonl
}

@test "eval plot: against samples and time, on logarithmic axes" {
    log 200 10 >log
    expect_status 0 clip-eval plot log --x samples -o samples.svg
    texts samples.svg | grep -qx samples
    texts samples.svg | grep -qE '^1[0-9]000$'
    expect_status 0 clip-eval plot log --x time -o time.svg # 200 steps of 6.4 seconds
    texts time.svg | grep -qx 'time (min)'
    texts time.svg | grep -qx 20
    ! texts time.svg | grep -qx 25 || false
    expect_status 0 clip-eval plot log --log xy -o log.svg
    texts log.svg | grep -qx 128
    texts log.svg | grep -qx 256
    expect_status 2 clip-eval plot log --x hours -o x.svg
    # A loss of 0 has no place on a logarithmic axis.
    echo '{"step":1,"loss":0}' | expect_status 2 clip-eval plot --log y -o zero.svg
    [ ! -e zero.svg ]
}

@test "eval plot: damaged lines are named and left out" {
    {
        log 20 100
        echo 'no json'
        echo '{"step":21,"loss":null}'
        echo '{"loss":1}'
        echo '{"remark":"nothing to draw"}'
        echo '[1]'
        printf '{"step":22,"lo'
    } >log.jsonl
    expect_status 1 clip-eval plot log.jsonl -o curve.svg
    for place in 23 24 25 27 28; do grep -q "log.jsonl:$place: " err; done
    [ "$(wc -l <err)" -eq 5 ]
    grep -q 'loss is no finite number' err
    [ -s curve.svg ]
}

@test "eval plot: what is no log is refused, and nothing is written" {
    log 3 1 >good
    : >empty
    seq 1000 >numbers
    for file in empty numbers missing; do
        expect_status 2 clip-eval plot good $file -o curve.svg
        [ ! -e curve.svg ]
        [ "$(wc -l <err)" -le 22 ]
    done
    expect_status 2 clip-eval plot good
    expect_status 2 clip-eval plot good -o curve.pdf
    cp good good.svg
    expect_status 2 clip-eval plot good.svg -o good.svg
    cmp good good.svg
    expect_status 2 clip-eval plot - - -o curve.svg <good
}

@test "eval plot: a log of a million steps makes a small picture" {
    log 1000000 100000 >log
    expect_status 0 clip-eval plot log -o curve.svg
    [ "$(stat -c %s curve.svg)" -lt 300000 ]
}
