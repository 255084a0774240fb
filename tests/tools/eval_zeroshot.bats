#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# clip-eval zeroshot: inputs, truths, metrics, failures. Figures are compared with SciPy's and
# scikit-learn's in tests/search and tests/parity.
load setup

# Two folders of pictures and a truth that the tiny model does not know of.
labelled_pictures() {
    pictures
    mkdir -p t/dog t/cat
    local number=0 file
    for file in pictures/*; do
        number=$((number + 1))
        if [ $((number % 2)) -eq 0 ]; then cp "$file" t/dog; else cp "$file" t/cat; fi
    done
}

@test "eval zeroshot: counts what clip-classify counts, from pictures and from embeddings" {
    labelled_pictures
    expect_status 0 clip-classify -l dog,cat --truth folder --summary s.json -r t
    expect_status 0 clip-eval zeroshot -l dog,cat --truth folder -r t
    [ "$(jq .value out)" = "$(jq .top1 s.json)" ]
    [ "$(jq .n out)" = "$(jq .n s.json)" ]
    jq -e '.task == "zeroshot" and .inputs == ["t"] and .metric == "accuracy" and .failed == 0
        and .confidence == 0.995 and .interval_method == "clopper-pearson"
        and .interval[0] < .value and .value < .interval[1]
        and (.classes | map(.label)) == ["dog", "cat"] and (.classes | map(.n) | add) == .n' out
    jq 'del(.inputs)' out >first
    expect_status 0 clip-eval zeroshot -l dog,cat --truth folder --metric mean-per-class -r t
    [ "$(jq .value out)" = "$(jq .mean_per_class s.json)" ]
    expect_status 0 clip-classify -l dog,cat --save-classifier c.h5 -r t
    expect_status 0 clip-embed -r -o t.h5 t
    expect_status 0 env CLIP_MODEL=/nonexistent clip-eval zeroshot --classifier c.h5 --truth folder t.h5
    jq 'del(.inputs)' out | cmp first -
    clip-embed -r t | clip-eval zeroshot --classifier c.h5 --truth folder | jq 'del(.inputs)' | cmp first -
}

@test "eval zeroshot: the same bytes whatever the threads and the batch size" {
    labelled_pictures
    for metric in accuracy mean-per-class map11 auc top1-top5-mean; do
        expect_status 0 clip-eval zeroshot -j 1 -b 1 -l dog,cat --metric $metric --truth folder -r t
        mv out first
        expect_status 0 clip-eval zeroshot -j 3 -b 5 -l dog,cat --metric $metric --truth folder -r t
        cmp first out
        jq -e ".metric == \"$metric\" and .interval[0] <= .value and .value <= .interval[1]" out
    done
    # Only what is drawn at random depends on the seed.
    expect_status 0 clip-eval zeroshot -l dog,cat --metric top1-top5-mean --seed 7 --truth folder -r t
    [ "$(jq .value out)" = "$(jq .value first)" ]
}

@test "eval zeroshot: an input without a truth failed, and is named" {
    labelled_pictures
    mkdir t/zebra
    cp "$CLIP_GOLDEN/pixels/rgb.png" t/zebra/z.png
    echo broken >t/dog/b.png
    expect_status 1 clip-eval zeroshot -l dog,cat --truth folder --errors e.jsonl -r t
    [ "$(jq .failed out)" -eq 2 ]
    grep -q "^clip-eval: t/zebra/z.png: no truth: 'zebra' is none of the 2 classes" err
    grep -q '^clip-eval: t/dog/b.png: ' err
    [ "$(jq -r .path e.jsonl | sort | tr '\n' ' ')" = "t/dog/b.png t/zebra/z.png " ]
    printf 't/dog/p02.png\tdog\n' >truth.tsv
    expect_status 1 clip-eval zeroshot -l dog,cat --truth truth.tsv t/dog/p02.png t/cat/p01.png
    [ "$(jq .n out)" -eq 1 ]
    grep -q 'p01.png: no truth: truth.tsv does not name it' err
    # Nothing that could be counted is no result.
    expect_status 2 clip-eval zeroshot -l dog,cat --truth truth.tsv -o x.json t/cat/p01.png
    [ ! -s out ] && [ ! -e x.json ]
    expect_status 2 clip-eval zeroshot -l dog,cat --truth folder </dev/null
}

@test "eval zeroshot: several labels an input, and the metrics that need two" {
    labelled_pictures
    printf '%s\tdog|cat\n' t/dog/p02.png >truth.tsv
    printf '%s\tdog\n%s\tcat\n' t/cat/p01.png t/cat/p03.png >>truth.tsv
    printf '%s\tcat\n' t/cat/p01.png >>truth.tsv
    inputs=(t/dog/p02.png t/cat/p01.png t/cat/p03.png)
    expect_status 0 clip-eval zeroshot -l dog,cat --metric map11 --truth truth.tsv "${inputs[@]}"
    jq -e '.n == 3 and (.classes | map(.n)) == [2, 3]
        and ((.classes | map(.value) | add / 2) - .value | fabs) < 1e-15' out
    expect_status 2 clip-eval zeroshot -l dog,cat --truth truth.tsv "${inputs[@]}"
    grep -q 'truth.tsv:4: t/cat/p01.png has another label' err
    expect_status 2 clip-eval zeroshot -l dog,cat,cow --metric auc --truth folder -r t
    grep -q 'two classes (got 3)' err
    expect_status 2 clip-eval zeroshot -l dog,cat --metric auc --truth folder t/dog/*
    grep -q 'all are of one class' err
    # The other label's curve is the same one, turned round.
    expect_status 0 clip-eval zeroshot -l dog,cat --metric auc --truth folder -r t
    mv out second
    jq -e '.positive == "cat"' second
    expect_status 0 clip-eval zeroshot -l dog,cat --metric auc --positive dog --truth folder -r t
    [ "$(jq .value out)" = "$(jq .value second)" ]
    expect_status 2 clip-eval zeroshot -l dog,cat --metric auc --positive cow --truth folder -r t
    expect_status 2 clip-eval zeroshot -l dog,cat --positive cat --truth folder -r t
}

@test "eval zeroshot: embeddings of two models never meet" {
    labelled_pictures
    expect_status 0 clip-embed -r -o t.h5 t
    expect_status 2 clip-eval zeroshot -m "$CLIP_GOLDEN/micro-gelu-hf-sharded" -l dog,cat --truth folder t.h5
    [ "$(grep -o '@[0-9a-f]\{12\}' err | sort -u | wc -l)" -eq 2 ]
    [ ! -s out ]
    expect_status 0 clip-embed --layer penultimate -r -o p.h5 t
    expect_status 2 clip-eval zeroshot -l dog,cat --truth folder p.h5
    grep -q 'p\.h5.*penultimate' err
}

@test "eval zeroshot: bad embedding files are named, with their row" {
    labelled_pictures
    expect_status 0 clip-embed -r -o t.h5 t
    expect_status 0 clip-classify -l dog,cat --save-classifier c.h5 t.h5
    run_h5() { clip-eval zeroshot --classifier c.h5 --truth folder "$@"; }
    head -c 3000 t.h5 >cut.h5
    expect_status 1 run_h5 cut.h5 t.h5
    grep -q '^clip-eval: cut.h5: ' err
    expect_status 2 run_h5 cut.h5
    expect_status 2 run_h5 "$CLIP_GOLDEN/hdf5/good_empty.h5"
    # Rows of another model end the run; a row that is not finite is named by its number.
    expect_status 2 run_h5 "$CLIP_GOLDEN/hdf5/not_finite.h5" t.h5
    grep -q 'compare embeddings of two models' err
    echo '{"path":"a/dog/1.png","embedding":[0,0]}' >short.jsonl
    expect_status 1 run_h5 short.jsonl t.h5
    grep -q 'the embedding has 2 values' err
    clip-embed --no-normalize -r t | head -n 1 |
        jq -c '.path = "t/dog/zero.png" | .embedding |= map(0)' >zero.jsonl
    expect_status 1 run_h5 zero.jsonl t.h5
    grep -q '^clip-eval: t/dog/zero.png: the embedding is all zeros' err
}

@test "eval zeroshot: the picture of what is taken for what" {
    labelled_pictures
    expect_status 0 clip-eval zeroshot -l dog,cat --truth folder --plot c.svg -o r.json -r t
    grep -q '<svg' c.svg && grep -q dog c.svg
    [ ! -s out ] && jq -e .value r.json
    expect_status 0 clip-eval zeroshot -l dog,cat --truth folder --plot c.png -r t
    [ "$(head -c 4 c.png | tail -c 3)" = PNG ]
    expect_status 2 clip-eval zeroshot -l dog,cat --truth folder --plot c.gif -r t
    expect_status 2 clip-eval zeroshot -l dog,cat --truth folder --metric map11 --plot c.svg -r t
    expect_status 2 clip-eval zeroshot -l dog,cat --truth folder --plot x.svg -o ./x.svg -r t
    expect_status 2 clip-eval zeroshot -l dog,cat --truth folder --confidence 1 -r t
    expect_status 2 clip-eval zeroshot -l dog,cat -r t
    expect_status 2 clip-eval
}

@test "eval zeroshot: Ctrl-C writes out what was measured so far" {
    labelled_pictures
    expect_status 0 clip-classify -l dog,cat --save-classifier c.h5 -r t
    clip-embed -r t >t.jsonl
    echo old >r.json
    mkfifo input
    # Background jobs of a shell without job control ignore SIGINT; env gives it back.
    env --default-signal=INT clip-eval zeroshot --classifier c.h5 --truth folder -o r.json - \
        <input >out 2>err 3>&- &
    local pid=$! tries=0
    exec 7>input
    head -n 5 t.jsonl >&7
    echo broken >&7 # once it is named, those before it are measured
    until grep -q broken err || [ $((tries += 1)) -gt 100 ]; do sleep 0.05; done
    kill -INT $pid
    local status=0
    wait $pid || status=$?
    exec 7>&-
    [ $status -eq 130 ]
    grep -q 'so far is in r.json.part' err
    jq -e '.n == 5 and .interrupted == true' r.json.part
    [ "$(cat r.json)" = old ]
}
