#!/usr/bin/env bash
# Makes training batches for other machines (README, "Pictures from other machines"):
#   launch/data_service.sh                                      a dispatcher with a worker
#   launch/data_service.sh --dispatcher=grpc://HOST:5050        one more worker, on another machine
# then: python -m alexnet_tf.train --data.service=grpc://HOST:5050 --data.cache=none ...
set -euo pipefail

export CUDA_VISIBLE_DEVICES=""   # workers decode; they leave the devices to training

exec "${PYTHON:-python}" -m pipelines.serve "$@"
