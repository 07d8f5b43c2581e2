/* An OpenSSL provider with one algorithm, the random numbers of the world: see provider(7) and provider-rand(7).

   `openssl.cnf` has OpenSSL take it for all its random numbers, instead of CTR-DRBG. That one mixes in the process's
   number, the time and addresses, and seeds itself anew after a fork and every hour; this one has no state but the
   world's, so every context is the same, none is ever seeded, and no lock is needed.

   It works with every OpenSSL from 3.0 on, with the system's and with one that is built into a wheel at one time. So
   it includes none of their headers, but states the part of their interface that it uses; that part is fixed. */

#include "native.h"

#include <string.h>

struct dispatch {
    int number;
    void (*function)(void);
};

struct algorithm {
    const char *names, *properties;
    const struct dispatch *functions;
    const char *description;
};

struct param {
    const char *key;
    unsigned type;
    void *data;
    size_t size, returned;
};

/* openssl/core_dispatch.h and openssl/evp.h have these numbers. */
enum { PROVIDER_QUERY_OPERATION = 1027, OPERATION_RAND = 5, RAND_STATE_READY = 1 };
enum {
    RAND_NEWCTX = 1,
    RAND_FREECTX = 2,
    RAND_INSTANTIATE = 3,
    RAND_UNINSTANTIATE = 4,
    RAND_GENERATE = 5,
    RAND_ENABLE_LOCKING = 8,
    RAND_GET_CTX_PARAMS = 15
};

#define REQUEST_BYTES_MAX 65536 /* OpenSSL divides larger requests */

static char the_context; /* there is nothing in it, but NULL would be an error */

static void *new_context(void *provider, void *parent, const struct dispatch *parent_functions)
{
    (void)provider, (void)parent, (void)parent_functions;
    return &the_context;
}

static void free_context(void *context)
{
    (void)context;
}

static int instantiate(void *context, unsigned strength, int prediction_resistance, const unsigned char *label,
                       size_t label_length, const struct param *params)
{
    (void)context, (void)strength, (void)prediction_resistance, (void)label, (void)label_length, (void)params;
    return 1;
}

static int succeed(void *context)
{
    (void)context;
    return 1;
}

/* What the caller adds to the chance (the last two) is left out: that may be the time, or an address. */
static int generate(void *context, unsigned char *out, size_t length, unsigned strength, int prediction_resistance,
                    const unsigned char *added, size_t added_length)
{
    (void)context, (void)strength, (void)prediction_resistance, (void)added, (void)added_length;
    return draw_bytes(out, length);
}

/* Numbers come in the caller's size: see OSSL_PARAM(3). */
static bool put(struct param *param, uint32_t value)
{
    uint64_t wide = value;

    if (param->size != sizeof value && param->size != sizeof wide)
        return false;
    memcpy(param->data, param->size == sizeof value ? (void *)&value : (void *)&wide, param->size);
    param->returned = param->size;
    return true;
}

static int get_context_params(void *context, struct param *params)
{
    bool is_right = true;

    (void)context;
    for (struct param *each = params; each != NULL && each->key != NULL; each++) {
        if (strcmp(each->key, "state") == 0)
            is_right &= put(each, RAND_STATE_READY);
        else if (strcmp(each->key, "max_request") == 0)
            is_right &= put(each, REQUEST_BYTES_MAX);
    }
    return is_right;
}

#define FUNCTION(name) ((void (*)(void))(name))

static const struct dispatch rand_functions[] = {
    {RAND_NEWCTX, FUNCTION(new_context)},
    {RAND_FREECTX, FUNCTION(free_context)},
    {RAND_INSTANTIATE, FUNCTION(instantiate)},
    {RAND_UNINSTANTIATE, FUNCTION(succeed)},
    {RAND_GENERATE, FUNCTION(generate)},
    {RAND_ENABLE_LOCKING, FUNCTION(succeed)},
    {RAND_GET_CTX_PARAMS, FUNCTION(get_context_params)},
    {0, NULL},
};

static const struct algorithm rand_algorithms[] = {
    {"GLITCHGRID", "provider=glitchgrid", rand_functions, "random numbers of a simulated world"},
    {NULL, NULL, NULL, NULL},
};

static const struct algorithm *query_operation(void *provider, int operation, int *no_cache)
{
    (void)provider;
    *no_cache = 0;
    return operation == OPERATION_RAND ? rand_algorithms : NULL;
}

static const struct dispatch provider_functions[] = {
    {PROVIDER_QUERY_OPERATION, FUNCTION(query_operation)},
    {0, NULL},
};

/* Where OpenSSL begins: it looks for this name in the module that `openssl.cnf` has. */
EXPORTED int OSSL_provider_init(const void *handle, const struct dispatch *core, const struct dispatch **functions,
                                void **context)
{
    (void)handle, (void)core;
    *functions = provider_functions;
    *context = &the_context;
    return 1;
}
