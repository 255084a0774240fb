#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# clip-embed: its inputs, outputs, failures and statuses.
load setup

@test "embed: pictures give the same bytes whatever the batch size and the threads" {
    pictures
    expect_status 0 clip-embed -j 1 -b 1 -r pictures
    mv out first
    [ "$(wc -l <first)" -gt 10 ]
    for batch in 2 7 32; do
        for threads in 1 2; do
            expect_status 0 clip-embed -j $threads -b $batch -r pictures
            cmp first out
        done
    done
}

@test "embed: texts give the same bytes whatever the batch size and the threads" {
    for i in $(seq 1 40); do echo "a photo of $i dogs and cats"; done >texts
    expect_status 0 clip-embed --text -j 1 -b 1 <texts
    mv out first
    [ "$(wc -l <first)" -eq 40 ]
    for batch in 2 7 32; do
        for threads in 1 2; do
            expect_status 0 clip-embed --text -j $threads -b $batch <texts
            cmp first out
        done
    done
}

@test "embed: operands, lines, NUL-separated names, lists and - name the same inputs" {
    pictures
    ls pictures/*.png >names
    expect_status 0 clip-embed pictures/*.png
    mv out first
    expect_status 0 clip-embed <names
    cmp first out
    expect_status 0 clip-embed - <names
    cmp first out
    tr '\n' '\0' <names >names0
    expect_status 0 clip-embed -0 <names0
    cmp first out
    sed 's/.*/{"path":"&"}/' names >names.jsonl
    expect_status 0 clip-embed names.jsonl
    cmp first out
    expect_status 0 clip-embed <names.jsonl
    cmp first out
    # A last line without its line break counts too.
    printf %s "$(cat names)" >unended
    expect_status 0 clip-embed <unended
    cmp first out
}

@test "embed: folders are walked in sorted order, and refused without -r" {
    mkdir -p tree/b tree/a/deep
    cp "$CLIP_GOLDEN/pixels/rgb.png" tree/b/2.png
    cp "$CLIP_GOLDEN/pixels/rgb.png" tree/a/deep/1.PNG
    cp "$CLIP_GOLDEN/pixels/rgb.jpg" tree/c.jpg
    echo "not a picture" >tree/notes.txt
    expect_status 0 clip-embed -r tree
    [ "$(cut -d'"' -f4 out | tr '\n' ' ')" = "tree/a/deep/1.PNG tree/b/2.png tree/c.jpg " ]
    expect_status 1 clip-embed tree
    grep -q '^clip-embed: tree: .*-r' err
    [ ! -s out ]
}

@test "embed: a record is path, carried keys, model, embedding" {
    cp "$CLIP_GOLDEN/pixels/rgb.png" a.png
    echo '{"id": 7, "path":"a.png", "tags":["x","y z"], "embedding":[1,2], "model":"old"}' >list
    expect_status 0 clip-embed <list
    grep -Eq '^\{"path":"a.png","id": 7,"tags":\["x","y z"\],"model":"[^"]*@[0-9a-f]{12}","embedding":\[-?[0-9.e-]+(,-?[0-9.e-]+){31}\]\}$' out
    expect_status 0 clip-embed --text <<<'{"text":"a dog","path":"a.png"}'
    grep -q '^{"text":"a dog","path":"a.png","model":' out
}

@test "embed: broken inputs are named, counted, and shift nothing" {
    cp "$CLIP_GOLDEN/pixels/rgb.png" good.png
    cp "$CLIP_GOLDEN/pixels/rgb.jpg" good.jpg
    head -c 60 good.png >cut.png
    : >empty.jpg
    echo "<html>" >page.png
    mkdir folder.png
    cat >list <<'END'
good.png
missing.png
cut.png
good.jpg
empty.jpg
{"path":"good.png","id":1}
{"path":"good.png"
{"id":3}
page.png
folder.png
good.png
END
    expect_status 1 clip-embed -b 3 --errors errors.jsonl <list
    expect_status 1 clip-embed -b 3 --errors errors.jsonl <list
    [ "$(cut -d'"' -f4 out | tr '\n' ' ')" = "good.png good.jpg good.png good.png " ]
    for name in missing.png cut.png empty.jpg page.png folder.png -:7 -:8; do
        grep -q -- "^clip-embed: $name: " err
    done
    [ "$(wc -l <errors.jsonl)" -eq 7 ]
    grep -q '^{"path":"missing.png","position":2,"code":"not_found","reason":"' errors.jsonl
    grep -q '^{"input":"-:7","position":7,"code":"truncated","reason":"' errors.jsonl
    # Vectors stay with their own names.
    expect_status 0 clip-embed good.jpg
    cmp <(sed -n 2p <(clip-embed -b 3 <list 2>/dev/null)) out
}

@test "embed: every input broken is status 1, no input at all is status 0" {
    expect_status 1 clip-embed missing.png
    [ ! -s out ]
    expect_status 0 clip-embed </dev/null
    [ ! -s out ]
    expect_status 0 clip-embed -o none.h5 </dev/null
    expect_status 0 clip-classify -l dog none.h5
    [ ! -s out ]
}

@test "embed: wrong usage, models and outputs are status 2 and write nothing" {
    cp "$CLIP_GOLDEN/pixels/rgb.png" a.png
    expect_status 2 clip-embed -m no/such-model a.png
    grep -q '^clip-embed: .*no/such-model' err
    expect_status 2 clip-embed -m a.png a.png
    expect_status 2 clip-embed --shard 3/2 a.png
    expect_status 2 clip-embed -f pdf a.png
    expect_status 2 clip-embed --resume a.png
    expect_status 2 clip-embed --normalize --no-normalize a.png
    expect_status 2 clip-embed -o no/such/folder/x.h5 a.png
    # Where no model comes with the command.
    mkdir alone
    cp "$(command -v clip-embed)" alone
    expect_status 2 env -u CLIP_MODEL alone/clip-embed a.png
    [ ! -s out ]
    grep -q CLIP_MODEL err
}

@test "embed: outputs that would cost data are refused before anything is opened" {
    cp "$CLIP_GOLDEN/pixels/rgb.png" a.png
    cp a.png before.png
    expect_status 2 clip-embed -o a.png a.png
    grep -q '^clip-embed: a.png: output named like a picture$' err
    expect_status 2 clip-embed --errors a.png a.png
    cmp a.png before.png
    expect_status 2 clip-embed -o x.npy -f h5 a.png
    grep -q '^clip-embed: x.npy: .*--format h5$' err
    expect_status 0 clip-embed -o x.h5 -f h5 a.png
    mkdir sub
    ln -s same.jsonl link
    for errors in same.jsonl ./sub/../same.jsonl link same.jsonl.part; do
        expect_status 2 clip-embed -o same.jsonl --errors $errors a.png
        grep -q -- '--errors cannot be' err
    done
    [ ! -e same.jsonl ]
    expect_status 0 clip-embed -o same.jsonl --errors errors.jsonl a.png
}

@test "embed: a run without rows leaves a file that has some as it is" {
    local format
    for format in h5 jsonl npy; do
        seq 1 5 >texts
        expect_status 0 clip-embed --text -o lib.$format <texts
        cp lib.$format before
        for resume in '' --resume; do
            # shellcheck disable=SC2086
            expect_status 2 clip-embed -0 $resume -o lib.$format </dev/null
            grep -q "^clip-embed: lib.$format: no input gave a row; the file is left as it was" err
            # shellcheck disable=SC2086
            expect_status 1 clip-embed $resume -o lib.$format -r missing
            grep -q "^clip-embed: lib.$format: no input gave a row; the file is left as it was" err
            cmp before lib.$format
        done
        [ ! -e lib.$format.part ]
        expect_status 0 clip-embed -o empty.$format </dev/null
        expect_status 0 clip-embed -o empty.$format </dev/null
    done
}

@test "embed: rows that no input asks for are left out with a warning" {
    seq 1 5 >texts
    expect_status 0 clip-embed --text -o lib.h5 <texts
    expect_status 0 clip-embed --quiet --text --resume -o lib.h5 <<<2
    [ "$(cat err)" = 'clip-embed: warning: lib.h5: 4 rows of the earlier run are not among these inputs and are left out' ]
    expect_status 0 clip-embed --text --resume -o lib.h5 <texts
    [ "$(grep -c warning err)" -eq 0 ]
}

@test "embed: names of models are found in the download cache" {
    local repository=$HOME/.cache/huggingface/hub/models--someone--micro
    mkdir -p "$repository/refs" "$repository/snapshots"
    cp -r "$CLIP_MODEL" "$repository/snapshots/abc123"
    printf abc123 >"$repository/refs/main"
    expect_status 0 clip-embed --text hello
    mv out first
    expect_status 0 clip-embed -m someone/micro --text hello
    cmp first out
    expect_status 2 clip-embed -m ../someone/micro --text hello
}

@test "embed: paths that are not UTF-8 go to JSON and HDF5 and back" {
    local odd
    odd=$(printf 'caf\351.png')
    cp "$CLIP_GOLDEN/pixels/rgb.png" "$odd"
    cp "$CLIP_GOLDEN/pixels/rgb.png" 'file:x.png'
    expect_status 0 clip-embed "$odd" 'file:x.png'
    [ "$(cut -d'"' -f4 out | tr '\n' ' ')" = "file:caf%E9.png file:file:x.png " ]
    mv out first
    expect_status 0 clip-embed <first
    cmp first out
    expect_status 0 clip-embed -o odd.h5 "$odd" 'file:x.png'
    expect_status 0 clip-classify -l dog odd.h5
    [ "$(cut -d'"' -f4 out | tr '\n' ' ')" = "file:caf%E9.png file:file:x.png " ]
}

@test "embed: a text that is too long is cut with a warning, an empty one is legal" {
    long="$(printf 'word %.0s' $(seq 1 60))"
    expect_status 0 clip-embed --text "$long" ''
    grep -q "^clip-embed: 'word word.*cut to 16 tokens" err
    [ "$(wc -l <out)" -eq 2 ]
    printf 'caf\351\nok\n' >latin1
    expect_status 1 clip-embed --text <latin1
    [ "$(wc -l <out)" -eq 1 ]
}

@test "embed: shards take every N-th input and together give everything" {
    pictures
    ls pictures/* >names
    expect_status 0 clip-embed <names
    mv out all
    for k in 1 2 3; do
        expect_status 0 clip-embed --shard $k/3 <names
        mv out shard$k
        cmp <(awk "NR % 3 == $k % 3" all) shard$k
    done
    expect_status 0 env OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=3 clip-embed --shard auto <names
    cmp shard2 out
    expect_status 0 env SLURM_PROCID=2 SLURM_NTASKS=3 clip-embed --shard auto <names
    cmp shard3 out
    expect_status 0 clip-embed --shard auto <names
    cmp all out
    expect_status 2 env PMI_RANK=3 PMI_SIZE=3 clip-embed --shard auto <names
}

@test "embed: layers, normalisation and precision of what is stored" {
    cp "$CLIP_GOLDEN/pixels/rgb.png" a.png
    length() { sed 's/.*"embedding":\[//; s/\].*//' out | tr ',' '\n' | awk '{s += $1 * $1; n++} END {printf "%d %.4f", n, sqrt(s)}'; }
    expect_status 0 clip-embed a.png
    [ "$(length)" = "32 1.0000" ]
    expect_status 0 clip-embed --no-normalize a.png
    [ "$(length)" != "32 1.0000" ]
    expect_status 0 clip-embed --layer penultimate a.png
    [ "$(length | cut -d' ' -f1)" = 64 ]
    [ "$(length)" != "64 1.0000" ]
    expect_status 0 clip-embed --layer penultimate --normalize a.png
    [ "$(length)" = "64 1.0000" ]
    expect_status 0 clip-embed -o full.npy a.png
    expect_status 0 clip-embed --store fp16 -o half.npy a.png
    [ "$(stat -c %s full.npy)" -eq $((128 + 4 * 32)) ]
    [ "$(stat -c %s half.npy)" -eq $((128 + 2 * 32)) ]
}

@test "embed: JSON lines say their layer where it is not the projected one, also when resumed" {
    cp "$CLIP_GOLDEN/pixels/rgb.png" a.png
    cp "$CLIP_GOLDEN/pixels/grey.png" b.png
    expect_status 0 clip-embed -o projected.jsonl a.png b.png
    ! grep -q layer projected.jsonl
    expect_status 0 clip-embed --layer penultimate -o whole.jsonl a.png b.png
    jq -e '.layer == "penultimate" and (keys_unsorted == ["path", "model", "layer", "embedding"])' whole.jsonl
    expect_status 0 clip-embed --layer penultimate -o p.jsonl a.png
    expect_status 0 clip-embed --layer penultimate --resume -o p.jsonl a.png b.png
    cmp p.jsonl whole.jsonl
    expect_status 2 clip-embed --resume -o p.jsonl a.png b.png
    grep -q 'layer=penultimate (this run: layer=projected)' err
    expect_status 2 clip-embed --layer penultimate --resume -o projected.jsonl a.png b.png
    grep -q 'layer=projected (this run: layer=penultimate)' err
    cmp p.jsonl whole.jsonl
    # A carried key of that name gives way; the layer of an earlier vector is not carried on.
    echo '{"path":"a.png","layer":"top"}' | expect_status 0 clip-embed --layer penultimate
    [ "$(grep -o '"layer":"[a-z]*"' out)" = '"layer":"penultimate"' ]
    jq -c 'del(.embedding)' whole.jsonl | expect_status 0 clip-embed
    ! grep -q layer out
    echo '{"path":"a.png","layer":"top"}' | expect_status 0 clip-embed
    grep -q '"path":"a.png","layer":"top","model"' out
}

@test "embed: preparation of pictures follows the options" {
    cp "$CLIP_GOLDEN/pixels/tall.png" "$CLIP_GOLDEN/pixels/turned-6.jpg" \
        "$CLIP_GOLDEN/pixels/grey16.png" .
    vector() { clip-embed "$@" | sed 's/.*"embedding"//'; }
    [ "$(vector tall.png)" != "$(vector --crop none tall.png)" ]
    [ "$(vector turned-6.jpg)" != "$(vector --orientation ignore turned-6.jpg)" ]
    [ "$(vector grey16.png)" != "$(vector --grey16 scale grey16.png)" ]
    expect_status 1 clip-embed --max-pixels 10 tall.png
    expect_status 0 clip-embed --max-pixels 0 tall.png
}
