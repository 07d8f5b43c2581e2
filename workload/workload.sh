#!/usr/bin/env bash
# The workload: writes ever larger numbers to a grid, reads back now and then, and says how it ended.
#
#   workload.sh CONTROL_HOST:PORT
#
# Environment, each a whole number:
#   START_DELAY (10)             seconds that it waits at most for the grid to answer
#   FINAL_DELAY (5)              seconds that it waits before the last read
#   NUM_STEPS (100)              writes
#   MAX_STEP_SIZE (5)            each write is 1 to this much larger than the one before
#   CHECK_WHEN_MULTIPLE_OF (5)   reads back whenever the number written is a multiple of this
# and, where the grid wants them:
#   GLITCHGRID_TOKEN_FILE        a token: the last word of the file's first line is presented
#   GLITCHGRID_CA                ask by TLS, and believe this authority
#   GLITCHGRID_CLIENT_CERT, GLITCHGRID_CLIENT_KEY   a certificate to show
#
# Exit status: 0 it ended consistent, and every read was correct; 1 a read was incorrect; 2 the last read was
# inconsistent, the grid never answered, or the workload was called wrongly.
#
# A write that was answered 200 has happened; one that was answered 400 has not. After any other end (500, a
# time-out, a lost connection) it is ambiguous: it may take effect now, later or never. From then on every value
# from the last one known to be in the grid to the last one attempted is right.
set -u
export LC_ALL=C

readonly CURL_TIMEOUT_S=6 # control answers within 4
readonly VALUE_MAX=9223372036854775807
readonly MESSAGE_CHARACTERS_MAX=200

usage_error() {
    printf 'workload.sh: %s\n' "$1" >&2
    exit 2
}

# setting NAME DEFAULT LEAST: gives the variable of that name its default, and checks it.
setting() {
    local text=${!1:-$2}
    if ! [[ $text =~ ^[0-9]{1,9}$ ]] || ((10#$text < $3)); then
        usage_error "$1 is '$text', and must be a whole number from $3 to 999999999"
    fi
    printf -v "$1" '%d' "$((10#$text))"
}

# configured NAME OPTION: has curl use the file that the variable of that name names. Adds to presented.
configured() {
    local file=${!1:-}
    [[ -n $file ]] || return 0
    if [[ ! -r $file || $file == *[\"\\]* ]]; then
        usage_error "$1 is '$file', which is no file that can be read"
    fi
    presented+="$2 = \"$file\""$'\n'
}

# present: what curl is to present, and whom it is to believe, in the form of its configuration. Sets presented.
present() {
    presented=
    configured GLITCHGRID_CA cacert
    configured GLITCHGRID_CLIENT_CERT cert
    configured GLITCHGRID_CLIENT_KEY key
    [[ -n ${GLITCHGRID_TOKEN_FILE:-} ]] || return 0
    local line word token=
    while read -r line || [[ -n $line ]]; do
        [[ -z $line || $line == '#'* ]] && continue
        for word in $line; do token=$word; done
        break
    done 2>/dev/null <"$GLITCHGRID_TOKEN_FILE"
    if ! [[ $token =~ ^[A-Za-z0-9._~+/-]{16,256}=*$ ]]; then
        usage_error "GLITCHGRID_TOKEN_FILE is '$GLITCHGRID_TOKEN_FILE', which has no token in its first line"
    fi
    presented+="header = \"Authorization: Bearer $token\""
}

# seconds: whole seconds on a clock that nobody sets, where there is one.
seconds() {
    local uptime=$SECONDS
    { read -r uptime _ </proc/uptime; } 2>/dev/null
    printf '%d' "${uptime%%.*}"
}

# ask TIMEOUT CURL_ARGUMENT...: one request to control. Sets status (000 where there is no whole answer) and message.
ask() {
    local answer
    # -q: nothing of what its user has set for curl elsewhere. It counts in the first place alone.
    # What it presents goes through its standard input: arguments of processes can be seen by everybody.
    if answer=$(curl -q --silent --globoff --noproxy '*' --max-time "$1" --write-out '\n%{http_code}' \
        --config - "${@:2}" "$url" <<<"$presented"); then
        status=${answer##*$'\n'}
        message=${answer%$'\n'*}
        message=${message:0:MESSAGE_CHARACTERS_MAX}
        message=${message//[[:cntrl:]]/ }
    else
        status=000
        message='no answer'
    fi
} 2>/dev/null

# answered_value: is the answer a value (0 among them)? Larger numbers than there are turn negative here.
answered_value() {
    [[ $status == 200 && $message =~ ^[0-9]{1,19}$ ]] && ((10#$message >= 0))
}

# expected: what a read may return, as 12 or as 12..15.
expected() {
    if ((known == attempted)); then
        printf '%d' "$known"
    else
        printf '%d..%d' "$known" "$attempted"
    fi
}

# wait_for_the_grid: until a read has a value, which becomes the beginning. Fails after START_DELAY.
wait_for_the_grid() {
    local end=$(($(seconds) + START_DELAY)) left=$START_DELAY
    while true; do
        ask "$((left < 1 ? 1 : left > CURL_TIMEOUT_S ? CURL_TIMEOUT_S : left))"
        if answered_value; then
            known=$((10#$message)) attempted=$((10#$message))
            return 0
        fi
        left=$((end - $(seconds)))
        if ((left <= 0)); then
            return 1
        fi
        sleep 0.2
    done
}

# write VALUE: and note what may have become of it.
write() {
    ask "$CURL_TIMEOUT_S" --data "$1"
    printf 'HttpStatus=%s Message=%s\n' "$status" "$message"
    case $status in
    200) known=$1 attempted=$1 ;;
    400 | 401 | 403) printf 'ERROR: the grid refused to write %s; it has not happened.\n' "$1" ;;
    *)
        attempted=$1
        if [[ $status == 500 ]]; then
            printf 'ERROR: the grid is inconsistent: no majority took %s.\n' "$1"
        else
            printf 'ERROR: the write of %s is lost: what became of it is unknown.\n' "$1"
        fi
        ;;
    esac
}

# check: read back, and set state to correct, incorrect or inconsistent.
check() {
    ask "$CURL_TIMEOUT_S"
    printf 'HttpStatus=%s Expected=%s Actual=%s\n' "$status" "$(expected)" "$message"
    state=correct
    if [[ $status != 200 ]]; then
        state=inconsistent
        printf 'ERROR: the grid is inconsistent: it could not tell its value.\n'
    elif ! answered_value || ((10#$message < known || 10#$message > attempted)); then
        state=incorrect
        incorrect_reads=$((incorrect_reads + 1))
        printf 'ERROR: the grid is incorrect: it answered %s where %s was right.\n' "$message" "$(expected)"
    else
        # What was read once is in the grid: no later read may return less.
        known=$((10#$message))
    fi
}

run_steps() {
    local step size value=$known
    for ((step = 1; step <= NUM_STEPS; step++)); do
        size=$((1 + (RANDOM * 32768 + RANDOM) % MAX_STEP_SIZE))
        if ((size > VALUE_MAX - value)); then
            printf 'ERROR: no larger number is left to write.\n'
            return
        fi
        value=$((value + size))
        write "$value"
        if ((value % CHECK_WHEN_MULTIPLE_OF == 0)); then
            check
            sleep 1
        fi
    done
}

main() {
    setting START_DELAY 10 0
    setting FINAL_DELAY 5 0
    setting NUM_STEPS 100 0
    setting MAX_STEP_SIZE 5 1
    setting CHECK_WHEN_MULTIPLE_OF 5 1

    local known attempted status message state incorrect_reads=0 verdict
    printf '=== START TEST ===\n'
    if wait_for_the_grid; then
        run_steps
        sleep "$FINAL_DELAY"
        check
    else
        state=inconsistent
        printf 'ERROR: the grid did not tell its value within %d seconds: HttpStatus=%s Message=%s\n' \
            "$START_DELAY" "$status" "$message"
    fi
    if ((incorrect_reads > 0)); then
        verdict=1
        printf 'ERROR: Test completed with storage in an incorrect state (%d incorrect reads).\n' "$incorrect_reads"
    elif [[ $state == inconsistent ]]; then
        verdict=2
        printf 'ERROR: Test completed with storage in an inconsistent state.\n'
    else
        verdict=0
        printf 'Test completed with storage in a consistent and correct state.\n'
    fi
    printf '==== END TEST ====\n'
    exit "$verdict"
}

command -v curl >/dev/null || usage_error 'curl is missing'
(($# == 1)) || usage_error 'usage: workload.sh CONTROL_HOST:PORT'
[[ $1 =~ ^[^/@[:space:]]+:[0-9]{1,5}$ ]] || usage_error "'$1' is no CONTROL_HOST:PORT"
readonly url="http${GLITCHGRID_CA:+s}://$1/"
present
main
