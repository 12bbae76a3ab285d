#!/bin/sh
# The first process of the machine: what a distribution's init sets up that the tests need, then the
# command, then its output and exit code to the third disk.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t securityfs securityfs /sys/kernel/security
mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /dev/shm 2>/dev/null || { mkdir -p /dev/shm; mount -t tmpfs tmpfs /dev/shm; }
mkdir -p /dev/pts && mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
# As systemd leaves it.
mount --make-rshared /
busybox ip link set lo up
sed 's/[^ ]*/+&/g' /sys/fs/cgroup/cgroup.controllers > /sys/fs/cgroup/cgroup.subtree_control
modprobe overlay
cd /lane/payload || exit 1
# Whoever looks from outside sees that the machine lives. One process, since tests look which come and go.
mkfifo /run/beat
busybox sh -c 'exec 3<>/run/beat; while :; do read -r -t 10 _ <&3; echo alive > /dev/console; done' &
sh /lane/command < /dev/null > /lane/output 2>&1
echo $? > /lane/code
tar -C /lane -cf /dev/vdc code output
sync
busybox poweroff -f
