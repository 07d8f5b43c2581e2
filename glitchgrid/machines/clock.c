/* The time of day of a program on a machine whose clock is set, or goes too fast.

   Preloaded into the program (LD_PRELOAD), it stands for what libc says of the time of day: the real one, and how far
   off a file has it be, which the laboratory writes and this library maps. Monotonic clocks and all sleeps are libc's:
   who sets a machine's clock does not change how long its programs sleep. What waits until a time of day waits for as
   long as that is away when the wait begins; a clock that is set meanwhile does not end it.

   Programs that enter the kernel by themselves, as those in Go do, and those linked statically, have the real time. The
   times of files are the kernel's. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/select.h> /* struct timeval; sys/time.h declares gettimeofday, with other types in older versions */
#include <time.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))
#define SECOND_NS INT64_C(1000000000)
#define MILLION INT64_C(1000000)
#define FAR_S (INT64_MAX / SECOND_NS / 2)
#define TRIES 1000

/* As `clocks.py` writes it. The last word is the others' exclusive or: the file is written while programs read it. */
struct page {
    int64_t off_ns;   /* what is added to the real time */
    int64_t since_ns; /* from when on the clock drifts, in real time since 1970 */
    int64_t ppm;      /* by so many millionths */
    int64_t check;
};

static const volatile struct page *page;

__attribute__((constructor)) static void open_page(void)
{
    const char *path = getenv("GLITCHGRID_CLOCK");
    int descriptor = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    void *found;

    if (descriptor < 0)
        return;
    found = mmap(NULL, sizeof(struct page), PROT_READ, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (found != MAP_FAILED)
        page = found;
}

/* The version that programs of today are linked against: there is an older one beside it on some machines. */
static void *next(const char *name, const char *version)
{
    void *found = version == NULL ? NULL : dlvsym(RTLD_NEXT, name, version);

    return found != NULL ? found : dlsym(RTLD_NEXT, name);
}

#define NEXT(variable, name, version)                      \
    static __typeof__(&name) variable;                     \
    if (variable == NULL)                                  \
        *(void **)&variable = next(#name, version)

static int read_real(clockid_t clock, struct timespec *time)
{
    NEXT(real, clock_gettime, NULL);
    return real(clock, time);
}

static int64_t off_at(int64_t real_ns)
{
    static volatile int64_t last_ns; /* for who finds it torn again and again: its writer may have been stopped */
    struct page now;
    int64_t since_ns;
    int tries;

    if (page == NULL)
        return 0;
    for (tries = 0; tries < TRIES; tries++) {
        now.off_ns = page->off_ns;
        now.since_ns = page->since_ns;
        now.ppm = page->ppm;
        now.check = page->check;
        if (now.check == (now.off_ns ^ now.since_ns ^ now.ppm)) {
            since_ns = real_ns - now.since_ns;
            last_ns = now.off_ns + since_ns / MILLION * now.ppm + since_ns % MILLION * now.ppm / MILLION;
            return last_ns;
        }
    }
    return last_ns;
}

static int64_t in_ns(const struct timespec *time)
{
    return time->tv_sec * SECOND_NS + time->tv_nsec;
}

static struct timespec of_ns(int64_t ns)
{
    struct timespec time = {.tv_sec = (time_t)(ns / SECOND_NS), .tv_nsec = (long)(ns % SECOND_NS)};

    if (time.tv_nsec < 0) {
        time.tv_nsec += SECOND_NS;
        time.tv_sec -= 1;
    }
    return time;
}

static int shows_time_of_day(clockid_t clock)
{
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI;
}

/* A time of day that the program waits for, as the kernel has it. What is no time of the last decades is none: a wait
   by a monotonic clock goes by the same name where the waiting was set up so. So does one that never ends. */
static const struct timespec *real_until(const struct timespec *until, struct timespec *room)
{
    struct timespec now;
    int64_t off_ns;

    if (until == NULL || until->tv_sec < SECOND_NS || until->tv_sec > FAR_S || read_real(CLOCK_REALTIME, &now) != 0)
        return until;
    off_ns = off_at(in_ns(&now));
    if (off_ns == 0)
        return until;
    *room = of_ns(in_ns(until) - off_ns);
    return room;
}

EXPORTED int clock_gettime(clockid_t clock, struct timespec *time)
{
    int status = read_real(clock, time);

    if (status == 0 && shows_time_of_day(clock)) {
        int64_t real_ns = in_ns(time);

        *time = of_ns(real_ns + off_at(real_ns));
    }
    return status;
}

EXPORTED int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
    struct timespec now;

    if (zone != NULL)
        memset(zone, 0, 2 * sizeof(int)); /* struct timezone, which Linux leaves at zero */
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return -1;
    if (time != NULL) {
        time->tv_sec = now.tv_sec;
        time->tv_usec = (suseconds_t)(now.tv_nsec / 1000);
    }
    return 0;
}

EXPORTED time_t time(time_t *out)
{
    struct timespec now;

    if (clock_gettime(CLOCK_REALTIME_COARSE, &now) != 0)
        return (time_t)-1;
    if (out != NULL)
        *out = now.tv_sec;
    return now.tv_sec;
}

EXPORTED int timespec_get(struct timespec *time, int base)
{
    return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, time) == 0 ? base : 0;
}

EXPORTED int clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *left)
{
    struct timespec room;
    NEXT(real, clock_nanosleep, "GLIBC_2.17");

    if (clock == CLOCK_REALTIME && (flags & TIMER_ABSTIME))
        until = real_until(until, &room);
    return real(clock, flags, until, left);
}

EXPORTED int pthread_cond_timedwait(
    pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex, const struct timespec *restrict until)
{
    struct timespec room;
    NEXT(real, pthread_cond_timedwait, "GLIBC_2.3.2");

    return real(condition, mutex, real_until(until, &room));
}

EXPORTED int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex, const struct timespec *restrict until)
{
    struct timespec room;
    NEXT(real, pthread_mutex_timedlock, NULL);

    return real(mutex, real_until(until, &room));
}

EXPORTED int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until)
{
    struct timespec room;
    NEXT(real, sem_timedwait, NULL);

    return real(semaphore, real_until(until, &room));
}
