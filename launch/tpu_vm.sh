#!/usr/bin/env bash
# Trains on the TPU of this machine, a TPU VM. Not run on a TPU.
#   LIBTPU_INDEX=ADDRESS launch/tpu_vm.sh --recipe=paper --data.source=records:DIR --run_dir=DIR
# Where tensorflow-tpu is missing, it replaces tensorflow first (BUILD.md, "Install").
set -euo pipefail

if [[ "${1:-}" == --help ]]; then
  sed -n '2,/^[^#]/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
  exit
fi

python="${PYTHON:-python}"
version=2.20.0   # the last one of tensorflow-tpu

if ! "$python" -m pip show --quiet tensorflow-tpu 2>/dev/null; then
  if [[ -z "${LIBTPU_INDEX:-}" ]]; then
    echo "tpu_vm.sh: LIBTPU_INDEX='': expected the address of the index of libtpu wheels, which" \
      "TensorFlow's page on installing it names. Type LIBTPU_INDEX=ADDRESS launch/tpu_vm.sh ..." >&2
    exit 2
  fi
  "$python" -m pip install "$(dirname "${BASH_SOURCE[0]}")/.."
  "$python" -m pip uninstall --yes tensorflow
  "$python" -m pip install --find-links="$LIBTPU_INDEX" "tensorflow-tpu==$version"
fi

exec "$python" -m alexnet_tf.train --strategy=tpu --tpu=local "$@"
