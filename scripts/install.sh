#!/bin/sh
# `sh scripts/install.sh nginx node npm`: from Debian's packages, install those of these programs that are missing.
# Only root on Debian gets them. Ends with 1, and says what to do, where one is missing in the end.
set -eu

# Debian keeps nginx in a directory that is not on every PATH.
PATH="$PATH:/usr/sbin:/usr/local/sbin"
python="${PYTHON:-$(command -v python3.11 || command -v python3 || echo python3)}"

has() {
    case "$1" in
        python) "$python" -c '' 2>/dev/null ;;
        venv) "$python" -c 'import ensurepip, venv' 2>/dev/null ;;
        *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

missing() {
    for program in "$@"; do
        has "$program" || echo "$program"
    done
}

package() {
    case "$1" in
        node) echo nodejs ;;
        python) echo python3 ;;
        venv) echo python3-venv ;;
        *) echo "$1" ;;
    esac
}

absent="$(missing "$@")"
[ -n "$absent" ] || exit 0
packages="$(for program in $absent; do package "$program"; done)"
# As words on one line.
absent="$(echo $absent)"
packages="$(echo $packages)"

if [ "$(id -u)" -eq 0 ] && [ -e /etc/debian_version ]; then
    echo "installing from Debian's packages: $packages ..."
    # Debian starts a service that it installs unless this file forbids it; the tests start an nginx of their own.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        trap 'exit 130' INT TERM
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    # What these say is of use only where they fail; what is missing in the end is said below.
    log="$(mktemp)"
    wait="-o DPkg::Lock::Timeout=300"
    apt-get $wait update </dev/null >"$log" 2>&1 \
        && apt-get $wait install -y --no-install-recommends $packages </dev/null >>"$log" 2>&1 \
        || cat "$log" >&2
    rm -f "$log"
    absent="$(echo $(missing "$@"))"
    [ -n "$absent" ] || exit 0
fi

echo "not installed: $absent" >&2
echo "  on Debian, as root:  apt-get update && apt-get install -y --no-install-recommends $packages" >&2
echo "  elsewhere:           with the system's own packages" >&2
exit 1
