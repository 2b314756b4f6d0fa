// The shape of a table: key parts, aggregate columns, row layout; and the canonical encodings of keys and rows.
//
// Key encoding: self-delimiting and ordered, so that memcmp on encoded keys is the order of their values.
//   each part: 0x01 then   INT, TIME   8 bytes big-endian, sign bit flipped
//                          DECIMAL     16 bytes big-endian, sign bit flipped
//                          BOOL        0x00 | 0x01
//                          FLOAT       8 bytes big-endian; of a negative number all bits flipped, else the sign bit
//                          STRING, BYTES  bytes with 0x00 as 0x00 0xFF, ended by 0x00 0x01
//   a null part: 0x00 alone.
// Store key: [table number, 2 bytes big-endian][bucket, 2 bytes big-endian][key]. bucket = top 12 bits of
// XXH3-64(key, seed = table number). Keys of one bucket lie together, so that two states can be compared bucket by bucket.
//
// Row encoding: state/row.h.
//
// Thread: a schema is immutable once made; any.
#ifndef STATE_SCHEMA_H
#define STATE_SCHEMA_H

#include "state/aggregate.h"
#include "state/value.h"
#include "state/window.h"

#define RWD_KEY_PARTS_MAX 8
#define RWD_COLUMNS_MAX 64
#define RWD_TABLES_MAX 64
#define RWD_KEY_BYTES_MAX 8192       // encoded; a longer one is the event's error (TOO_LARGE)
#define RWD_ROW_BYTES_MAX 65536
#define RWD_BUCKETS 4096
#define RWD_STORE_KEY_PREFIX 4       // table and bucket
#define RWD_ROW_SESSION_BYTES 8      // the end of a session, before its columns

typedef struct rwd_key_part {
    char *name;
    rwd_type type;
    uint8_t scale;
} rwd_key_part;

typedef struct rwd_column {
    char *name;
    const rwd_aggregate *aggregate;
    rwd_cell_type how;       // type of the argument, parameters
    uint32_t offset;         // in the fixed part of the row
    uint32_t size;           // there; of a variable cell the 4 bytes of its tail's size
    rwd_cell_update update;  // of a fixed cell, chosen for the argument's type; else NULL
    rwd_tail_update grow;    // of a variable cell; else NULL
} rwd_column;

typedef struct rwd_schema {
    uint16_t number;         // position in the job file; begins every store key
    char *name;
    rwd_key_part parts[RWD_KEY_PARTS_MAX];
    size_t part_count;
    rwd_column columns[RWD_COLUMNS_MAX];
    size_t column_count;
    uint32_t row_size;       // of the fixed part
    bool variable;           // some cell is: rows have tails
    rwd_window window;       // kind NONE: the table has none; else the last key part is the window's start
    uint16_t sessions;       // of a table with sessions: the number of the table that lists its open ones (state/sessions.h); set by who numbers them
} rwd_schema;

// Builds up a schema: init, add parts, add columns, deinit. Names are copied. Adding fails where a bound is reached, a name
// comes twice, or the aggregate does not take that type (the message lists the types that it takes). `parameters`: one for each that the aggregate has, in
// units of its scale, RWD_PARAMETER_NONE where it is not given; within their bounds. NULL: none is given, which only optional ones allow.
void rwd_schema_init(rwd_schema *schema, uint16_t number, const char *name);
void rwd_schema_deinit(rwd_schema *schema);
RWD_MUST bool rwd_schema_add_part(rwd_schema *schema, const char *name, rwd_type type, uint8_t scale, rwd_error *err);
RWD_MUST bool rwd_schema_add_column(rwd_schema *schema, const char *name, const rwd_aggregate *aggregate, rwd_type arg_type,
                                    uint8_t arg_scale, rwd_error *err);
RWD_MUST bool rwd_schema_add_column_with(rwd_schema *schema, const char *name, const rwd_aggregate *aggregate, rwd_type arg_type,
                                         uint8_t arg_scale, const int64_t *parameters, rwd_error *err);

// Encodes a key at `out` (room for RWD_KEY_BYTES_MAX). Returns its size, or 0 if it would be longer.
size_t rwd_key_encode(const rwd_schema *schema, const rwd_value parts[], uint8_t *out);
// The way back; strings are copied into `scratch` (appended) and *borrowed* from there. Untrusted bytes: fails, never overruns.
// `scratch` must not be used for anything else while the parts are.
RWD_MUST bool rwd_key_decode(const rwd_schema *schema, rwd_slice key, rwd_value parts[RWD_KEY_PARTS_MAX], rwd_buf *scratch);
// Adds the last key part, the start of the key's window; of sessions also the end, to the row. Comes before all columns. Errors: as add_part.
RWD_MUST bool rwd_schema_add_window(rwd_schema *schema, const rwd_window *window, rwd_error *err);
// The start of the window whose row has this key. Precondition: the table has windows, and the key is one of its keys.
int64_t rwd_key_window_start(rwd_slice key);
uint64_t rwd_key_hash(uint16_t table, rwd_slice key);
static inline uint16_t rwd_hash_bucket(uint64_t hash) { return (uint16_t)(hash >> 52); }
// Writes the store key's prefix.
static inline void rwd_store_key_prefix(uint8_t out[RWD_STORE_KEY_PREFIX], uint16_t table, uint64_t hash) {
    rwd_put_be16(out, table);
    rwd_put_be16(out + 2, rwd_hash_bucket(hash));
}

// The most bytes that a row of the table can have.
static inline uint32_t rwd_schema_row_max(const rwd_schema *schema) { return schema->variable ? RWD_ROW_BYTES_MAX : schema->row_size; }

// Type and scale of a column's answer. A list has no rwd_value: it is its JSON text (rwd_row_append_json, rwd_row_append_text), and its type is STRING.
rwd_type rwd_column_type(const rwd_column *column);
uint8_t rwd_column_scale(const rwd_column *column);
// What stands between the brackets of the column's function: `field` (NULL: none) and the parameters, up to the last one that is not as if it had not
// been given. Appends.
void rwd_column_arguments(const rwd_column *column, const char *field, rwd_buf *out);
static inline bool rwd_column_is_list(const rwd_column *column) { return column->aggregate->list; }

#endif
