// Aggregates: one row of a table each. Adding one is a file and a row of RWD_AGGREGATES (aggregate.c).
//
// An aggregate keeps a cell, a run of bytes in the row. The cell's bytes are its canonical encoding: equal histories give equal bytes.
// Updates are exact; what would overflow is reported and the cell is left as it was.
//
// Thread: pure functions over the caller's bytes; any.
#ifndef STATE_AGGREGATE_H
#define STATE_AGGREGATE_H

#include "state/value.h"

// Takes a value into a cell. RWD_E_NONE, or RWD_E_OVERFLOW with the cell unchanged. A null value changes nothing (count() takes no value).
typedef rwd_code (*rwd_cell_update)(uint8_t *cell, const rwd_value *value);

typedef struct rwd_aggregate {
    const char *name;          // in job files
    const char *doc;           // one line of the manual
    bool takes_field;          // sum(x) against count()
    unsigned types;            // bit set of 1u << rwd_type that the argument may have
    bool order_free;           // the result does not depend on the order of events
    unsigned rounded;          // bit set of the argument types for which it does all the same: each step rounds
    uint32_t (*size)(rwd_type arg);
    void (*init)(rwd_type arg, uint8_t *cell);
    rwd_cell_update (*update)(rwd_type arg);                                   // the function for that type
    rwd_code (*merge)(rwd_type arg, uint8_t *cell, const uint8_t *other);      // as if other's events came too
    void (*read)(rwd_type arg, const uint8_t *cell, rwd_value *out);
    rwd_type (*result)(rwd_type arg);
} rwd_aggregate;

// By name, or NULL. The list ends with NULL names; both static.
const rwd_aggregate *rwd_aggregate_find(const char *name);
const rwd_aggregate *rwd_aggregate_at(size_t index);  // NULL behind the last

#endif
