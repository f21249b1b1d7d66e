#!/usr/bin/env bash
# Runs a command of alexnet_tf on this machine, as one process or as workers that train together:
#   launch/local.sh train --recipe=paper
#   launch/local.sh 2 train --recipe=paper      2 workers: --strategy=multi_worker on 127.0.0.1
# Each line of worker 1 begins with [1]. The exit code is that of the first worker that fails; the
# others then have GRACE_SECONDS (60) to end by themselves before SIGTERM, and as long again before
# SIGKILL. SIGTERM and Ctrl-C are passed on: the workers save and end with 143 or 130. With
# CUDA_VISIBLE_DEVICES=0,1 each worker sees the GPU of its place. PYTHON names another interpreter.
# launch/local.sh train --help lists the flags.
set -euo pipefail

export TF_FORCE_GPU_ALLOW_GROWTH="${TF_FORCE_GPU_ALLOW_GROWTH:-true}"   # memory on demand
python="${PYTHON:-python}"

say() {
  echo "local.sh: $1" >&2
}

refuse() {
  say "$1"
  exit 2
}

command -v "$python" >/dev/null ||
  refuse "PYTHON=$python: no such program; expected a Python that has alexnet_tf. Name one."
commands=" benchmark convert evaluate experiment export features predict summary train visualize "
case "${1:-train}" in
  --help | -h) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;;
  -*) exec "$python" -m alexnet_tf.train "$@" ;;
  [0-9]*) ;;
  *)
    [[ "$commands" == *" ${1:-train} "* ]] ||
      refuse "command=$1: expected a number of workers, or one of${commands% }. See --help."
    exec "$python" -m "alexnet_tf.${1:-train}" "${@:2}"
    ;;
esac

num_workers="$1" grace="${GRACE_SECONDS:-60}" worker_mb=500
shift
[[ "${1:-}" != train ]] || shift
[[ -z "${1:-}" || "$1" == -* ]] ||
  refuse "command=$1: expected train, which alone has workers. Leave the number out."
[[ "$num_workers" =~ ^[1-9][0-9]{0,4}$ ]] ||
  refuse "workers=$num_workers: expected 1 to 99999. Type launch/local.sh 2 train ..."
most=$(($(awk '/^MemAvailable/ {print $2}' /proc/meminfo) / 1024 / worker_mb))
((num_workers == 1 || num_workers <= most)) ||
  refuse "workers=$num_workers: expected at most $most, since a worker takes $worker_mb MB of \
memory or more. Start fewer."
for word in "$@"; do
  case "${word//-/_}" in
    __strategy=multi_worker) ;;
    __workers | __workers=* | __worker_index | __worker_index=* | __strategy | __strategy=*)
      refuse "$word: expected no flags about workers, which this script sets. Leave it out."
      ;;
  esac
done
[[ "$grace" =~ ^[1-9][0-9]*$ ]] ||
  refuse "GRACE_SECONDS=$grace: expected whole seconds from 1. Leave it unset for 60."
IFS=, read -ra gpus <<<"${CUDA_VISIBLE_DEVICES:-}"
if ((${#gpus[@]})) && [[ "${gpus[0]}" != -1 ]] && ((${#gpus[@]} != num_workers)); then
  refuse "CUDA_VISIBLE_DEVICES=$CUDA_VISIBLE_DEVICES: expected $num_workers GPUs, one for each \
worker. Name as many, or none to train on the CPU."
fi
workers="$("$python" -c 'if True:
  import socket, sys
  ports = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
  print(*("127.0.0.1:%d" % port.getsockname()[1] for port in ports), sep=",")' "$num_workers")"

pipes="$(mktemp -d)"
running=()    # processes by worker
markers=()    # the processes that mark the workers' lines
exit_code=0   # of the first worker that failed
deadline=0    # in SECONDS; 0 before anything has failed
next=TERM     # what those get that are still running then

pass_on() {
  local worker   # a signal may come anywhere in the loop below
  for worker in "${running[@]}"; do
    kill "-$1" "$worker" 2>/dev/null || true
  done
}

begin_to_end() {
  ((deadline)) || deadline=$((SECONDS + grace))
}

kill_group() {   # the worker, and what it may have started
  kill -KILL -- "-$1" 2>/dev/null || true
}

mark() {   # hears no signal, so that the last words of a worker are seen
  trap '' INT TERM HUP
  exec sed -u "s/^/[$1] /"
}

trap 'for worker in "${running[@]}"; do kill_group "$worker"; done; rm -rf "$pipes"' EXIT
trap 'pass_on INT; begin_to_end' INT
trap 'pass_on TERM; begin_to_end' TERM HUP

start() {
  local i
  for ((i = 0; i < num_workers; i++)); do
    mkfifo "$pipes/$i.out" "$pipes/$i.err"
    mark "$i" <"$pipes/$i.out" & markers+=($!)
    mark "$i" <"$pipes/$i.err" >&2 & markers+=($!)
    ((${#gpus[@]} != num_workers)) || export CUDA_VISIBLE_DEVICES="${gpus[i]}"
    set -m   # a process group of its own: Ctrl-C reaches the worker once, and not a second time
    "$python" -m alexnet_tf.train "$@" --strategy=multi_worker "--workers=$workers" \
      "--worker_index=$i" </dev/null >"$pipes/$i.out" 2>"$pipes/$i.err" &
    running[i]=$!
    set +m
  done
}

watch() {
  local i worker code pass=1 first_pass=0
  # Where errors go to /dev/null below, bash would write "Killed" with the whole command.
  while ((${#running[@]})); do
    for i in "${!running[@]}"; do
      worker="${running[i]}"
      kill -0 "$worker" 2>/dev/null && continue
      code=0
      wait "$worker" 2>/dev/null || code=$?
      unset "running[i]"
      kill_group "$worker"
      if ((code && !exit_code)); then
        exit_code="$code" first_pass="$pass"
        begin_to_end
        ((${#running[@]} == 0)) ||
          say "worker=$i ended with exit code $code; the others have $grace s to end by themselves."
      elif ((code && pass == first_pass && exit_code == 1)); then
        exit_code="$code"   # who loses a peer ends with 1, and at once: this one was the first
      fi
    done
    ((pass += 1))
    if ((deadline && SECONDS >= deadline && ${#running[@]})); then
      say "workers=${!running[*]} are still running after $grace s: SIG$next."
      pass_on "$next"
      next=KILL deadline=$((SECONDS + grace))
    fi
    { sleep 0.2 || true; } 2>/dev/null
  done
  wait "${markers[@]}" || true
}

# In one line, behind which bash reads no more: the script may be replaced while it runs.
start "$@"; watch; exit "$exit_code"
