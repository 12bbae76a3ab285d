#!/bin/sh
# `make run`: a container made on the spot, run hardened, and what holds it.
#   demo.sh GABION
set -eu
gabion=$(realpath "${1:?usage: integration/demo.sh GABION}")

work=$(mktemp -d /var/tmp/gabion-demo.XXXXXX)
id=demo-$$
audit=$work/audit/audit.jsonl
run() { "$gabion" --root "$work/state" --audit "$audit" "$@"; }
clean() {
  run delete --force "$id" 2>/dev/null || true
  rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM

title() { printf '\n\033[1m%s\033[0m\n' "$1"; }
[ -t 1 ] || title() { printf '\n== %s\n' "$1"; }

# --- an image: Debian's static busybox -----------------------------------------------------------
bundle=$work/bundle
root=$bundle/rootfs
mkdir -p "$root"
for directory in bin etc proc sys dev tmp run var/log root; do mkdir -p "$root/$directory"; done
chmod 1777 "$root/tmp"
cp /bin/busybox "$root/bin/busybox"
for applet in $(/bin/busybox --list); do
  [ -e "$root/bin/$applet" ] || ln -s busybox "$root/bin/$applet"
done
echo 'root:x:0:0:root:/root:/bin/sh' > "$root/etc/passwd"

cat > "$root/bin/show" <<'SHOW'
#!/bin/sh
try() {
  what=$1; shift
  if "$@" >/dev/null 2>&1; then echo "  $what: ALLOWED"; else echo "  $what: denied"; fi
}
field() { grep "^$1:" /proc/self/status | cut -f 2; }
echo "I am uid $(id -u) in here; the host knows me as uid $(awk '{ print $2 }' /proc/self/uid_map)."
echo "  user ids (inside, on the host, how many):$(tr -s ' ' < /proc/self/uid_map)"
echo "  capabilities: effective $(field CapEff), inheritable $(field CapInh), ambient $(field CapAmb)"
echo "  no_new_privs $(field NoNewPrivs), seccomp mode $(field Seccomp) with $(field Seccomp_filters) filters stacked"
echo "  processes I see: $(ls /proc | grep -c '^[0-9]'); network interfaces: $(ls /sys/class/net | xargs)"
echo "Mounts, as the kernel has them:"
awk '{ split($6, o, ","); printf "  %-22s %s\n", $5, $6 }' /proc/self/mountinfo | sort -u | head -40
echo "What I try:"
try "write to /etc" sh -c 'echo x > /etc/x'
try "write to /tmp (a volatile overlay)" sh -c 'echo x > /tmp/x'
try "run a program I wrote to /tmp" sh -c 'cp /bin/busybox /tmp/true && /tmp/true'
try "remount / writable" mount -o remount,rw /
try "mount a tmpfs" mount -t tmpfs tmpfs /tmp
try "make a user namespace" unshare -U true
try "make a device node" mknod /tmp/disk b 8 0
try "change the host name" hostname other
try "read kernel memory" sh -c '[ "$(head -c 1 /proc/kcore | wc -c)" = 1 ]'
try "set a host sysctl" sh -c 'echo 1 > /proc/sys/kernel/panic'
SHOW
chmod 755 "$root/bin/show"

# --- a bundle: runc's default configuration, loosened as careless people loosen it ------------------
run spec --bundle "$bundle"
sed -i -e 's/"terminal": *true/"terminal": false/' -e 's/"readonly": *true/"readonly": false/' \
  -e 's/"noNewPrivileges": *true/"noNewPrivileges": false/' -e 's/^\([[:space:]]*\)"sh"$/\1"show"/' "$bundle/config.json"

title "A container whose config.json asks for a writable root and no no_new_privs, as seen from inside"
run run --bundle "$bundle" "$id"

title "Why: gabion explain $bundle"
run explain "$bundle"

title "What the audit log remembers ($audit)"
tail -n 3 "$audit" | cut -c 1-600

cat <<'END'

On a node: /etc/gabion/policy.json changes the policy, `gabion explain BUNDLE` shows every decision
before anything runs, and /var/log/gabion/audit.jsonl has them all. integration/docker and
integration/containerd hold the few lines that switch an engine over.
END
