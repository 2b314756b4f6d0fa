// Aggregates: one row of a table each. Adding one is a file (aggregate_*.c, one per family) and a row of the list in aggregate.c.
//
// An aggregate keeps a cell. Its bytes are its canonical encoding (stated at the top of each family's file): equal histories give equal bytes, and where the
// aggregate is order-free, equal sets of events do. There are two kinds of cells:
//
//   fixed      so many bytes in the fixed part of the row; all zero before the first value
//   variable   a tail behind the fixed part of the row (state/row.h); no bytes before the first value
//
// A null argument changes nothing. Updates are exact, or have a stated error; what would overflow is reported.
//
// Thread: pure functions over the caller's bytes; any.
#ifndef STATE_AGGREGATE_H
#define STATE_AGGREGATE_H

#include "state/value.h"

#define RWD_PARAMETERS_MAX 2         // of an aggregate, behind its field
#define RWD_PARAMETER_NONE INT64_MIN // not given, and without a value of its own: the aggregate decides

// When an event happened: the order of first and last. Ties of time go by offset, then by the event's place in its record.
typedef struct rwd_moment {
    int64_t time_us;
    int64_t offset;
    uint32_t ordinal;
} rwd_moment;

// What a column asks of its aggregate: the argument's type and the literals behind it.
typedef struct rwd_cell_type {
    rwd_type arg;            // unused for count
    uint8_t arg_scale;
    int64_t parameters[RWD_PARAMETERS_MAX];  // in units of their scale
    rwd_i128 limit;          // greatest magnitude of an argument for which the answer is sure to have room; set by the schema
    const void *context;     // rwd_aggregate.context
} rwd_cell_type;

// Takes a value into a fixed cell: RWD_E_NONE, or RWD_E_OVERFLOW with the cell unchanged. `value` is not looked at where the aggregate takes no field.
typedef rwd_code (*rwd_cell_update)(const rwd_cell_type *how, uint8_t *cell, const rwd_value *value, const rwd_moment *when);
// Takes a value into a tail of `*size` bytes, which may grow to `room`. Not RWD_E_NONE (TOO_LARGE: no room; OVERFLOW): the tail is void, so the caller works
// on a copy.
typedef rwd_code (*rwd_tail_update)(const rwd_cell_type *how, uint8_t *tail, uint32_t *size, uint32_t room, const rwd_value *value, const rwd_moment *when);

// A literal behind the field: quantile(latency, 0.99).
typedef struct rwd_parameter {
    const char *name;
    const char *doc;         // "digits behind the point of the answer"
    uint8_t scale;           // digits behind the point that the literal may have
    int64_t least, greatest; // in units of that scale
    bool required;
    int64_t fallback;        // where it is not given, or RWD_PARAMETER_NONE
} rwd_parameter;

typedef struct rwd_aggregate {
    const char *name;          // in job files
    const char *doc;           // one line of the manual
    const char *error;         // how far the answer may be off, for the manual; NULL: it is exact
    bool takes_field;          // sum(x) against count()
    unsigned types;            // bit set of 1u << rwd_type that the argument may have
    bool order_free;           // the answer does not depend on the order of events
    unsigned rounded;          // bit set of the argument types for which it does all the same: each step rounds
    bool complete;             // its answer is all that its cell knows,
    bool dated;                // but for the moment that it stands for
    bool list;                 // the answer is a list: it has no rwd_value, only JSON text
    rwd_parameter parameters[RWD_PARAMETERS_MAX];  // in order; a name of NULL ends them
    uint32_t (*size)(const rwd_cell_type *how);             // bytes of a fixed cell; 0: variable
    rwd_cell_update (*update)(const rwd_cell_type *how);    // the function for that type; NULL where `size` is 0
    rwd_tail_update (*grow)(const rwd_cell_type *how);      // the same for a variable cell; NULL where `size` is not 0
    // As if other's events came too. Fixed cells: `size` and `room` are their size.
    rwd_code (*merge)(const rwd_cell_type *how, uint8_t *cell, uint32_t *size, uint32_t room, const uint8_t *other, uint32_t other_size);
    // The answer; strings *borrow* from the cell. NULL for a list.
    void (*read)(const rwd_cell_type *how, const uint8_t *cell, uint32_t size, rwd_value *out);
    void (*json)(const rwd_cell_type *how, const uint8_t *cell, uint32_t size, rwd_buf *out);  // of a list: appends a JSON array
    rwd_type (*result)(const rwd_cell_type *how);           // type of the answer; STRING for a list: its JSON text
    uint8_t (*scale)(const rwd_cell_type *how);             // of a decimal answer; NULL: the argument's
    rwd_i128 (*limit)(const rwd_cell_type *how);            // see rwd_cell_type; NULL: none
    bool (*valid)(const rwd_cell_type *how, const uint8_t *tail, uint32_t size);  // is that a tail that `grow` writes? Of variable cells
    const void *context;       // what its functions need to know besides (a plugin's); *borrowed*
} rwd_aggregate;

// By name, or NULL. The list ends with NULL names; both static.
const rwd_aggregate *rwd_aggregate_find(const char *name);
const rwd_aggregate *rwd_aggregate_at(size_t index);  // NULL behind the last
size_t rwd_aggregate_parameter_count(const rwd_aggregate *aggregate);
// "FIELD, RANK" or "FIELD[, SCALE]": what stands between the brackets. Appends.
void rwd_aggregate_arguments(const rwd_aggregate *aggregate, rwd_buf *out);

#endif
