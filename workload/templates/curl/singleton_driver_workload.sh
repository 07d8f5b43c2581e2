#!/usr/bin/env bash
# The bash workload, as the only client that writes. It is a real fault when a read was incorrect. That the grid was
# inconsistent at the end is none: faults are on while this runs, and eventually_serves_again.py asks afterwards.
set -u

here=$(dirname "$0")
workload=${GLITCHGRID_WORKLOAD:-/opt/glitchgrid-workload/workload.sh}
control=${GLITCHGRID_CONTROLS:?is not set}

# draw A B: the last line, because the SDK says on standard output where it writes, if it writes anywhere.
draw() {
    "$here/helper_draw.py" "$1" "$2" | tail -n 1
}

# What is set already stays: a test sets it.
: "${NUM_STEPS:=$(draw 5 40)}"
: "${MAX_STEP_SIZE:=$(draw 1 9)}"
: "${CHECK_WHEN_MULTIPLE_OF:=$(draw 1 4)}"
: "${FINAL_DELAY:=$(draw 0 3)}"
: "${START_DELAY:=30}"
export NUM_STEPS MAX_STEP_SIZE CHECK_WHEN_MULTIPLE_OF FINAL_DELAY START_DELAY

if [ ! -x "$workload" ]; then
    echo "singleton_driver_workload.sh: there is no workload at $workload" >&2
    exit 2
fi
output=$("$workload" "${control%%,*}")
status=$?
printf '%s\n' "$output"
case "$status ${output##*$'\n'}" in
"1 ==== END TEST ====") exit 1 ;;
"0 ==== END TEST ====" | "2 ==== END TEST ====") exit 0 ;;
*) exit 2 ;; # it did not come to its end
esac
