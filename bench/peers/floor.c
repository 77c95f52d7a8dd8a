/*
 * The least that a server in C does for the requests that kmemfs gets: `floor MOUNTPOINT BYTES`
 * mounts one file, `disk`, over a memfd and serves it with two threads, until it is unmounted.
 * It has no index: block b is the b-th page. Needs root. A yardstick for the benchmarks, no product:
 * nothing is validated, an error ends it.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE = 4096, TRANSFER = 1 << 20, DISK = 2, BACKGROUND = 256 };
/* Newer than the headers of some systems. */
enum { PARALLEL_DIRECT_WRITES = 1 << 6, STATX = 52, DIRECT_IO_ALLOW_MMAP2 = 1 << 4, HAS_RESEND2 = 1 << 7 };
enum {
	WANTED = FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES | FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO |
		 FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES | FUSE_INIT_EXT
};

static unsigned long long size;
static int memfd;
static char *data;
static const char zeros[PAGE];
/* A byte a page: 1 from its first write on. Copying to a fresh page costs more than pwrite, reading one allocates it. */
static volatile char *held;

static int is_held(unsigned long long at, unsigned long long end)
{
	for (unsigned long long page = at / PAGE; page * PAGE < end; page++)
		if (!held[page]) return 0;
	return 1;
}

static void reply(int fd, unsigned long long unique, int error, const void *body, size_t bytes)
{
	struct fuse_out_header header = {sizeof header + bytes, error, unique};
	struct iovec parts[] = {{&header, sizeof header}, {(void *)body, bytes}};
	/* ENOENT: the request was interrupted, or the mount is going away. */
	if (writev(fd, parts, 2) < 0 && errno != ENOENT && errno != ENODEV) err(1, "reply");
}

static struct fuse_attr attributes(unsigned long long node)
{
	if (node != DISK) return (struct fuse_attr){.ino = node, .mode = S_IFDIR | 0755, .nlink = 2, .blksize = PAGE};
	return (struct fuse_attr){.ino = DISK, .size = size, .mode = S_IFREG | 0600, .nlink = 1, .blksize = PAGE};
}

static struct fuse_init_out init(const struct fuse_init_in *in)
{
	return (struct fuse_init_out){
	    .major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION, .max_readahead = in->max_readahead,
	    .flags = in->flags & WANTED, .flags2 = in->flags2 & (DIRECT_IO_ALLOW_MMAP2 | HAS_RESEND2),
	    .max_background = BACKGROUND, .congestion_threshold = BACKGROUND * 3 / 4,
	    .max_write = TRANSFER, .max_pages = TRANSFER / PAGE, .time_gran = 1};
}

static void serve_read(int fd, unsigned long long unique, const struct fuse_read_in *in)
{
	static __thread char mixed[TRANSFER];
	unsigned long long end = in->offset + in->size < size ? in->offset + in->size : size;
	size_t bytes = in->offset < end ? end - in->offset : 0;
	if (is_held(in->offset, in->offset + bytes)) return reply(fd, unique, 0, data + in->offset, bytes);
	for (size_t at = 0, part; at < bytes; at += part) {
		unsigned long long from = in->offset + at;
		part = PAGE - from % PAGE < bytes - at ? PAGE - from % PAGE : bytes - at;
		memcpy(mixed + at, held[from / PAGE] ? data + from : zeros, part);
	}
	reply(fd, unique, 0, mixed, bytes);
}

static void serve_write(int fd, unsigned long long unique, const struct fuse_write_in *in)
{
	unsigned long long end = in->offset + in->size;
	if (end > size) return reply(fd, unique, -EFBIG, NULL, 0);
	if (is_held(in->offset, end)) memcpy(data + in->offset, in + 1, in->size);
	else {
		if (pwrite(memfd, in + 1, in->size, in->offset) != in->size) err(1, "pwrite");
		for (unsigned long long page = in->offset / PAGE; page * PAGE < end; page++) held[page] = 1;
	}
	struct fuse_write_out out = {.size = in->size};
	reply(fd, unique, 0, &out, sizeof out);
}

static void serve_fallocate(int fd, unsigned long long unique, const struct fuse_fallocate_in *in)
{
	if (in->mode == 0) return reply(fd, unique, -EOPNOTSUPP, NULL, 0);
	unsigned long long first = (in->offset + PAGE - 1) / PAGE, end = (in->offset + in->length) / PAGE;
	if (end > first) memset((char *)held + first, 0, end - first);
	int failed = fallocate(memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, in->offset, in->length);
	reply(fd, unique, failed ? -errno : 0, NULL, 0);
}

static void serve(int fd, struct fuse_in_header *in)
{
	void *body = in + 1;
	struct fuse_entry_out entry = {.nodeid = DISK, .entry_valid = 3600, .attr = attributes(DISK)};
	struct fuse_attr_out attr = {.attr = attributes(in->nodeid)};
	struct fuse_open_out file = {.open_flags = in->nodeid == DISK ? FOPEN_DIRECT_IO | PARALLEL_DIRECT_WRITES : 0};
	struct fuse_statfs_out statfs = {.st = {.blocks = size / PAGE, .bsize = PAGE, .frsize = PAGE, .namelen = 255}};
	struct fuse_init_out agreed;
	switch (in->opcode) {
	case FUSE_READ: return serve_read(fd, in->unique, body);
	case FUSE_WRITE: return serve_write(fd, in->unique, body);
	case FUSE_FALLOCATE: return serve_fallocate(fd, in->unique, body);
	case FUSE_FORGET: case FUSE_BATCH_FORGET: case FUSE_INTERRUPT: return;
	case FUSE_INIT: agreed = init(body); return reply(fd, in->unique, 0, &agreed, sizeof agreed);
	case FUSE_LOOKUP:
		if (strcmp(body, "disk") != 0) return reply(fd, in->unique, -ENOENT, NULL, 0);
		return reply(fd, in->unique, 0, &entry, sizeof entry);
	case FUSE_GETATTR: case FUSE_SETATTR: return reply(fd, in->unique, 0, &attr, sizeof attr);
	case FUSE_OPEN: case FUSE_OPENDIR: return reply(fd, in->unique, 0, &file, sizeof file);
	case FUSE_STATFS: return reply(fd, in->unique, 0, &statfs, sizeof statfs);
	case FUSE_RELEASE: case FUSE_RELEASEDIR: case FUSE_READDIR: case FUSE_READDIRPLUS: case FUSE_ACCESS:
		return reply(fd, in->unique, 0, NULL, 0);
	/* FSYNC, FLUSH, LSEEK, xattrs: the kernel does not ask again. */
	default: return reply(fd, in->unique, -ENOSYS, NULL, 0);
	}
}

static void *serve_all(void *argument)
{
	int fd = *(int *)argument;
	char *request = mmap(NULL, TRANSFER + PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (request == MAP_FAILED) err(1, "memory");
	for (;;) {
		ssize_t bytes = read(fd, request, TRANSFER + PAGE);
		if (bytes >= 0) serve(fd, (struct fuse_in_header *)request);
		else if (errno == ENODEV) return NULL;
		else if (errno != ENOENT && errno != EINTR && errno != EAGAIN) err(1, "read of /dev/fuse");
	}
}

int main(int count, char **args)
{
	if (count != 3) errx(2, "usage: floor MOUNTPOINT BYTES");
	size = strtoull(args[2], NULL, 10);
	memfd = memfd_create("floor", MFD_CLOEXEC);
	if (memfd < 0 || ftruncate(memfd, size) < 0) err(1, "memfd");
	data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	held = calloc(size / PAGE + 1, 1);
	if (data == MAP_FAILED || !held) err(1, "memory");

	int fds[2] = {open("/dev/fuse", O_RDWR | O_CLOEXEC), open("/dev/fuse", O_RDWR | O_CLOEXEC)};
	char options[100];
	snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fds[0]);
	if (mount("floor", args[1], "fuse.floor", MS_NOSUID | MS_NODEV, options) < 0) err(1, "mount %s", args[1]);
	if (ioctl(fds[1], FUSE_DEV_IOC_CLONE, &fds[0]) < 0) err(1, "clone");
	pthread_t second;
	if (pthread_create(&second, NULL, serve_all, &fds[1]) != 0) errx(1, "no thread");
	serve_all(&fds[0]);
	pthread_join(second, NULL);
	return 0;
}
