"""Shuts a mounted ext4 file system down at once, as if its power were cut.

    fs-shutdown.py MOUNT_POINT

What was not synced stays in memory and is lost at unmounting; the file system's own journal is not
flushed. From then on every operation on it fails. Needs root, and works on any mounted ext4: call it
on nothing but a file system made for it.
"""

import fcntl
import os
import struct
import sys

EXT4_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32), the same as FS_IOC_SHUTDOWN
NO_LOG_FLUSH = 2

place = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY)
fcntl.ioctl(place, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
