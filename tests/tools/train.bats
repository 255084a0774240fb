#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# clip-train: tiny models on tiny data. What training computes is tested in tests/trainer.
load setup

arch=ViT-w64-l1-p8-i32+w64-l1-c16
tiny=(--arch "$arch" --tokenizer "$CLIP_GOLDEN/micro-vit-hf" --epochs 4 -b 8 --lr 1e-3 --seed 3)

# 24 pairs of the pictures of the golden files: pairs.tsv.
pairs() {
    pictures
    printf 'path\ttext\n' >pairs.tsv
    local number=0 file
    while [ $number -lt 24 ]; do
        for file in pictures/*; do
            number=$((number + 1))
            [ $number -le 24 ] || break
            printf '%s\tpicture number %d, a photo of %s\n' "$file" $number "${file##*/}" >>pairs.tsv
        done
    done
}

weights_of() { sha256sum <"$1/model/open_clip_model.safetensors"; }
losses_of() { jq -r 'select(.loss != null) | .loss' "$1/log.jsonl"; }
# Whether two files hold as many numbers, each within $3 of the other's.
close() {
    [ "$(wc -l <"$1")" -gt 0 ]
    [ "$(wc -l <"$1")" -eq "$(wc -l <"$2")" ]
    paste "$1" "$2" | awk -v limit="$3" '{ d = $1 - $2; if (d < 0) d = -d; if (d > limit) { print; bad = 1 } } END { exit bad }'
}

@test "train: a run gives a model, a log and nothing on standard output" {
    pairs
    expect_status 0 clip-train -o run "${tiny[@]}" pairs.tsv
    [ ! -s out ]
    [ "$(jq -s 'map(.step) == [range(1; 13)]' run/log.jsonl)" = true ]
    jq -es 'all(has("loss") and has("lr") and has("logit_scale") and has("grad_norm")
        and has("samples") and has("samples_per_second") and has("wait") and has("skipped"))
        and map(.epoch) == [0,0,0,1,1,1,2,2,2,3,3,3] and .[-1].samples == 96
        and .[-1].loss < .[0].loss' run/log.jsonl
    [ "$(grep -c '^clip-train: epoch [1-4] of 4: loss ' err)" -eq 4 ]
    grep -q '^clip-train: run/model: ViT-w64-l1-p8-i32@[0-9a-f]\{12\}$' err
    expect_status 0 clip-embed -m run/model pictures/p01.png
    grep -q '"model":"ViT-w64-l1-p8-i32@' out
    expect_status 0 clip-embed -m run/model --text 'a photo'
    expect_status 0 clip-model check run/model
    expect_status 0 clip-train --quiet -o again "${tiny[@]}" pairs.tsv
    [ ! -s err ]
    [ "$(weights_of run)" = "$(weights_of again)" ]
}

@test "train: threads do not matter, the seed does" {
    pairs
    clip-train --quiet -o one -j 1 --loader-threads 1 "${tiny[@]}" pairs.tsv
    clip-train --quiet -o three -j 3 --loader-threads 2 "${tiny[@]}" pairs.tsv
    [ "$(weights_of one)" = "$(weights_of three)" ]
    clip-train --quiet -o other "${tiny[@]}" --seed 4 pairs.tsv
    [ "$(weights_of one)" != "$(weights_of other)" ]
}

@test "train: a folder that holds a run is refused without --resume or --overwrite" {
    pairs
    clip-train --quiet -o run "${tiny[@]}" pairs.tsv
    before=$(weights_of run)
    expect_status 2 clip-train -o run "${tiny[@]}" pairs.tsv
    grep -q '^clip-train: .*run' err
    [ "$(weights_of run)" = "$before" ]
    expect_status 2 clip-train --resume --overwrite -o run "${tiny[@]}" pairs.tsv
    grep -q 'exclude each other' err
    # A finished run has nothing to go on with.
    expect_status 0 clip-train --resume -o run "${tiny[@]}" pairs.tsv
    grep -q 'all 12 steps were done already' err
    [ "$(weights_of run)" = "$before" ]
    expect_status 0 clip-train --overwrite -o run "${tiny[@]}" --seed 9 pairs.tsv
    [ "$(weights_of run)" != "$before" ]
    [ "$(jq -s 'map(.step) == [range(1; 13)]' run/log.jsonl)" = true ]
}

@test "train: a run that is killed at any moment and resumed ends with the same weights" {
    pairs
    local settings=("${tiny[@]}" --epochs 40 --save-every 7 --average 0.9)
    clip-train --quiet -o whole "${settings[@]}" pairs.tsv
    for delay in 0.05 0.15 0.3 0.5; do
        rm -rf run
        clip-train --quiet --resume -o run "${settings[@]}" pairs.tsv 3>&- &
        local pid=$!
        sleep $delay
        kill -KILL $pid || true
        wait $pid || true
        expect_status 0 clip-train --quiet --resume -o run "${settings[@]}" pairs.tsv
        [ "$(weights_of run)" = "$(weights_of whole)" ]
        cmp <(losses_of run) <(losses_of whole)
    done
}

@test "train: stops after some steps, goes on, and ends with the same weights" {
    pairs
    clip-train --quiet -o whole "${tiny[@]}" pairs.tsv
    # In the middle of an epoch, twice.
    expect_status 0 clip-train --stop-after 5 -o run "${tiny[@]}" pairs.tsv
    grep -q 'stopped after step 5; --resume goes on' err
    expect_status 0 clip-train --resume --stop-after 5 -o run "${tiny[@]}" pairs.tsv
    grep -q 'stopped after step 10' err
    expect_status 0 clip-train --resume -o run "${tiny[@]}" pairs.tsv
    [ "$(weights_of run)" = "$(weights_of whole)" ]
    cmp <(losses_of run) <(losses_of whole)
}

@test "train: Ctrl-C is status 130, and --resume goes on" {
    pairs
    local settings=("${tiny[@]}" --epochs 200)
    clip-train --quiet -o whole "${settings[@]}" pairs.tsv
    # Background jobs of a shell without job control ignore SIGINT; env gives it back.
    env --default-signal=INT clip-train -o run "${settings[@]}" pairs.tsv >out 2>err 3>&- &
    local pid=$! tries=0 status=0
    until [ -s run/log.jsonl ] || [ $((tries += 1)) -gt 200 ]; do sleep 0.02; done
    kill -INT $pid
    wait $pid || status=$?
    [ $status -eq 130 ]
    grep -q 'interrupted at step [0-9]*; --resume goes on from there' err
    expect_status 0 clip-train --resume -o run "${settings[@]}" pairs.tsv
    [ "$(weights_of run)" = "$(weights_of whole)" ]
}

@test "train: --resume refuses other settings and names the first difference" {
    pairs
    clip-train --quiet --stop-after 3 -o run "${tiny[@]}" pairs.tsv
    expect_status 2 clip-train --resume -o run "${tiny[@]}" --epochs 5 pairs.tsv
    grep -q 'epochs.*4.*5\|epochs.*5.*4' err
    expect_status 2 clip-train --resume -o run "${tiny[@]}" --lr 2e-3 pairs.tsv
    grep -q 'lr' err
    expect_status 2 clip-train --resume -o run "${tiny[@]}" --flip 0.5 pairs.tsv
    grep -q 'flip' err
    expect_status 2 clip-train --resume -o run "${tiny[@]}" --arch ViT-w128-l1-p8-i32+w64-l1-c16 pairs.tsv
    grep -q 'width' err
    head -n 20 pairs.tsv >fewer.tsv
    expect_status 2 clip-train --resume -o run "${tiny[@]}" fewer.tsv
    grep -q 'data\|pairs' err
    # The folder of the data may be another.
    mkdir moved
    cp -r pictures pairs.tsv moved
    expect_status 0 clip-train --resume -o run "${tiny[@]}" moved/pairs.tsv
}

@test "train: broken pictures are named, skipped and counted" {
    pairs
    head -c 100 pictures/p03.png >cut.png
    { cat pairs.tsv && printf 'cut.png\tcut off\nnone.png\tnot there\n'; } >more.tsv
    expect_status 1 clip-train -o run "${tiny[@]}" more.tsv
    grep -q '^clip-train: .*cut.png: ' err
    grep -q '^clip-train: .*none.png: ' err
    grep -q 'pairs\? w.* skipped.*: .*missing' err
    jq -es '.[-1].skipped > 0' run/log.jsonl
    expect_status 0 clip-embed -m run/model pictures/p01.png
    # Nothing but broken ones: no model, and twenty names at most.
    printf 'path\ttext\n' >broken.tsv
    for i in $(seq 1 50); do printf 'none%d.png\tnothing\n' $i; done >>broken.tsv
    expect_status 2 clip-train -o nothing "${tiny[@]}" broken.tsv
    [ "$(grep -c 'none[0-9]*.png: ' err)" -le 21 ]
    [ ! -e nothing/model ]
}

@test "train: what is wrong with data and options is said before anything is written" {
    pairs
    refused() {
        local want=$1
        shift
        expect_status 2 clip-train -o run "$@"
        [ "$(wc -l <err)" -eq 1 ]
        grep -q "^clip-train: .*$want" err || { cat err; return 1; }
        [ ! -e run/state ]
        [ ! -e run/log.jsonl ]
    }
    refused "no training data" "${tiny[@]}"
    refused "nowhere.tsv" "${tiny[@]}" nowhere.tsv
    : >empty.tsv
    refused "empty.tsv" "${tiny[@]}" empty.tsv
    refused "picture.*'path', 'text'" "${tiny[@]}" --columns picture,words pairs.tsv
    refused "columns" "${tiny[@]}" --columns path pairs.tsv
    refused "larger than the data" "${tiny[@]}" -b 1000 pairs.tsv
    refused "fp32" "${tiny[@]}" --precision bf16 pairs.tsv
    refused "cuda" "${tiny[@]}" --device cuda pairs.tsv
    refused "ViT-B-32" "${tiny[@]}" --arch ViT-B-33 pairs.tsv
    refused "multiple of 64" "${tiny[@]}" --arch ViT-w100-l1-p8-i32 pairs.tsv
    refused "lacks p" "${tiny[@]}" --arch ViT-w64-l1-i32 pairs.tsv
    refused "exclude each other" "${tiny[@]}" --train-tokenizer 600 pairs.tsv
    refused "lock-image" "${tiny[@]}" --lock-image pairs.tsv
    refused "differ in" "${tiny[@]}" --init "$CLIP_GOLDEN/micro-vit-hf" --arch ViT-B/32 pairs.tsv
    refused "find a tokenizer" --arch "$arch" -b 8 pairs.tsv
    expect_status 2 clip-train "${tiny[@]}" pairs.tsv
    grep -q 'output' err
}

@test "train: a run that fails before its first state does not hinder the next" {
    pairs
    expect_status 2 clip-train -o run "${tiny[@]}" --lr 1e30 pairs.tsv
    grep -q 'in step' err
    [ "$(ls run)" = log.jsonl ]
    expect_status 0 clip-train -o run "${tiny[@]}" pairs.tsv
    [ "$(jq -s 'map(.step) == [range(1; 13)]' run/log.jsonl)" = true ]
    jq -s -e 'length > 0 and .[0].lr > 1e9' run/log.jsonl.old
    expect_status 2 clip-train -o run "${tiny[@]}" pairs.tsv
    grep -q 'it holds a run already' err
}

@test "train: another tokenizer for the model of --init is warned of, or refused" {
    pairs
    local model=$CLIP_GOLDEN/micro-vit-hf
    local settings=(--init "$model" --epochs 1 -b 8 --stop-after 1 --overwrite -o run)
    expect_status 0 clip-train "${settings[@]}" pairs.tsv
    ! grep -q warning err
    mkdir same other
    jq -c . "$model/vocab.json" >same/vocab.json # in other bytes
    cp "$model/merges.txt" same
    expect_status 0 clip-train "${settings[@]}" --tokenizer same pairs.tsv
    ! grep -q warning err
    # Two merges change places.
    cp "$model/vocab.json" other
    awk 'NR == 2 { kept = $0; next } { print } NR == 3 { print kept }' "$model/merges.txt" >other/merges.txt
    expect_status 0 clip-train "${settings[@]}" --tokenizer other pairs.tsv
    grep -q 'warning: --tokenizer other: it gives other token ids than .*micro-vit-hf' err
    expect_status 0 clip-train --arch "$arch" "${settings[@]:2}" --tokenizer other pairs.tsv
    ! grep -q warning err
    expect_status 0 clip-train -o small --arch "$arch" --train-tokenizer 520 --epochs 1 -b 8 pairs.tsv
    expect_status 2 clip-train "${settings[@]}" --tokenizer small/tokenizer pairs.tsv
    grep -q "its vocabulary is not the model's (got 520 words, want" err
}

@test "train: a vocabulary is learned, kept, and taken again" {
    pairs
    local settings=(--arch "$arch" --train-tokenizer 530 --epochs 4 -b 8 --lr 1e-3)
    expect_status 0 clip-train -o whole "${settings[@]}" pairs.tsv
    grep -q 'learned a vocabulary of 530 ids' err
    for file in vocab.json merges.txt; do cmp whole/tokenizer/$file whole/model/$file; done
    [ "$(jq length whole/model/vocab.json)" -eq 530 ]
    expect_status 0 clip-embed -m whole/model --text 'picture number 3'
    # Stopped before there is a model.
    expect_status 0 clip-train --stop-after 2 -o run "${settings[@]}" pairs.tsv
    [ ! -e run/model ]
    expect_status 0 clip-train --resume -o run "${settings[@]}" pairs.tsv
    ! grep -q learned err
    [ "$(weights_of run)" = "$(weights_of whole)" ]
    expect_status 2 clip-train --resume -o run "${settings[@]}" --train-tokenizer 529 pairs.tsv
    expect_status 0 clip-train -o short "${settings[@]}" --train-tokenizer 60000 pairs.tsv
    grep -q 'warning: --train-tokenizer: the captions give no more than' err
}

@test "train: --init begins with a checkpoint, of any layout" {
    pairs
    local settings=(--epochs 1 -b 8 --lr 0 --weight-decay 0)
    for layout in micro-vit-hf micro-vit-open_clip; do
        expect_status 0 clip-train -o $layout --init "$CLIP_GOLDEN/$layout" \
            --tokenizer "$CLIP_GOLDEN/micro-vit-hf" "${settings[@]}" pairs.tsv
        # A rate of 0 leaves every weight, and so the model's name.
        [ "$(clip-model info $layout/model | awk '$1 == "model" { print $2 }')" = \
            "$(clip-model info "$CLIP_GOLDEN/$layout" 2>/dev/null | awk '$1 == "model" { print $2 }')" ]
    done
    expect_status 0 clip-train -o locked --init "$CLIP_GOLDEN/micro-vit-hf" --lock-image --epochs 2 \
        -b 8 --lr 1e-3 pairs.tsv
    clip-embed -m locked/model --layer penultimate pictures/p01.png | jq .embedding >a
    clip-embed -m "$CLIP_GOLDEN/micro-vit-hf" --layer penultimate pictures/p01.png | jq .embedding >b
    cmp a b
    clip-embed -m locked/model --text dog | jq .embedding >a
    clip-embed -m "$CLIP_GOLDEN/micro-vit-hf" --text dog | jq .embedding >b
    ! cmp a b
}

@test "train: slices and activations computed twice change nothing but the rounding" {
    pairs
    clip-train --quiet -o plain "${tiny[@]}" pairs.tsv
    clip-train --quiet -o frugal "${tiny[@]}" --checkpoint-activations pairs.tsv
    [ "$(weights_of plain)" = "$(weights_of frugal)" ]
    clip-train --quiet -o slices "${tiny[@]}" --accumulate 4 pairs.tsv
    losses_of plain >a
    losses_of slices >b
    close a b 1e-5
}

@test "train: two processes train the model of one" {
    command -v mpirun >/dev/null || skip "mpirun is not installed"
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
    pairs
    clip-train --quiet -o plain "${tiny[@]}" pairs.tsv
    mpirun -n 2 clip-train -j 1 -o run "${tiny[@]}" pairs.tsv >out 2>err || {
        ! grep -q 'has no MPI' err || skip "this build has no MPI"
        cat err
        false
    }
    [ ! -s out ]
    [ "$(grep -c 'epoch 4 of 4' err)" -eq 1 ]
    losses_of plain >a
    losses_of run >b
    close a b 1e-5
    expect_status 0 clip-embed -m run/model pictures/p01.png
    # It goes on after a stop, to the same bits; and ends, with one message, where all fail.
    mpirun -n 2 clip-train --quiet -j 1 --stop-after 5 -o again "${tiny[@]}" pairs.tsv
    mpirun -n 2 clip-train --quiet -j 1 --resume -o again "${tiny[@]}" pairs.tsv
    [ "$(weights_of run)" = "$(weights_of again)" ]
    expect_status 2 mpirun -n 2 clip-train -j 1 -o none "${tiny[@]}" nowhere.tsv
    [ "$(grep -c '^clip-train: .*nowhere.tsv' err)" -eq 1 ]
}

@test "train: validation is logged after each epoch, and changes nothing" {
    pairs
    head -n 9 pairs.tsv >held-out.tsv
    clip-train --quiet -o plain "${tiny[@]}" pairs.tsv
    expect_status 0 clip-train -o run "${tiny[@]}" --val held-out.tsv pairs.tsv
    [ "$(weights_of run)" = "$(weights_of plain)" ]
    jq -es 'map(select(has("val_loss"))) | map(.step) == [3, 6, 9, 12] and all(
        .val_pairs == 8 and .val_classes == 8 and .val_accuracy >= 0 and .val_accuracy <= 1
        and has("epoch") and has("samples"))' run/log.jsonl
    [ "$(grep -c 'validation loss' err)" -eq 4 ]
}

@test "train: --dry-run shows what a run takes, and touches nothing" {
    pairs
    ls -A >before
    expect_status 0 clip-train --dry-run -o run "${tiny[@]}" pairs.tsv
    grep -q '^steps  *12, 3 an epoch$' out
    grep -q '^pairs  *24$' out
    grep -q '^memory ' out
    expect_status 0 clip-train --dry-run -f json -o run "${tiny[@]}" --train-tokenizer 0 pairs.tsv
    jq -e '.steps == 12 and .steps_per_epoch == 3 and .pairs == 24 and .batch_size == 8
        and .bytes.total == ([.bytes[]] | add) - .bytes.total' out
    expect_status 0 clip-train --dry-run --arch "$arch" --train-tokenizer 600 -b 8 pairs.tsv
    expect_status 2 clip-train --arch "$arch" --train-tokenizer 600 -b 8 pairs.tsv
    grep -q '^clip-train: --output: the folder of the run is wanted' err
    rm out err
    ls -A >after
    cmp <(grep -v '^before$\|^after$' before) <(grep -v '^before$\|^after$' after)
}

@test "train: a loss that is not a number ends the run, and the last model stays" {
    pairs
    clip-train --quiet --stop-after 3 -o run "${tiny[@]}" --lr 1e30 --warmup 0 pairs.tsv 2>err || {
        grep -q 'is not a number' err
        [ "$(wc -l <err)" -eq 1 ]
        return 0
    }
    expect_status 2 clip-train --resume -o run "${tiny[@]}" --lr 1e30 --warmup 0 pairs.tsv
    grep -q 'is not a number' err
}

@test "train: a full disk ends the run, and what was there stays" {
    pairs
    # Larger files than 64 kB cannot be written: the state is one.
    expect_status 2 bash -c 'ulimit -f 64; trap "" XFSZ; exec "$@"' - clip-train -o run "${tiny[@]}" pairs.tsv
    grep -q '^clip-train: .*run' err
    [ "$(find run -size +64k | wc -l)" -eq 0 ]
    [ ! -e run/model ]
}

@test "train: the other objectives train, too" {
    pairs
    for objective in siglip bag-of-words caption; do
        expect_status 0 clip-train -o $objective "${tiny[@]}" --objective $objective pairs.tsv
        jq -es '.[-1].loss < .[0].loss' $objective/log.jsonl
        expect_status 0 clip-embed -m $objective/model pictures/p01.png
    done
    expect_status 0 clip-train -o together "${tiny[@]}" --equal-captions together pairs.tsv
    expect_status 0 clip-train -o augmented "${tiny[@]}" --crop-scale 0.3 --flip 0.5 --rotate 10 \
        --color-jitter 0.4 --hue 0.1 --grayscale 0.1 --erase 0.2 --zoom-out 0.3 --background random pairs.tsv
}
