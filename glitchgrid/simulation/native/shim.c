/* What C code asks libc for, answered by the world while a process of it runs in the calling thread.

   Inside, the time of day stands still until Python moves it, however often it is read: how often the interpreter
   itself reads it is not the same in each run, so a reading must change nothing. A loop in C that waits for the time of
   day would never end; no such loop is known in OpenSSL or in the interpreter.

   The monotonic clocks stay real. The interpreter waits for its lock until some time by them; by the world's, which may
   be ahead of the kernel's, it would wait for hours while another thread computes. No C code is known that shows what
   it read from them. */

#define _GNU_SOURCE
#include "native.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/select.h> /* struct timeval; sys/time.h declares gettimeofday, with other types in older versions */
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS 1000000000
#define GETENTROPY_BYTES_MAX 256 /* getentropy(3) */

typedef int clock_reader(clockid_t, struct timespec *);

/* Looked up when it is first needed: other libraries' constructors may run, and read a clock, before any of this one's
   would. Two threads that look at one time find the same. The real clock is libc's, not the system call, since libc
   reads it without entering the kernel. */
static clock_reader *real_clock(void)
{
    static _Atomic(clock_reader *) found;
    clock_reader *reader = found;

    if (reader == NULL) {
        *(void **)&reader = dlsym(RTLD_NEXT, "clock_gettime");
        found = reader;
    }
    return reader;
}

static bool shows_time_of_day(clockid_t clock)
{
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI;
}

static int read_clock(clockid_t clock, struct timespec *time)
{
    if (!world.is_inside || !shows_time_of_day(clock))
        return real_clock()(clock, time);
    time->tv_sec = (time_t)(world.wall_ns / SECOND_NS);
    time->tv_nsec = (long)(world.wall_ns % SECOND_NS);
    return 0;
}

EXPORTED int clock_gettime(clockid_t clock, struct timespec *time)
{
    return read_clock(clock, time);
}

EXPORTED int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
    struct timespec now;

    if (zone != NULL)
        memset(zone, 0, 2 * sizeof(int)); /* struct timezone, which Linux leaves at zero */
    if (read_clock(CLOCK_REALTIME, &now) != 0)
        return -1;
    time->tv_sec = now.tv_sec;
    time->tv_usec = (suseconds_t)(now.tv_nsec / 1000);
    return 0;
}

/* Coarse, as libc's own is: at the turn of a second it may show the old one where clock_gettime shows the new one. */
EXPORTED time_t time(time_t *out)
{
    struct timespec now;

    if (read_clock(CLOCK_REALTIME_COARSE, &now) != 0)
        return (time_t)-1;
    if (out != NULL)
        *out = now.tv_sec;
    return now.tv_sec;
}

EXPORTED ssize_t getrandom(void *out, size_t length, unsigned flags)
{
    if (!world.is_inside)
        return (ssize_t)syscall(SYS_getrandom, out, length, flags);
    draw_bytes(out, length);
    return (ssize_t)length;
}

EXPORTED int getentropy(void *out, size_t length)
{
    if (length > GETENTROPY_BYTES_MAX) {
        errno = EIO;
        return -1;
    }
    return draw_bytes(out, length) ? 0 : -1;
}
