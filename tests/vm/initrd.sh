#!/bin/busybox sh
# shellcheck shell=dash
# Finds the disk and goes on there. Whatever fails, the machine ends.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for module in /modules/*.ko; do insmod "$module" || echo "initrd: insmod $module failed"; done
for _ in 1 2 3 4 5 6 7 8 9 10; do [ -b /dev/vdc ] && break; sleep 0.2; done
if mount -t ext4 /dev/vda /root && mkdir -p /root/lane && tar -C /root/lane -xf /dev/vdb; then
  umount /proc /sys
  mount --move /dev /root/dev
  exec switch_root /root /bin/sh /lane/guest.sh
fi
echo "initrd: no root file system"
poweroff -f
