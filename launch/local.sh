#!/usr/bin/env bash
# Runs one command of alexnet_tf on this machine: launch/local.sh train --recipe=paper
set -euo pipefail

export TF_FORCE_GPU_ALLOW_GROWTH="${TF_FORCE_GPU_ALLOW_GROWTH:-true}"   # memory on demand

exec "${PYTHON:-python}" -m "alexnet_tf.${1:-train}" "${@:2}"
