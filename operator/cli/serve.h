// Commands that work on an operator or a repository: run by a live operator for the admin socket, or by the command itself where none runs.
//
//   status                               the status, as a screen or JSON
//   checkpoint-create [TAG]              the id of the new checkpoint
//   pause WHO [WHY], resume WHO          what became of it, for people or as JSON
//   restore ID WHO [WHY]                 nothing: it has begun
//   restore-wait                         "." and a line for people while it is under way, else what became of it; waits a quarter of a second at most
//   repair-apply ID WHO WHY PERCENT      nothing: it has begun
//   repair-wait                          "." and a line for people while it is under way, else nothing; waits a quarter of a second at most
//   checkpoint-forget plan|act ID        what goes or went
//   checkpoint-prune plan|act [KEEP]     likewise
//   checkpoint-tag ID [NAME]             nothing
//   state-get TABLE PART...              the row ("" is the only table)
//
// Thread: any, several at a time.
#ifndef OPERATOR_CLI_SERVE_H
#define OPERATOR_CLI_SERVE_H

#include "operator/admin/server.h"
#include "operator/pipeline/operator.h"

// What checkpoint commands work on. Borrowed.
typedef struct rwd_serve_scope {
    rwd_repo *repo;
    const rwd_lineage *lineage;
    int64_t frontier;
    rwd_keep keep;
} rwd_serve_scope;

// checkpoint-forget, -prune and -tag.
RWD_MUST bool rwd_serve_repo(const rwd_serve_scope *scope, const rwd_admin_call *call, rwd_buf *out, rwd_error *err);
// All of them, on a live operator: an rwd_admin_service's `run`, with the operator as context.
bool rwd_serve_operator(void *op, const rwd_admin_call *call, rwd_buf *out, rwd_error *err);

// A key from its parts as texts (\N is null). `out` has room for RWD_KEY_BYTES_MAX.
RWD_MUST bool rwd_key_from_texts(const rwd_schema *schema, const char *const *texts, size_t count, uint8_t *out, size_t *out_size, rwd_error *err);

#endif
