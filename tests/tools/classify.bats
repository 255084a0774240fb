#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# clip-classify: labels, templates, inputs, records, truth.
load setup

@test "classify: a record has exactly the promised keys, best label first" {
    cp "$CLIP_GOLDEN/pixels/rgb.png" a.png
    expect_status 0 clip-classify -l dog -l 'cat, a bird' a.png
    grep -Eq '^\{"path":"a.png","label":"[^"]+","score":0\.[0-9]+,"top":\[(\{"label":"[^"]+","score":[0-9.e-]+\},?){3}\]\}$' out
    expect_status 0 clip-classify -l dog,cat -k 1 a.png
    grep -Eq '"top":\[\{[^}]*\}\]\}$' out
    # The list is in descending order and begins with the label; softmax scores sum up to 1.
    expect_status 0 clip-classify -l a,b,c,d,e,f a.png
    grep -o '"score":[0-9.e-]*' out | cut -d: -f2 | tail -n +2 >scores
    [ "$(wc -l <scores)" -eq 5 ]
    sort -gr -c scores
}

@test "classify: the same bytes whatever the batch size and the threads" {
    pictures
    expect_status 0 clip-classify -j 1 -b 1 -l dog,cat,bird -r pictures
    mv out first
    for batch in 2 7 32; do
        for threads in 1 2; do
            expect_status 0 clip-classify -j $threads -b $batch -l dog,cat,bird -r pictures
            cmp first out
        done
    done
}

@test "classify: scores are cosines, logits, or their softmax" {
    cp "$CLIP_GOLDEN/pixels/rgb.png" a.png
    expect_status 0 clip-classify -f tsv -l dog,cat --scores cosine a.png
    mv out cosine
    expect_status 0 clip-classify -f tsv -l dog,cat --scores logit a.png
    mv out logit
    expect_status 0 clip-classify -f tsv -l dog,cat a.png
    paste cosine logit out | awk -F'\t' '
        { scale = $8 / $3
          good = ($7 == $2 && $12 == $2 && $3 <= 1 && $3 >= $5)
          p = 1 / (1 + exp($10 - $8))
          good = good && (p - $13 < 1e-4) && ($13 - p < 1e-4) && ($10 / $5 - scale < 1e-3 * scale)
          exit !good }'
}

@test "classify: labels, names and templates from files" {
    cp "$CLIP_GOLDEN/pixels/rgb.png" a.png
    printf 'dog\tdog|hound\r\n\ncat\n' >labels
    printf 'a photo of a {}.\nart of the {}\n' >templates
    expect_status 0 clip-classify --labels labels --templates templates a.png
    mv out first
    grep -q '"label":"dog"' first
    expect_status 0 clip-classify --labels labels -t 'a photo of a {}.' -t 'art of the {}' a.png
    cmp first out
    expect_status 0 clip-classify -l dog,cat a.png
    ! cmp -s first out
    expect_status 2 clip-classify -l dog,dog a.png
    expect_status 2 clip-classify -l dog -t 'no place' a.png
    expect_status 2 clip-classify a.png
    expect_status 2 clip-classify --labels missing a.png
    printf 'ok\ncaf\351\n' >latin1
    expect_status 2 clip-classify --labels latin1 a.png
    grep -q 'latin1:2: ' err
}

@test "classify: a saved classifier answers alike, without the text tower" {
    pictures
    expect_status 0 clip-classify -l dog,cat --save-classifier c.h5 -r pictures
    mv out first
    expect_status 0 clip-classify --classifier c.h5 -r pictures
    cmp first out
    # Neither pictures nor texts: no model is opened.
    expect_status 0 clip-embed -r -o p.h5 pictures
    expect_status 0 env CLIP_MODEL=/nonexistent clip-classify --classifier c.h5 p.h5
    cmp first out
    expect_status 2 clip-classify --classifier c.h5 -l dog p.h5
    expect_status 2 clip-classify --classifier pictures/p01.png p.h5
}

@test "classify: embeddings of two models never meet" {
    cp "$CLIP_GOLDEN/pixels/rgb.png" a.png
    expect_status 0 clip-embed -o a.h5 a.png
    expect_status 0 clip-embed a.png
    mv out a.jsonl
    other=$CLIP_GOLDEN/micro-gelu-hf-sharded
    expect_status 2 clip-classify -m "$other" -l dog a.h5
    [ "$(grep -o '@[0-9a-f]\{12\}' err | sort -u | wc -l)" -eq 2 ]
    expect_status 2 clip-classify -m "$other" -l dog a.jsonl
    expect_status 0 clip-classify -l dog --save-classifier c.h5 a.png
    expect_status 2 clip-classify -m "$other" --classifier c.h5 a.png
    [ "$(grep -o '@[0-9a-f]\{12\}' err | sort -u | wc -l)" -eq 2 ]
    # The same weights in another layout are the same model.
    expect_status 0 clip-classify -m "$CLIP_GOLDEN/micro-vit-openai-jit/model.pt" \
        --classifier c.h5 a.jsonl
}

@test "classify: carried keys stay, those of the record's own names go" {
    cp "$CLIP_GOLDEN/pixels/rgb.png" a.png
    echo '{"path":"a.png","id":7,"label":"old","score":1,"top":[]}' >list
    expect_status 0 clip-classify -l dog <list
    grep -q '^{"path":"a.png","id":7,"label":"dog","score":1,"top":\[' out
    clip-embed -o a.h5 <list
    mv out first
    expect_status 0 clip-classify -l dog a.h5
    cmp first out
    echo '{"embedding":[1,2],"id":1}' >short
    expect_status 1 clip-classify -l dog <short
    grep -q '^clip-classify: -:1: .*2 values' err
}

@test "classify: tsv lines, and the threshold" {
    cp "$CLIP_GOLDEN/pixels/rgb.png" 'a	b\.png'
    expect_status 0 clip-classify -f tsv -k 1 -l dog,cat 'a	b\.png'
    grep -Eq '^a\\tb\\\\\.png	(dog|cat)	0\.[0-9]+$' out
    expect_status 0 clip-classify -f tsv --threshold 2 -l dog,cat 'a	b\.png'
    grep -Eq '^a\\tb\\\\\.png		0\.[0-9]+	(dog|cat)	0\.[0-9]+$' out
    expect_status 0 clip-classify --threshold 2 -l dog,cat 'a	b\.png'
    grep -q '"label":null,"score":0\..*"top":\[{"label":"' out
}

@test "classify: truth by folder and by file, with a summary" {
    mkdir -p t/dog t/cat t/zebra
    cp "$CLIP_GOLDEN/pixels/rgb.png" t/dog/1.png
    cp "$CLIP_GOLDEN/pixels/tall.png" t/dog/2.png
    cp "$CLIP_GOLDEN/pixels/grey.png" t/cat/3.png
    cp "$CLIP_GOLDEN/pixels/rgba.png" t/zebra/4.png
    expect_status 0 clip-classify -l dog,cat --truth folder --summary s.json -r t
    [ "$(grep -c '"truth":"dog"}$' out)" -eq 2 ]
    grep -q '3 inputs with truth: top-1 ' err
    grep -q 'zebra' err
    grep -Eq '^\{"n":3,"top1":[0-9.]+,"top5":1,"mean_per_class":[0-9.]+,"without_truth":0,"strange_truth":\{"zebra":1\},"confusion":\{"labels":\["dog","cat"\],"matrix":\[\[[0-9],[0-9]\],\[[0-9],[0-9]\]\]\}\}$' s.json
    # Top-1 is what the records say.
    right=$(grep -cE '^\{"path":"[^"]*","label":"(dog|cat)",.*"truth":"\1"' out || true)
    awk -v right="$right" -F'[:,]' '{ exit !($4 - right / 3 < 1e-9 && right / 3 - $4 < 1e-9) }' s.json
    cut -d'"' -f4 out | sed 's|t/\([^/]*\)/.*|&\t\1|' >truth.tsv
    mv s.json first.json
    expect_status 0 clip-classify -l dog,cat --truth truth.tsv --summary s.json -r t
    cmp first.json s.json
    head -n 2 truth.tsv >half.tsv
    expect_status 0 clip-classify -l dog,cat --truth half.tsv --summary s.json -r t
    grep -q '"truth":null}$' out
    grep -q '"without_truth":2' s.json
    expect_status 2 clip-classify -l dog --summary s.json -r t
    expect_status 2 clip-classify -l dog --truth missing.tsv -r t
}

@test "classify: a folder that a path does not spell has its real name" {
    mkdir dog
    cp "$CLIP_GOLDEN/pixels/rgb.png" dog/1.png
    cd dog
    expect_status 0 clip-classify -l dog,cat --truth folder ./1.png 1.png ../dog/./1.png
    [ "$(grep -c '"truth":"dog"}$' out)" -eq 3 ]
}

@test "classify: vectors of another layer are no labels, and no inputs" {
    cp "$CLIP_GOLDEN/pixels/rgb.png" a.png
    expect_status 0 clip-embed --layer penultimate --text -o pc.h5 dog cat
    expect_status 2 clip-classify --classifier pc.h5 a.png
    grep -q 'pc\.h5.*penultimate' err
    [ ! -s out ]
    expect_status 2 clip-classify -l dog,cat pc.h5
    grep -q 'pc\.h5.*penultimate' err
    [ ! -s out ]
    expect_status 2 clip-classify -l dog,cat - <pc.h5
    # JSON lines say it, too, where it is not the projected one.
    expect_status 0 clip-embed --layer penultimate --text -o pc.jsonl dog cat
    [ "$(grep -c '"layer":"penultimate","embedding":' pc.jsonl)" -eq 2 ]
    expect_status 2 clip-classify -l dog,cat pc.jsonl
    grep -q 'dog.*layer penultimate (want projected)' err
    [ ! -s out ]
    expect_status 2 clip-classify -l dog,cat <pc.jsonl
    # The same with the layer named that it is by default.
    expect_status 0 clip-embed --layer projected --text -o c.h5 dog cat
    expect_status 0 clip-classify --classifier c.h5 a.png
    expect_status 0 clip-classify -l dog,cat c.h5
}

@test "classify: the name of -o decides the format" {
    cp "$CLIP_GOLDEN/pixels/rgb.png" a.png
    expect_status 0 clip-classify -l dog,cat a.png
    mv out want.json
    expect_status 0 clip-classify -f tsv -l dog,cat a.png
    mv out want
    for name in cc.tsv CC.TSV; do
        expect_status 0 clip-classify -l dog,cat -o $name a.png
        cmp want $name
    done
    expect_status 0 clip-classify -f tsv -l dog,cat -o cc.txt a.png
    cmp want cc.txt
    for name in cc.jsonl cc.ndjson cc cc.txt; do
        expect_status 0 clip-classify -l dog,cat -o $name a.png
        cmp want.json $name
    done
    expect_status 2 clip-classify -f jsonl -l dog,cat -o x.tsv a.png
    expect_status 2 clip-classify -f tsv -l dog,cat -o x.jsonl a.png
    for name in x.h5 x.hdf5 x.npy x.csv x.jpg x.PNG; do
        expect_status 2 clip-classify -l dog,cat -o $name a.png
        grep -q "$name" err
    done
    # A picture that was meant as an input stays.
    expect_status 2 clip-classify -l dog,cat -o a.png
    cmp a.png "$CLIP_GOLDEN/pixels/rgb.png"
    [ -z "$(find . -name 'x.*')" ]
}

@test "classify: a file of templates without templates is refused" {
    cp "$CLIP_GOLDEN/pixels/rgb.png" a.png
    expect_status 2 clip-classify -l dog --templates /dev/null a.png
    grep -q '/dev/null holds no templates' err
}

@test "classify: standard input is read once" {
    cp "$CLIP_GOLDEN/pixels/rgb.png" a.png
    echo dog >labels
    for option in --labels --truth --templates; do
        expect_status 2 clip-classify -l cat $option - <labels
        grep -q "standard input.*$option" err
        expect_status 2 clip-classify -l cat $option - a.png - <labels
    done
    expect_status 2 clip-classify --classifier - <labels
    expect_status 2 clip-classify --labels - --templates - a.png <labels
    expect_status 0 clip-classify --labels - a.png <labels
}

@test "classify: two outputs are two files" {
    mkdir dog
    cp "$CLIP_GOLDEN/pixels/rgb.png" dog/a.png
    same() {
        expect_status 2 clip-classify -l dog --truth folder "$@" dog/a.png
        grep -q 'both want it' err
        [ ! -e x ] && [ ! -e x.jsonl ]
    }
    same -o x --summary x
    same -o x --errors dog/../x
    same -o x --save-classifier "$PWD/x"
    same --summary x --errors ./x
    ln -s x link
    same --errors link --save-classifier x
    same --summary -
    expect_status 0 clip-classify -l dog --truth folder -o x --summary y --errors z \
        --save-classifier c.h5 dog/a.png
    expect_status 0 clip-classify -l dog --truth folder -o x --summary - dog/a.png
    expect_status 0 clip-classify -l dog --truth folder -o /dev/null --summary /dev/null dog/a.png
}

@test "classify: what was finished before two models met is written out" {
    cp "$CLIP_GOLDEN/pixels/rgb.png" a.png
    expect_status 0 clip-embed --text a b c d e
    mv out list
    sed -n 's/"model":"[^"]*"/"model":"other@000000000000"/;1p' list >>list
    sed -n 1p list >>list
    expect_status 0 clip-classify -l dog,cat < <(head -n 5 list)
    mv out want
    for batch in 1 2 4 100; do
        expect_status 2 clip-classify -b $batch -l dog,cat <list
        grep -q 'two models' err
        cmp want out
    done
    # A file is not replaced by a part.
    echo old >x
    expect_status 2 clip-classify -l dog,cat -o x <list
    cmp want x.part
    [ "$(cat x)" = old ]
    # Pictures that the classifier's model is not the model of come after embeddings of it.
    expect_status 0 clip-classify -l dog,cat --save-classifier c.h5 a.png
    { head -n 5 list && echo a.png; } >mixed
    expect_status 2 clip-classify -m "$CLIP_GOLDEN/micro-gelu-hf-sharded" --classifier c.h5 <mixed
    cmp want out
}
