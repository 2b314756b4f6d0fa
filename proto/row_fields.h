// Published rows as messages of Protocol Buffers: which field has which number.
//
// Each table has a message of its own, whose .proto `rewind config proto JOB` prints. Key fields come first, then what describes the row, then the table's
// aggregates in their order there, so that a job which gets more of them at the end still writes what its readers know. Numbers that are not used are kept free.
//
//   1 .. 8     key fields
//   9, 10      the window's start and end, of tables that have windows
//   11 .. 31   the row itself: the names below
//   32 ..      aggregates: 32 + place in the table
//   128 ..     derived columns: 128 + place in the table
//
// Thread: constants.
#ifndef PROTO_ROW_FIELDS_H
#define PROTO_ROW_FIELDS_H

#define RWD_ROW_FIELD_KEY 1
#define RWD_ROW_FIELD_WINDOW_START 9
#define RWD_ROW_FIELD_WINDOW_END 10
#define RWD_ROW_FIELD_COLUMN 32
#define RWD_ROW_FIELD_DERIVED 128

// number, name, type in .proto, what it says; files have them, records of Kafka say it in headers
#define RWD_ROW_FIELD_TABLE(X)                                                                                          \
    X(OFFSET, 11, "rewind_offset", "int64", "the last record that the row includes")                                    \
    X(LINEAGE, 12, "rewind_lineage", "string", "the logic that made it")                                                \
    X(DELETED, 13, "deleted", "bool", "the key vanished: of the row only its key fields are there")                      \
    X(REPAIR, 14, "rewind_repair", "string", "the row replaces what was published: the repair's id")                   \
    X(OLD, 15, "rewind_old", "bytes", "and what was: such a message; absent where nothing was")                         \
    X(REASON, 16, "rewind_reason", "string", "and why")

enum {
#define RWD_ROW_FIELD_ENUM(id, number, name, type, doc) RWD_ROW_FIELD_##id = number,
    RWD_ROW_FIELD_TABLE(RWD_ROW_FIELD_ENUM)
#undef RWD_ROW_FIELD_ENUM
};

#endif
