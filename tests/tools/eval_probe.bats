#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# clip-eval probe: splits, search, shots, failures. That its fits are scikit-learn's is tested in
# tests/search and tests/parity.
load setup

# features NAME ROWS CLASSES SEED: JSON lines of rows around one centre a class.
features() {
    awk -v name="$1" -v rows="$2" -v classes="$3" -v seed="$4" 'BEGIN {
        srand(seed)
        for (i = 0; i < rows; ++i) {
            line = ""
            for (d = 0; d < 6; ++d)
                line = line sprintf("%s%.4f", d ? "," : "", 5 + 2 * (d == i % classes) + 3 * (rand() + rand() - 1))
            printf "{\"path\":\"%s/c%d/%d.png\",\"model\":\"m@000000000000\",\"embedding\":[%s]}\n", name, i % classes, i, line
        }
    }'
}

probe() { clip-eval probe --truth folder "$@"; }

needs_probe() {
    probe --train none.jsonl 2>&1 | grep -q 'not in this build' && skip "built without liblbfgs"
    features train 240 3 1 >train.jsonl
    features test 90 3 2 >test.jsonl
    features val 60 3 3 >val.jsonl
}

@test "eval probe: the report has what was promised" {
    needs_probe
    expect_status 0 probe --train train.jsonl --test test.jsonl
    jq -e '.task == "probe" and .train == ["train.jsonl"] and .test == ["test.jsonl"] and .val == []
        and .model == "m@000000000000" and .layer == null and .metric == "accuracy"
        and .measured_on == "test" and .n == 90 and .failed == 0 and .converged
        and .interval[0] < .value and .value < .interval[1] and .value > 0.5
        and .splits == {train: 192, validation: 48, test: 90, held_out: true}
        and .shots == [] and (.classes | map(.label)) == ["c0", "c1", "c2"]
        and ((.lambda * .C - 1) | fabs) < 1e-15' out
    # The grid: the papers seven and halvings, ascending, the best of them taken.
    jq -e '.lambda as $best | (.grid | length) <= 15 and (.grid | map(.lambda)) == (.grid | map(.lambda) | sort)
        and (.grid | map(.value) | max) as $most | [.grid[] | select(.value == $most)][-1].lambda == $best' out
    [ "$(jq -c '[.grid[].lambda] | [.[0], .[-1]]' out)" = '[1e-06,1000000]' ]
    grep -q 'do not name; the paper' err
}

@test "eval probe: the same bytes whatever the threads, others for another seed" {
    needs_probe
    args=(--train train.jsonl --test test.jsonl --shots 2,8 --repeats 2)
    expect_status 0 probe -j 1 "${args[@]}"
    mv out first
    expect_status 0 probe -j 3 "${args[@]}"
    cmp first out
    expect_status 0 probe --seed 1 "${args[@]}"
    [ "$(jq -c .shots out)" != "$(jq -c .shots first)" ]
    [ "$(jq .splits out)" = "$(jq .splits first)" ]
}

@test "eval probe: --val, --lambda, several files, and no --test" {
    needs_probe
    expect_status 0 probe --train train.jsonl --val val.jsonl --test test.jsonl
    jq -e '.splits == {train: 240, validation: 60, test: 90, held_out: false}' out
    mv out whole
    head -n 100 train.jsonl >t1.jsonl
    tail -n +101 train.jsonl >t2.jsonl
    expect_status 0 probe --train t1.jsonl --train t2.jsonl --val val.jsonl --test test.jsonl
    [ "$(jq 'del(.train)' out)" = "$(jq 'del(.train)' whole)" ]
    lambda=$(jq .lambda whole)
    expect_status 0 probe --train train.jsonl --train val.jsonl --test test.jsonl --lambda "$lambda"
    jq -e '.grid == [] and .splits.train == 300 and .splits.validation == 0' out
    [ "$(jq .value out)" = "$(jq .value whole)" ]
    expect_status 0 probe --train train.jsonl --val val.jsonl
    jq -e '.measured_on == "validation" and .n == 60 and .value == (.grid | map(.value) | max)' out
    grep -q 'flatters' err
    expect_status 0 probe --train - --test test.jsonl --lambda 1 <train.jsonl
    expect_status 2 probe --train - --test - <train.jsonl
}

@test "eval probe: a few examples a class, their spread, and the curve" {
    needs_probe
    expect_status 0 probe --train train.jsonl --test test.jsonl --shots 4,1 --shots 16 --repeats 4 \
        --zeroshot 0.4 --plot curve.svg
    jq -e '(.shots | map(.shots)) == [1, 4, 16] and (.shots | map(.runs | length)) == [4, 4, 4]
        and all(.shots[]; .min <= .mean and .mean <= .max and .deviation >= 0
            and ((.runs | map(.value) | add / 4) - .mean | fabs) < 1e-12) and .zeroshot == 0.4' out
    grep -q 'zero-shot' curve.svg && grep -q 'examples a class' curve.svg
    expect_status 2 probe --train train.jsonl --test test.jsonl --shots 65
    grep -q "'c0' has only 64" err
    expect_status 2 probe --train train.jsonl --shots 2,x
    expect_status 2 probe --train train.jsonl --shots 0
    expect_status 2 probe --train train.jsonl --plot curve.svg
    expect_status 2 probe --train train.jsonl --shots 2 --plot curve.gif
}

@test "eval probe: every metric, also with several labels a row" {
    needs_probe
    for metric in accuracy mean-per-class top1-top5-mean; do
        expect_status 0 probe --metric $metric --train train.jsonl --test test.jsonl
        jq -e '.interval[0] <= .value and .value <= .interval[1]' out
    done
    features train 100 2 5 >two.jsonl
    features test 60 2 6 >twotest.jsonl
    expect_status 0 probe --metric auc --train two.jsonl --test twotest.jsonl
    jq -e '.positive == "c1" and .value > 0.5' out
    value=$(jq .value out)
    expect_status 0 probe --metric auc --positive c0 --train two.jsonl --test twotest.jsonl
    [ "$(jq .value out)" = "$value" ]
    expect_status 2 probe --metric auc --train train.jsonl --test test.jsonl
    expect_status 2 probe --metric auc --positive x --train two.jsonl
    jq -r '.path' train.jsonl test.jsonl |
        awk -F / '{ print $0 "\t" $2 ($3 + 0) % 5 == 0 ? $0 "\t" $2 "|c0" : $0 "\t" $2 }' >several.tsv
    expect_status 0 clip-eval probe --truth several.tsv --metric map11 --train train.jsonl --test test.jsonl
    jq -e '.value > 0.4 and (.classes | map(.n) | add) >= .n' out
}

@test "eval probe: features of two models or layers never meet" {
    needs_probe
    sed 's/m@000000000000/n@111111111111/' test.jsonl >other.jsonl
    expect_status 2 probe --train train.jsonl --test other.jsonl
    grep -q 'm@000000000000' err && grep -q 'n@111111111111' err
    [ ! -s out ]
    mkdir -p t/a t/b
    cp "$CLIP_GOLDEN"/pixels/rgb*.png "$CLIP_GOLDEN"/pixels/grey.png "$CLIP_GOLDEN"/pixels/tall.png t/a
    cp "$CLIP_GOLDEN"/pixels/grey*.jpg "$CLIP_GOLDEN"/pixels/rgb.jpg "$CLIP_GOLDEN"/pixels/wide.png t/b
    expect_status 0 clip-embed --layer penultimate -r -o pen.h5 t
    expect_status 0 clip-embed -r -o pro.h5 t
    expect_status 0 clip-embed --layer penultimate --normalize -r -o unit.h5 t
    expect_status 0 probe --train pen.h5
    jq -e '.layer == "penultimate" and (.model | test("@[0-9a-f]{12}$"))' out
    ! grep -q 'paper' err
    expect_status 0 probe --train pro.h5
    jq -e '.layer == "projected"' out
    grep -q 'penultimate' err
    expect_status 2 probe --train pen.h5 --test pro.h5
    grep -q 'pro.h5.*projected.*pen.h5.*penultimate' err
    # JSON lines name the layer where it is not the projected one.
    expect_status 0 clip-embed --layer penultimate -r -o pen.jsonl t
    expect_status 0 probe --train pen.jsonl
    jq -e '.layer == "penultimate"' out
    expect_status 0 probe --train pen.jsonl --test pen.h5 --lambda 1
    expect_status 2 probe --train pen.jsonl --test pro.h5
    grep -q 'pro.h5.*projected.*penultimate' err
    expect_status 2 probe --train pen.h5 --test unit.h5
    grep -q 'unit.h5 have length 1' err
    # What is trained on and tested on, too, is said.
    expect_status 0 probe --train pen.h5 --test pen.h5 --lambda 1
    grep -q 'of --test are in --train' err
}

@test "eval probe: bad rows are named with file and row, bad files end it" {
    needs_probe
    mkdir -p t/a t/b
    cp "$CLIP_GOLDEN"/pixels/rgb*.png "$CLIP_GOLDEN"/pixels/grey.png t/a
    cp "$CLIP_GOLDEN"/pixels/grey*.jpg "$CLIP_GOLDEN"/pixels/rgb.jpg t/b
    expect_status 0 clip-embed --layer penultimate -r -o pen.h5 t
    head -c 3000 pen.h5 >cut.h5
    for bad in cut.h5 missing.h5 missing.jsonl "$CLIP_GOLDEN/hdf5/not_finite.h5" \
        "$CLIP_GOLDEN/hdf5/good_empty.h5" "$CLIP_GOLDEN/pixels/rgb.png"; do
        expect_status 2 probe --train "$bad" --test pen.h5
        grep -q "$(basename "$bad")" err
        [ ! -s out ]
    done
    : >empty.jsonl
    expect_status 2 probe --train empty.jsonl
    grep -q 'empty.jsonl holds no row' err
    {
        cat train.jsonl
        echo '{"path":"train/c0/zero.png","model":"m@000000000000","embedding":[0,0,0,0,0,0]}'
        echo '{"path":"train/c0/short.png","model":"m@000000000000","embedding":[1,2]}'
        echo '{"path":"train/c0/big.png","model":"m@000000000000","embedding":[1,2,3,4,5,1e30]}'
        echo '{"path":"train/c0/none.png"}'
        echo '{"path":"/rootless.png","model":"m@000000000000","embedding":[1,2,3,4,5,6]}'
        echo 'not JSON'
    } >bad.jsonl
    sed 's|test/c2/2.png|test/zebra/2.png|' test.jsonl >strange.jsonl
    expect_status 1 probe --train bad.jsonl --test strange.jsonl --errors e.jsonl
    [ "$(jq .failed out)" -eq 7 ] && [ "$(wc -l <e.jsonl)" -eq 7 ]
    grep -q 'zero.png: the embedding is all zeros' err
    grep -q 'short.png: the embedding has 2 values, those of train/c0/0.png have 6' err
    grep -q 'big.png: the embedding has a value over' err
    grep -q 'none.png: no embedding' err
    grep -q "test/zebra/2.png: no row of --train is of its class 'zebra'" err
    jq -e '.n == 89 and .splits.train + .splits.validation == 240' out
    grep c0 train.jsonl >one.jsonl
    expect_status 2 probe --train one.jsonl --test test.jsonl
    grep -q "of one class only ('c0')" err
    expect_status 2 probe --test test.jsonl
    expect_status 2 clip-eval probe --train train.jsonl
    head -n 3 train.jsonl >three.jsonl # one row a class: nothing can be held out
    expect_status 2 probe --train three.jsonl
    grep -q 'give --val or --lambda' err
    expect_status 0 probe --train three.jsonl --test test.jsonl --lambda 1
    expect_status 2 probe --train train.jsonl --lambda 0
}

@test "eval probe: what did not converge is said" {
    needs_probe
    expect_status 0 probe --train train.jsonl --test test.jsonl --lambda 1e-6 --max-iterations 2
    jq -e '.converged == false and .iterations == 2' out
    grep -q 'did not converge' err
    printf 'old' >x.json
    expect_status 2 probe --train train.jsonl --test missing.h5 -o x.json
    [ "$(cat x.json)" = old ]
    expect_status 0 probe --train train.jsonl --test test.jsonl -o x.json
    jq -e .value x.json
}
