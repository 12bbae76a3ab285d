#!/bin/sh
# Installs what is missing for a purpose: "build", "run", "check", "fuzz" or "bench". Instant when nothing is.
set -eu

build="cmake ninja-build g++ pkg-config libseccomp-dev libcap-dev libyajl-dev"
run="busybox-static"
check="$build $run libgtest-dev libmnl-dev python3 docker.io containerd runc crun debootstrap iptables iproute2
  ca-certificates debian-archive-keyring containernetworking-plugins python3-grpcio clang-format-16 clang-tidy-16
  pyflakes3 shellcheck strace qemu-system-x86 mmdebstrap cpio e2fsprogs xz-utils"
fuzz="$build clang-16 libclang-rt-16-dev python3"
bench="$build $run python3 runc crun containerd iproute2"

case "${1-}" in
  build) wanted=$build ;;
  run) wanted="$build $run" ;;
  check) wanted=$check ;;
  fuzz) wanted=$fuzz ;;
  bench) wanted=$bench ;;
  *) echo "usage: tests/deps.sh build|run|check|fuzz|bench" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null; then
  echo "tests/deps.sh: not a Debian system; please see that these are installed:" $wanted >&2
  exit 0
fi
missing=""
for package in $wanted; do
  state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
  echo "tests/deps.sh: not root; please install:$missing" >&2
  exit 1
fi

# Debian's way to say that installing a service must not start it (invoke-rc.d(8)): the tests start
# engines of their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
echo "installing:$missing"
apt-get -qq update || true  # an unreachable third-party source must not stop us
# shellcheck disable=SC2086 # a list of words
apt-get -qq -y install --no-install-recommends $missing >/dev/null
