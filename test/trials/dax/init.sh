#!/bin/sh
# The guest's init: makes the first memory device device DAX, and the second a file system
# with DAX, runs the stage that the kernel's command line names, writes its status to the
# second serial port, and turns the guest off.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t tmpfs -o mode=755 run /run
mkdir -p /dev/shm
mount -t tmpfs -o mode=1777 shm /dev/shm
ln -sf /proc/self/fd /dev/fd

# What ndctl makes stands on the media, and is there again at the next boot.
nodes=/sys/bus/nd/devices
if [ -e $nodes/region0 ] && [ ! -e /sys/bus/dax/devices/dax0.0 ]; then
  ndctl create-namespace -f -e namespace0.0 --mode=devdax --align=2M >/dev/null || echo "guest: no device DAX"
fi
if [ -e $nodes/region1 ]; then
  mkdir -p /mnt/pm
  [ -e /dev/pmem1 ] && mount -t ext4 -o dax /dev/pmem1 /mnt/pm 2>/dev/null || {
    ndctl create-namespace -f -e namespace1.0 --mode=fsdax >/dev/null || echo "guest: no DAX for a file system"
    mkfs.ext4 -q -F -b 4096 /dev/pmem1
    mount -t ext4 -o dax /dev/pmem1 /mnt/pm
  }
fi

stage=$(sed -n 's/.*kmemfs.stage=\([^ ]*\).*/\1/p' /proc/cmdline)
cd /project
export KMEMFS_TEST_PATIENCE=10
node dist-trial/test/trials/dax/guestMain.js "$stage"
echo "$?" >/dev/ttyS1
umount /mnt/pm 2>/dev/null
sync
busybox poweroff -f
