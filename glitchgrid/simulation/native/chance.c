/* Chance: inside the world from its seed, outside from the kernel.

   The generator is xoshiro256** (D. Blackman and S. Vigna, "Scrambled Linear Pseudorandom Number Generators", ACM
   Transactions on Mathematical Software 47, 2021). It keeps no secrets, nor is it meant to: whoever knows the seed, or
   sees some output, knows every key of the run. The keys of a simulated world protect nothing. */

#define _GNU_SOURCE
#include "native.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A run begins with a state of its own. This one, of digits of pi, is for who forgets: zeros would bear only zeros. */
_Thread_local struct world world = {
    .state = {0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89},
};

/* Where Python finds the calling thread's. */
EXPORTED struct world *glitchgrid_world(void)
{
    return &world;
}

static uint64_t rotated(uint64_t word, int bits)
{
    return word << bits | word >> (64 - bits);
}

static uint64_t draw(void)
{
    uint64_t *s = world.state;
    uint64_t drawn = rotated(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotated(s[3], 45);
    world.draws++;
    return drawn;
}

/* By the system call: libc's getrandom is what this library stands for, and glibc before 2.25 has none. */
static bool real_bytes(unsigned char *out, size_t length)
{
    while (length > 0) {
        long given = syscall(SYS_getrandom, out, length, 0);
        if (given < 0) {
            if (errno == EINTR)
                continue;
            return false;
        }
        out += given;
        length -= (size_t)given;
    }
    return true;
}

bool draw_bytes(unsigned char *out, size_t length)
{
    if (!world.is_inside)
        return real_bytes(out, length);
    while (length > 0) {
        uint64_t word = draw();
        /* The lowest byte first on any processor: a seed gives the same bytes everywhere. */
        for (int i = 0; i < 8 && length > 0; i++, length--, word >>= 8)
            *out++ = (unsigned char)(word & 0xff);
    }
    return true;
}
