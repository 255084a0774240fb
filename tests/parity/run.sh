#!/bin/sh
# SPDX-License-Identifier: MIT
# The lane of `make parity`: checks against software that this project did not write. Each check says
# why it is skipped where its needs are absent, and the lane fails only where a check failed.
#
#   tests/parity/run.sh BUILD
#
# Needs the PyTorch oracle (ORACLE, by default ../shared/oracle/clip_oracle.py) and a python3 with
# torch, numpy and Pillow (PYTHON, by default /usr/bin/python3); for texts also ftfy (FTFY_PYTHON, a
# virtual environment with it, by default the same python3). FAISS_PYTHON is one with faiss,
# LOADERS_PYTHON one with transformers and open_clip (converted.py says how to make it), PG_BIN the
# folder of a PostgreSQL's initdb; all have a default.
set -u
build=$(CDPATH='' cd -- "$1" && pwd)
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
PATH=$build/cmd:$PATH
ORACLE=${ORACLE:-$root/../shared/oracle/clip_oracle.py}
PYTHON=${PYTHON:-/usr/bin/python3}
FTFY_PYTHON=${FTFY_PYTHON:-$PYTHON}
# How to start two ranks; empty: the check of training leaves them out.
if [ -z "${MPIRUN-}" ] && command -v mpirun >/dev/null; then
    MPIRUN="mpirun --allow-run-as-root --oversubscribe -n 2"
fi
FAISS_PYTHON=${FAISS_PYTHON:-$PYTHON}
LOADERS_PYTHON=${LOADERS_PYTHON:-$PYTHON}
CLIP_VOCAB=${CLIP_VOCAB:-$(dirname "$ORACLE")/../vocab/bpe_simple_vocab_16e6.txt.gz}
export PATH ORACLE PYTHON FTFY_PYTHON FAISS_PYTHON LOADERS_PYTHON CLIP_VOCAB
passed=0 failed=0 skipped=0

# check NAME 'CONDITION' 'WHY NOT' COMMAND...
check() {
    name=$1 condition=$2 reason=$3
    shift 3
    if ! sh -c "$condition" >/dev/null 2>&1; then
        echo "parity: $name: skipped: $reason"
        skipped=$((skipped + 1))
    elif "$@"; then
        echo "parity: $name: passed"
        passed=$((passed + 1))
    else
        echo "parity: $name: FAILED"
        failed=$((failed + 1))
    fi
}

# shellcheck disable=SC2016 # expanded by check's own shell
{
    has_oracle='test -f "$ORACLE"'
    has_torch='"$PYTHON" -c "import torch, numpy, PIL"'
    has_ftfy='"$FTFY_PYTHON" -c "import ftfy, regex"'
    has_pillow='"$PYTHON" -c "import numpy, PIL"'
    has_faiss='"$FAISS_PYTHON" -c "import faiss, numpy"'
    has_postgresql='for tool in "${PG_BIN:-}"/initdb /usr/lib/postgresql/*/bin/initdb; do
        if [ -x "$tool" ]; then exit 0; fi; done; exit 1'
    has_transformers='"$LOADERS_PYTHON" -c "import torch, transformers"'
    has_open_clip='"$LOADERS_PYTHON" -c "import open_clip; assert int(open_clip.version.__version__.split(\".\")[0]) >= 3"'
    has_sklearn='"$PYTHON" -c "import scipy, sklearn"'
    has_h5py='"$PYTHON" -c "import h5py"'
}
cd "$root/tests/parity" || exit 2
check embeddings "$has_oracle && $has_torch" "no oracle at $ORACLE, or no torch in $PYTHON" \
    "$PYTHON" embeddings.py --oracle "$ORACLE" --arch tiny-vit tiny-vit-gelu tiny-rn
check full-size "test -n \"\${FULL_SIZE:-}\" && $has_oracle && $has_torch" \
    "set FULL_SIZE=1 (makes 3 GB of checkpoints)" \
    "$PYTHON" embeddings.py --oracle "$ORACLE" --arch ViT-B/32 RN50 ViT-L/14
check checkpoints "$has_oracle && $has_torch" "no oracle at $ORACLE, or no torch in $PYTHON" \
    sh checkpoints.sh "$build"
check pixels "$has_oracle && $has_torch" "no oracle at $ORACLE, or no Pillow in $PYTHON" \
    "$PYTHON" pixels.py --oracle "$ORACLE" --command "$build/cmd/clip-model pixels --size 224"
check tokens "$has_oracle && $has_ftfy" "no oracle at $ORACLE, or no ftfy and regex in $FTFY_PYTHON" \
    "$FTFY_PYTHON" tokens.py --oracle "$ORACLE" --command "$build/cmd/clip-model tokens --vocab $CLIP_VOCAB"
check convert-transformers "$has_transformers" "no torch or no transformers in $LOADERS_PYTHON" \
    "$LOADERS_PYTHON" converted.py transformers --golden "$root/tests/golden"
check convert-open_clip "$has_open_clip" "no torch or no open_clip 3 in $LOADERS_PYTHON" \
    "$LOADERS_PYTHON" converted.py open_clip --golden "$root/tests/golden"
check trained-open_clip "$has_open_clip" "no torch or no open_clip 3 in $LOADERS_PYTHON" \
    "$LOADERS_PYTHON" trained.py --gelu "$root/tests/golden/micro-gelu-open_clip" \
    --pictures "$root"/tests/golden/pixels/rgb*.jpg
check train-step "$has_oracle && $has_torch" "no oracle at $ORACLE, or no torch in $PYTHON" \
    "$PYTHON" train_step.py --oracle "$ORACLE" --driver "$build/tests/clip_train_step_driver" \
    --arch tiny-vit tiny-vit-gelu tiny-rn --mpirun "${MPIRUN-}"
check same-run "\"$PYTHON\" -c 'import numpy'" "no numpy in $PYTHON" \
    "$PYTHON" same_run.py --mpirun "${MPIRUN% -n 2}" --pictures "$root"/tests/golden/pixels/rgb*.jpg \
    "$root"/tests/golden/pixels/*.png
check broken-pictures "$has_h5py && $has_torch" "no h5py or no Pillow in $PYTHON" \
    "$PYTHON" broken_pictures.py --model "$root/tests/golden/micro-vit-hf"
check draw "$has_pillow" "no Pillow or no numpy in $PYTHON" \
    "$PYTHON" draw.py "$build/tests/clip_draw_driver" "$root"/tests/golden/pixels/rgb*.jpg \
    "$root"/tests/golden/pixels/*.png "$root"/tests/golden/pixels/turned-*.jpg
check search "$has_h5py" "no h5py in $PYTHON" "$PYTHON" search.py
check eval "$has_h5py && $has_sklearn" "no h5py or no scikit-learn in $PYTHON" "$PYTHON" eval.py
check hdf5 "$has_h5py" "no h5py in $PYTHON" "$PYTHON" hdf5.py "$build"
check faiss "$has_h5py && $has_faiss" "no h5py in $PYTHON, or no faiss in $FAISS_PYTHON" \
    "$PYTHON" search_engines.py faiss
check postgresql "$has_h5py && $has_postgresql" "no h5py in $PYTHON, or no PostgreSQL server" \
    "$PYTHON" search_engines.py postgresql
check hdf5-variants "$has_h5py" "no h5py in $PYTHON" "$PYTHON" hdf5_variants.py "$build"
check hdf5-fuzz true "" "$PYTHON" fuzz_hdf5.py "$build"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
