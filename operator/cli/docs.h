// The reference manual, made from the tables that the program runs by. deploy/docs/reference/<page>.md holds what is printed here; a test compares.
//
// Thread: any.
#ifndef OPERATOR_CLI_DOCS_H
#define OPERATOR_CLI_DOCS_H

#include "operator/base/bytes.h"

// Name of the page, what it is about.
typedef struct rwd_docs_row { const char *name; const char *about; } rwd_docs_row;
const rwd_docs_row *rwd_docs_at(size_t index);  // NULL behind the last
// Appends the page as Markdown. USAGE names the nearest right one.
RWD_MUST bool rwd_docs_page(const char *name, rwd_buf *out, rwd_error *err);

#endif
