#!/bin/sh
# The guest's first process, from the initial RAM disk: loads modules, and goes on from the image.
/bin/busybox mount -t devtmpfs dev /dev
for module in $(/bin/busybox cat /modules/order); do
  /bin/busybox insmod "/modules/$module" || /bin/busybox echo "guest: $module is not loaded"
done
/bin/busybox mount -t ext4 -o noatime /dev/vda /root || exec /bin/busybox poweroff -f
exec /bin/busybox switch_root /root /sbin/init
