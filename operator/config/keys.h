// The table of job-file keys: the one place that says which keys there are, what they take, and what happens when they are left
// out.
//
// The parser, the defaults, the checks, the environment names, `config print`, the JSON Schema and the manual all walk this table. A
// path is written with dots; `*` stands for a name that the user chooses, `[]` for an item of a list: "tables.*.aggregates.*",
// "sinks[].file.path".
//
// Adding a key is one row, and a member of rwd_job that it fills.
//
// Thread: any; the table is constant.
#ifndef OPERATOR_CONFIG_KEYS_H
#define OPERATOR_CONFIG_KEYS_H

#include "operator/base/json_out.h"
#include "operator/config/job.h"

// What a key takes. Kinds from RWD_KEY_GROUP on hold other keys; the rest is one text.
typedef enum rwd_key_kind {
    RWD_KEY_JOB_NAME,
    RWD_KEY_PATH,
    RWD_KEY_TEXT,
    RWD_KEY_BOOL,
    RWD_KEY_INT,
    RWD_KEY_SIZE,
    RWD_KEY_DURATION,
    RWD_KEY_CHOICE,
    RWD_KEY_CHARACTER,
    RWD_KEY_ADDRESS,
    RWD_KEY_TYPE,         // fills a whole rwd_field: type and scale
    RWD_KEY_TIME,         // RFC 3339
    RWD_KEY_TIME_FORMAT,
    RWD_KEY_ZONE,         // "+02:00", "Europe/Berlin": rwd_time_zone
    RWD_KEY_FIELD,        // name of a declared field, or (event.time.field) a path
    RWD_KEY_TABLE,        // name of a table
    RWD_KEY_COLUMN,       // name of an aggregate of a table
    RWD_KEY_AGGREGATE,    // "sum(amount)"
    RWD_KEY_EXPRESSION,   // "amount * quantity"
    RWD_KEY_GROUP,        // a map of the keys below it
    RWD_KEY_MAP,          // a map of names that the user chooses
    RWD_KEY_LIST,
    RWD_KEY_KIND_COUNT
} rwd_key_kind;

typedef struct rwd_key {
    const char *path;            // "" is the file itself
    rwd_key_kind kind;
    bool required;               // where what holds it is there
    const char *unless;          // ... and the key of this name beside it is not,
    const char *or_unless;       // nor this one
    bool dotted;                 // MAP: names may have dots
    bool environment;            // REWIND_<PATH> sets it
    bool one;                    // LIST: a single text stands for a list of one
    bool named;                  // LIST: a map stands for a list whose items have names
    const char *shorthand;       // GROUP: a single text stands for a map with this one key
    const char *excludes;        // name of the key beside it that cannot stand with it
    const char *fallback;        // default, as it would be written; NULL: none
    int64_t min, max;            // INT; bytes of SIZE; nanoseconds of DURATION; members of MAP and LIST
    int64_t unit;                // DURATION: nanoseconds in one of what is stored; 0: 1
    const char *const *words;    // CHOICE: by value
    size_t word_count;
    size_t offset, size;         // of the member it fills (in rwd_job, rwd_field or rwd_job_sink); size 0: filled by hand
    bool (*applies)(const rwd_job *job, const void *base);  // has it a meaning in this job? NULL: always
    const char *only;            // when that is, in words; without them `applies` is about printing only
    const char *example;         // as it would be written
    const char *doc;             // one line of the manual
} rwd_key;

// Rows in the order of the manual, a group before its members. NULL behind the last.
const rwd_key *rwd_key_at(size_t index);
const rwd_key *rwd_key_by_path(const char *path);
// The row of member `name` of a group, or NULL.
const rwd_key *rwd_key_member(const rwd_key *group, const char *name);
// The row for what a MAP or LIST holds.
const rwd_key *rwd_key_item(const rwd_key *container);
// Is `key` directly inside `container`?
bool rwd_key_is_inside(const rwd_key *key, const rwd_key *container);
// "path" of "source.file.path".
const char *rwd_key_name(const rwd_key *key);
static inline bool rwd_key_is_container(const rwd_key *key) { return key->kind >= RWD_KEY_GROUP; }
// A single text that stands once in a file: what flags can set.
bool rwd_key_is_settable(const rwd_key *key);
// "REWIND_STATE_PATH".
void rwd_key_environment_name(const rwd_key *key, char out[128]);

// ---- one text: read, written, described (key_value.c)

// Reads `text` as the key's value into the member of `base` (NULL: only checks it). `name` stands for the key in messages. On success
// what was there before is freed. Errors: CONFIG without a place.
RWD_MUST bool rwd_key_read(const rwd_key *key, const char *name, const char *text, void *base, rwd_error *err);
// The member of `base` as text. False: there is none (a path that was not given). Appends.
bool rwd_key_text(const rwd_key *key, const void *base, rwd_buf *out);
// JSON writes its value without quotes: true, 30.
bool rwd_key_is_bare(const rwd_key *key);
// "a duration such as 10s": what belongs here, for messages. Appends.
void rwd_key_expectation(const rwd_key *key, rwd_buf *out);
// "duration": one word for the manual.
const char *rwd_key_kind_word(const rwd_key *key);
// Members of a JSON Schema object that describe the value.
void rwd_key_schema(const rwd_key *key, rwd_json_out *json);

#endif
