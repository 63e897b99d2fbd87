#!/bin/sh
# Installs the Debian packages that building, testing or the demo need, and only those that are missing.
# Usage: deploy/setup.sh build|test|demo ...     Works as root or with sudo; says what to install otherwise.
set -eu

have() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ]; }

have_libclang() {
    [ -n "${LIBCLANG_PATH:-}" ] && return 0
    for file in /usr/lib/llvm-*/lib/libclang*.so* /usr/lib/*-linux-gnu/libclang*.so* /usr/lib64/libclang*.so*; do
        [ -e "$file" ] && return 0
    done
    return 1
}

have_boto3() {
    for python in python3 /usr/bin/python3; do
        "$python" -c 'import boto3' >/dev/null 2>&1 && return 0
    done
    return 1
}

have_venv() { python3 -c 'import venv, ensurepip' >/dev/null 2>&1; }

have_postgres() {
    for program in /usr/lib/postgresql/*/bin/initdb; do
        [ -x "$program" ] && return 0
    done
    return 1
}

have_cjk() { [ -d /usr/share/fonts/opentype/noto ] || [ -d /usr/share/fonts/truetype/wqy ]; }

need=""
optional=""
want() { need="$need $1"; }
would_like() { optional="$optional $1"; }

for purpose in "$@"; do
    case "$purpose" in
    build)
        have c++ || want build-essential
        have make || want make
        have clang || want clang
        have_libclang || want libclang-dev
        have pkg-config || want pkg-config
        # The dashboard.
        have node || want nodejs
        have npm || want npm
        ;;
    test)
        # Without these the tests that need them are skipped, loudly.
        have iptables || would_like iptables
        have ip || would_like iproute2
        have mkfs.ext4 || would_like e2fsprogs
        have mkfs.xfs || would_like xfsprogs
        have losetup || would_like mount
        # Faults: failing system calls, clocks that lie, slow links.
        have strace || would_like strace
        have faketime || would_like faketime
        have tc || would_like iproute2
        have rclone || would_like rclone
        have s3cmd || would_like s3cmd
        have aws || would_like awscli
        have_boto3 || would_like python3-boto3
        # The applications of tests/apps.
        have python3 || would_like python3
        have rsync || would_like rsync
        have restic || would_like restic
        have qemu-io || would_like qemu-utils
        have fio || would_like fio
        have_postgres || would_like postgresql
        # The dashboard's tests, and those of what is for Prometheus.
        have chromium || would_like chromium
        have chromedriver || would_like chromium-driver
        have_cjk || would_like fonts-noto-cjk
        have promtool || would_like prometheus
        # schemathesis, which holds the admin API to its description.
        have_venv || would_like python3-venv
        ;;
    demo)
        have curl || would_like curl
        have python3 || would_like python3
        ;;
    *)
        echo "setup.sh: unknown purpose '$purpose' (build, test, demo)" >&2
        exit 2
        ;;
    esac
done

[ -z "$need$optional" ] && exit 0

if ! have apt-get; then
    echo "Not a Debian system. Please install what these packages stand for:$need$optional" >&2
    [ -z "$need" ]
    exit
fi

if [ "$(id -u)" = 0 ]; then
    as_root=""
elif have sudo && sudo -n true 2>/dev/null; then
    as_root="sudo"
else
    echo "Missing packages. Please run: sudo apt-get install -y$need$optional" >&2
    [ -z "$need" ]
    exit
fi

echo "==> installing$need$optional"
export DEBIAN_FRONTEND=noninteractive
install() { $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" </dev/null; }
# shellcheck disable=SC2086 # word splitting is what we want
install $need $optional >/dev/null 2>&1 || {
    $as_root apt-get update -q </dev/null >/dev/null
    if [ -n "$need" ]; then install $need; fi
    for package in $optional; do
        install "$package" >/dev/null 2>&1 || echo "could not install $package: tests that need it will be skipped"
    done
}
