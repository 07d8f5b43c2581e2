/* What the parts of this library share: the world that the calling thread is in, and its chance.

   The library is preloaded (LD_PRELOAD) and the same file is named to OpenSSL as a provider's module: the dynamic
   linker maps it once, so that both have one `world`. It needs no header but libc's: neither Python's nor OpenSSL's. */

#ifndef GLITCHGRID_NATIVE_H
#define GLITCHGRID_NATIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STATE_WORDS 4

/* Exported are the functions that stand for libc's, the one that OpenSSL looks for, and the one for Python. The build
   hides all others. */
#define EXPORTED __attribute__((visibility("default")))

/* Python writes these fields in place, since a write costs a fifth of a call; `__init__.py` has the same order.

   One for each thread: a run has one thread, and what other threads of the process ask is no part of it. So no lock is
   needed either. */
struct world {
    int64_t is_inside; /* whether a process of the world runs; if not, every answer is the real one */
    int64_t wall_ns;   /* its time of day, since 1970 */
    uint64_t draws;    /* words drawn since the seed */
    uint64_t state[STATE_WORDS];
};

/* The model is that of libraries which are there from the start. Any other may call malloc at a thread's first access,
   and clock_gettime has to work in a handler of a signal. */
extern _Thread_local struct world world __attribute__((tls_model("initial-exec")));

/* Chance for the calling thread: the world's while inside, otherwise the kernel's. False if the kernel refuses. */
bool draw_bytes(unsigned char *out, size_t length);

#endif
