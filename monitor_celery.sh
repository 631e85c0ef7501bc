#!/bin/sh
# Services, workers, what runs now, queues, failures, statistics: once (exit code 1: something is wrong), or --live.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
[ -x "$here/.venv/bin/quantlab" ] || { echo "QuantLab is not installed yet: run make up first." >&2; exit 1; }
case "${1:-}" in
-h | --help) printf 'Usage: monitor_celery.sh [--live] [OPTIONS]\n\nPrints once; with --live, as the first word, until Ctrl-C. All else is `quantlab monitor`:\n' ;;
esac
if [ "${1:-}" = "--live" ]; then shift; exec "$here/.venv/bin/quantlab" monitor "$@"; fi
exec "$here/.venv/bin/quantlab" monitor --once "$@"
