// How a job is made from a tree: the stages of rwd_job_parse, in their order.
//
//   yaml.h         text -> tree
//   substitute.h   ${NAME} filled in
//   override       flags and environment laid over it
//   check          every key known, every value of its kind and in its range
//   build_*        the tree becomes a job; names are resolved
//   fingerprint    what decides results, normalised and hashed
//
// Thread: one at a time.
#ifndef OPERATOR_CONFIG_JOB_PRIVATE_H
#define OPERATOR_CONFIG_JOB_PRIVATE_H

#include "operator/config/keys.h"
#include "operator/config/node.h"

// What most people meet first of YAML's flow style.
#define RWD_COMMA_ENDS "within {...} and [...] a comma ends a value, so one with commas stands in quotes there: \"if(quantity > 9, 'big', 'small')\""

#include <string.h>

// What the stages hand to each other.
typedef struct rwd_job_build {
    const char *file;
    rwd_arena arena;       // holds the tree
    rwd_node *root;
    rwd_job *job;
    rwd_error *err;
    bool foreign_invariants;  // they were written for another logic: those that ask for what this one does not have are passed over
} rwd_job_build;

// Fails at a place, with a cause.
bool rwd_build_fail(rwd_job_build *b, rwd_place place, const char *cause_format, ...) RWD_PRINTF(3, 4);

// job.c. An empty job that is called `name`; and what follows once there is a tree.
void rwd_job_build_init(rwd_job_build *b, const char *name);
RWD_MUST bool rwd_job_build_tree(rwd_job_build *b);

RWD_MUST bool rwd_build_override(rwd_job_build *b, const rwd_override *overrides, size_t count);
RWD_MUST bool rwd_build_check(rwd_job_build *b);
RWD_MUST bool rwd_build_plugins(rwd_job_build *b);
RWD_MUST bool rwd_build_source(rwd_job_build *b);
// Of format plugin: is there such a decoder?
RWD_MUST bool rwd_build_decoder(rwd_job_build *b);
RWD_MUST bool rwd_build_event(rwd_job_build *b);
RWD_MUST bool rwd_build_tables(rwd_job_build *b);
RWD_MUST bool rwd_build_invariants(rwd_job_build *b);
RWD_MUST bool rwd_build_sinks(rwd_job_build *b);
// The table that `node` names with `table:`, or the only one. `name` stands for the node in messages.
RWD_MUST bool rwd_build_find_table(rwd_job_build *b, const rwd_node *node, const char *name, uint16_t *out);
void rwd_job_fingerprint(rwd_job *job);

// Fills the members of `base` whose keys stand below `prefix` ("" for the file, "sinks[]" for a sink) from `node`, or with their
// defaults.
RWD_MUST bool rwd_build_fill(rwd_job_build *b, const char *prefix, const rwd_node *node, const char *name, void *base);
// Fails if a key below `prefix` stands in `node` where it has no meaning.
RWD_MUST bool rwd_build_applies(rwd_job_build *b, const char *prefix, const rwd_node *node, const char *name, const void *base);
// The part of a path behind `prefix`, if it is one text below it and not inside a further map of names or list; else NULL.
const char *rwd_key_below(const rwd_key *key, const char *prefix);

// A part of a scalar's text.
typedef struct rwd_span { const char *from; size_t size; } rwd_span;
static inline rwd_span rwd_span_of(const rwd_node *node) { return (rwd_span){node->text, strlen(node->text)}; }
// Without the blanks at its ends.
rwd_span rwd_span_trim(rwd_span span);

// Compiles a span of a scalar, and once more in its normal form, which is what is kept: columns at run time are those of the normal form. `name` stands
// before the message. *gives*.
RWD_MUST bool rwd_build_compile(rwd_job_build *b, const rwd_node *node, rwd_span span, const char *name, const rwd_expr_scope *scope, rwd_expr **out);
// Fails if it is no bool.
RWD_MUST bool rwd_build_is_condition(rwd_job_build *b, const rwd_node *node, rwd_span span, const char *name, const rwd_expr *expr);
// The same over an event: into the job's expressions, unless an equal one is there or it is a plain field. `out_type` and `out_scale` are its type.
RWD_MUST bool rwd_build_use(rwd_job_build *b, const rwd_node *node, rwd_span span, const char *name, rwd_job_use *out, rwd_type *out_type, uint8_t *out_scale);
RWD_MUST bool rwd_build_condition(rwd_job_build *b, const rwd_node *node, rwd_span span, const char *name, rwd_job_use *out);
// Over a row of the table, as far as it is built.
RWD_MUST bool rwd_build_row_expr(rwd_job_build *b, const rwd_node *node, const char *name, const rwd_job_table *table, rwd_expr **out);
RWD_MUST bool rwd_build_row_condition(rwd_job_build *b, const rwd_node *node, const char *name, const rwd_job_table *table, rwd_expr **out);
// Fails at a span of a scalar, as far as its place is known.
bool rwd_build_fail_in(rwd_job_build *b, const rwd_node *node, const char *at, const char *cause_format, ...) RWD_PRINTF(4, 5);

// Is that name free in rows?
RWD_MUST bool rwd_build_row_name(rwd_job_build *b, rwd_place place, const char *name, const char *word);
// build_aggregates.c: the columns of a table.
RWD_MUST bool rwd_build_aggregates(rwd_job_build *b, const rwd_node *table, rwd_job_table *out);

// Index of the declared field of that name, or -1.
int rwd_job_field(const rwd_job *job, const char *name);
// Fails, with the nearest declared field or all of them.
bool rwd_build_unknown_field(rwd_job_build *b, rwd_place place, const char *name, const char *word);
// "a, b, c".
void rwd_names_append(rwd_buf *out, const char *const *names, size_t count);

#endif
