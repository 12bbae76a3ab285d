#!/bin/sh
# make install: the programs, the documentation, what a node's engines need, and the policy tiers for
# reading. /etc/gabion is the administrator's: it is made, and never written to.
#   install.sh BUILD DESTDIR PREFIX
set -eu
[ $# = 3 ] || { echo "usage: integration/install.sh BUILD DESTDIR PREFIX" >&2; exit 2; }
build=$1 destdir=$2 prefix=$3
source=$(dirname "$0")/..
share=$destdir$prefix/share

for program in gabion containerd-shim-gabion-v2; do
  install -D -m 755 "$build/$program" "$destdir$prefix/bin/$program"
done

install -d "$share/doc/gabion" "$share/gabion"
for page in README.md CHANGELOG.md LICENSE; do
  install -m 644 "$source/$page" "$share/doc/gabion/$page"
done
for page in "$source"/docs/*.md; do
  [ -e "$page" ] && install -m 644 "$page" "$share/doc/gabion/"
done
for page in "$source"/docs/man/*.[158]; do
  [ -e "$page" ] && install -D -m 644 "$page" "$share/man/man${page##*.}/${page##*/}"
done
for tier in "$source"/profiles/*.policy.json; do
  [ -e "$tier" ] && install -D -m 644 "$tier" "$share/gabion/policies/${tier##*/}"
done

# The drop-ins name the binary where this installation puts it.
for file in docker/daemon.json docker/daemon-shim.json docker/README.md containerd/gabion-v2.toml containerd/gabion-v3.toml \
            containerd/README.md kubernetes/runtimeclass.yaml kubernetes/pod.yaml kubernetes/README.md; do
  install -d "$share/gabion/$(dirname "$file")"
  sed "s|/usr/local/bin/|$prefix/bin/|g" "$source/integration/$file" > "$share/gabion/$file"
  chmod 644 "$share/gabion/$file"
done

install -d -m 755 "$destdir/etc/gabion"
echo "installed $destdir$prefix/bin/gabion; what an engine needs is in $share/gabion"
