// Expressions of job files: compiled once, evaluated per event.
//
// An expression is a text such as `if(kind == "refund", -amount, amount) * quantity`. Compiling resolves its names in a scope, gives every part a type,
// folds constants and makes a short program; evaluating runs that program over an array of values. The language is one set of tables
// (language.h); deploy/docs/expressions.md is its manual.
//
// What holds, whatever the input:
// - The same expression over the same values gives the same answer or the same error: no clock, locale, randomness, or state between calls.
// - Numbers are exact (int64; decimals of at most 38 digits and a scale that is known when compiling; half-even where something is rounded). What does not
//   fit is an error of the event, never a wrap. Floats are IEEE 754 binary64 in the order written, finite, never -0.
// - Null in, null out; `and` and `or` have three values; `coalesce`, `is null` and the condition of `if` end nulls.
// - Evaluating takes no more than the program's length in steps (there are no loops), RWD_EXPR_REGISTERS registers, and no memory once the scratch has grown
//   to the largest batch.
//
// Thread: a compiled expression is immutable; any number of threads may evaluate it, each with its own scratch.
#ifndef OPERATOR_EXPR_EXPR_H
#define OPERATOR_EXPR_EXPR_H

#include "state/value.h"

#define RWD_EXPR_TEXT_MAX 16384u        // bytes of an expression's text
#define RWD_EXPR_DEPTH_MAX 256u         // nesting, and operators in a row
#define RWD_EXPR_ITEMS_MAX 256u         // arguments of coalesce, items of `in`
#define RWD_EXPR_REGISTERS 64u          // intermediate values alive at once
#define RWD_EXPR_STRING_MAX (1u << 20)  // bytes of a string that an expression makes

// ---- scope

// Metadata of a record, which has names of its own: id, name, type, one line of the manual.
#define RWD_EXPR_META_TABLE(X)                                                                                             \
    X(KEY, "record.key", STRING, "the record's key as text; null where it has none")                                       \
    X(OFFSET, "record.offset", INT, "the record's offset")                                                                 \
    X(TIMESTAMP, "record.timestamp", TIME, "the record's own time, as the broker or its producer set it")                  \
    X(HEADER, "record.header", STRING, "`record.header(\"name\")`: the last header of that name as text; null if none")    \
    X(EVENT_TIME, "event_time", TIME, "the event's time (`event.time`)")

typedef enum rwd_expr_meta {
#define RWD_EXPR_META_ENUM(id, name, type, doc) RWD_EXPR_META_##id,
    RWD_EXPR_META_TABLE(RWD_EXPR_META_ENUM)
#undef RWD_EXPR_META_ENUM
        RWD_EXPR_META_COUNT
} rwd_expr_meta;
#define RWD_EXPR_META_BIT(id) (1u << RWD_EXPR_META_##id)
#define RWD_EXPR_META_ALL ((1u << RWD_EXPR_META_COUNT) - 1)

// A name that an expression may use, and where its value stands.
typedef struct rwd_expr_name {
    const char *name;
    rwd_type type;
    unsigned scale;    // of a decimal
    bool nullable;
    uint32_t slot;     // index into rwd_expr_input.values
} rwd_expr_name;

// A function that is not of the language: a plugin's. It outlives the expressions that call it.
#define RWD_EXPR_EXTERN_ARGS_MAX 8u
typedef struct rwd_expr_extern {
    const char *name;          // "shop.tax"
    struct { rwd_type type; uint8_t scale; } args[RWD_EXPR_EXTERN_ARGS_MAX], result;
    uint32_t arg_count;
    // A value from arg_count values of those types; texts in `strings`. RWD_E_NONE, or the event's error.
    rwd_code (*call)(const void *context, const rwd_value *args, rwd_arena *strings, rwd_value *out);
    const void *context;
} rwd_expr_extern;

// What an expression can see. A name that is also a piece of metadata (`event_time`) is reached in backticks. Of several equal names the first counts.
typedef struct rwd_expr_scope {
    const rwd_expr_name *names;
    size_t count;
    const char *noun;         // what the names are, for messages: "field", "column"
    unsigned metadata;        // RWD_EXPR_META_BIT of what is at hand
    unsigned metadata_null;   // of these, what may be null (a header always may)
    const rwd_expr_extern *externs;  // extern_count of them
    size_t extern_count;
} rwd_expr_scope;

// ---- compiling

typedef struct rwd_expr rwd_expr;

// `text` is UTF-8 with a closing NUL. *gives* `out` (free it); copies what it needs of `text` and `scope`. On failure the error is CONFIG, its cause says what
// is wrong, without a place; `*out_column` (may be NULL) is where in `text`: 1 for the first code point.
RWD_MUST bool rwd_expr_compile(const char *text, const rwd_expr_scope *scope, rwd_expr **out, uint32_t *out_column, rwd_error *err);
void rwd_expr_free(rwd_expr *expr);  // NULL is fine

rwd_type rwd_expr_type(const rwd_expr *expr);
unsigned rwd_expr_scale(const rwd_expr *expr);           // 0 unless a decimal
bool rwd_expr_nullable(const rwd_expr *expr);
// It is a name and nothing else: its slot, or -1. The value is then in.values[slot]; a caller may take it from there.
int64_t rwd_expr_plain_slot(const rwd_expr *expr);
// It is the same for every input: its value (*borrows*), or NULL.
const rwd_value *rwd_expr_constant(const rwd_expr *expr);
// The slots that it reads, rising, each once (*borrows*).
const uint32_t *rwd_expr_slots(const rwd_expr *expr, size_t *out_count);
unsigned rwd_expr_metadata(const rwd_expr *expr);        // RWD_EXPR_META_BITs that it reads
// The names of the headers that it asks for, each once, by bytes rising (*borrows*).
const rwd_slice *rwd_expr_headers(const rwd_expr *expr, size_t *out_count);

// The expression in normal form: one spelling of names, literals and spaces, only the parentheses that are needed. It compiles to an equal expression
// in the same scope. Two expressions are equal if normal form, type and slots are. *borrows*.
const char *rwd_expr_text(const rwd_expr *expr);
bool rwd_expr_equal(const rwd_expr *a, const rwd_expr *b);

// ---- evaluating

// The record that an event came from. The bytes are *borrowed*.
typedef struct rwd_expr_record {
    rwd_slice key;
    bool has_key;
    int64_t offset;
    int64_t timestamp_us;    // RWD_TIME_NONE: null
    // The last header of that name; false: none. May be NULL where scopes do not offer headers.
    bool (*header)(void *context, rwd_slice name, rwd_slice *out);
    void *header_context;
} rwd_expr_record;

typedef struct rwd_expr_input {
    const rwd_value *values;       // by slot; may be NULL if no slot is read
    const rwd_expr_record *record; // may be NULL if no metadata of the record is read
    int64_t event_time_us;         // RWD_TIME_NONE: null
} rwd_expr_input;

// Registers and memory for strings. Zero-initialised is ready.
typedef struct rwd_expr_scratch {
    rwd_value registers[RWD_EXPR_REGISTERS];
    const struct rwd_expr_input *in;  // during a call
    const uint8_t *bases[4];  // where operands stand, during a call
    rwd_arena strings;        // what lower, upper and + made, until the reset
    uint32_t column;          // of the part that failed, in the text that was compiled
} rwd_expr_scratch;

void rwd_expr_scratch_reset(rwd_expr_scratch *scratch);   // per batch: strings that were given end
void rwd_expr_scratch_deinit(rwd_expr_scratch *scratch);

// RWD_E_NONE: `*out` is the value (strings borrowed from the input, the expression, or the scratch until its reset). Otherwise the event is at fault, `*out` is
// undefined and scratch->column says where: OVERFLOW, DIVISION_BY_ZERO, OUT_OF_RANGE (a time beyond the years 1 to 9999), WRONG_TYPE (a key or header that
// is not UTF-8), TOO_LARGE (a string beyond RWD_EXPR_STRING_MAX). `out` may be a slot of in->values that the expression does not read.
RWD_MUST rwd_code rwd_expr_eval(const rwd_expr *expr, const rwd_expr_input *in, rwd_expr_scratch *scratch, rwd_value *out);

// The same as a condition: null counts as false. The expression must be a bool.
RWD_MUST rwd_code rwd_expr_test(const rwd_expr *expr, const rwd_expr_input *in, rwd_expr_scratch *scratch, bool *out);

#endif
