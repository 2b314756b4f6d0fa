/* The least plugin that does something: copy it, rename what is called mine, and change update, merge and read.
 *
 *     cc -std=c99 -O2 -fPIC -shared -fvisibility=hidden -I../../../operator/plugin -o mine.so template.c
 *     rewind plugin check ./mine.so
 *
 * In a job file:
 *
 *     plugins: {files: [./mine.so]}
 *     tables: {customers: {key: customer, aggregates: {odd: mine.odd(quantity)}}}
 *
 * shop.c shows decoders, variable cells, parameters, and functions for expressions.
 */
#include "rewind_plugin.h"

/* The cell is one number of 8 bytes, zero before the first value. Cells may stand at any address, so they are read and written with memcpy. */
static int32_t update(const rewind_call *call, rewind_cell *cell, const rewind_value *value, const rewind_moment *when) {
    int64_t count;
    (void)call, (void)when;
    memcpy(&count, cell->bytes, sizeof count);
    count += value->integer % 2 != 0;
    memcpy(cell->bytes, &count, sizeof count);
    return REWIND_OK;
}

static int32_t merge(const rewind_call *call, rewind_cell *cell, const rewind_bytes *other) {
    int64_t count, more;
    (void)call;
    memcpy(&count, cell->bytes, sizeof count);
    memcpy(&more, other->bytes, sizeof more);
    count += more;
    memcpy(cell->bytes, &count, sizeof count);
    return REWIND_OK;
}

static void read_count(const rewind_call *call, const rewind_bytes *cell, rewind_value *out) {
    int64_t count;
    (void)call;
    memcpy(&count, cell->bytes, sizeof count);
    rewind_set_int(out, count);
}

const rewind_plugin *rewind_plugin_v1(void) {
    static const rewind_aggregate odd = {
        .size = sizeof(rewind_aggregate),
        .types = REWIND_BIT(REWIND_INT),
        .order_free = REWIND_BIT(REWIND_INT),
        .cell_size = 8,
        .result = REWIND_INT,
        .name = "odd",
        .doc = "how many values are odd",
        .update = update,
        .merge = merge,
        .read = read_count,
    };
    static const rewind_aggregate *const aggregates[] = {&odd, NULL};
    static const rewind_plugin plugin = {.size = sizeof(rewind_plugin), .name = "mine", .doc = "what it is for", .aggregates = aggregates};
    return &plugin;
}
